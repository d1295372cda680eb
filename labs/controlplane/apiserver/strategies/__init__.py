"""Per-kind behaviour: defaults, what a client may set, what may change, how it is deleted."""

from ._base import PLAIN, Strategy
from ._pods import PodStrategy
from ._records import (
    ConfigMapStrategy,
    EndpointsStrategy,
    EventStrategy,
    LeaseStrategy,
    NamespaceStrategy,
    NodeStrategy,
    PriorityClassStrategy,
    SecretStrategy,
    ServiceStrategy,
    service_address,
)

__all__ = [
    "PLAIN",
    "ConfigMapStrategy",
    "EndpointsStrategy",
    "EventStrategy",
    "LeaseStrategy",
    "NamespaceStrategy",
    "NodeStrategy",
    "PodStrategy",
    "PriorityClassStrategy",
    "SecretStrategy",
    "ServiceStrategy",
    "Strategy",
    "service_address",
]
