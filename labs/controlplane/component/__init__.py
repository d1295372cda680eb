"""What every component but the API server does alike: be called, serve its health, lead, end."""

from .command import Panic, execute
from .health import Check, Health, ok
from .metrics import Counter, Gauge, Metrics
from .process import Process
from .serving import StartError

__all__ = [
    "Check",
    "Counter",
    "Gauge",
    "Health",
    "Metrics",
    "Panic",
    "Process",
    "StartError",
    "execute",
    "ok",
]
