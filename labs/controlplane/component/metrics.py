"""`/metrics` of a component: what it says of itself, in Prometheus' text format."""

from __future__ import annotations

import os
import resource
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

_STARTED = time.time()
Labels = tuple[tuple[str, str], ...]


class Counter:
    """A number that only grows, for each combination of labels."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text
        self._values: dict[Labels, float] = defaultdict(float)

    def add(self, amount: float = 1, **labels: str) -> None:
        """Count."""
        self._values[tuple(sorted(labels.items()))] += amount

    def lines(self) -> list[str]:
        """In text."""
        head = [f"# HELP {self.name} {self.text}", f"# TYPE {self.name} counter"]
        return head + [f"{self.name}{_labels(labels)} {value:g}" for labels, value in self._values.items()]


class Gauge:
    """A number that is looked up when it is asked for."""

    def __init__(self, name: str, text: str, values: Callable[[], dict[Labels, float]]) -> None:
        self.name, self.text, self._values = name, text, values

    def lines(self) -> list[str]:
        """In text."""
        head = [f"# HELP {self.name} {self.text}", f"# TYPE {self.name} gauge"]
        return head + [f"{self.name}{_labels(labels)} {value:g}" for labels, value in self._values().items()]


class Metrics:
    """All of a component."""

    def __init__(self, *metrics: Counter | Gauge) -> None:
        self._metrics = (*metrics, *_of_the_process())

    def text(self) -> str:
        """What `/metrics` answers."""
        lines = (line for metric in sorted(self._metrics, key=lambda m: m.name) for line in metric.lines())
        return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels) + "}" if labels else ""


def _of_the_process() -> tuple[Gauge, ...]:
    page = os.sysconf("SC_PAGE_SIZE")

    def memory(field: int) -> float:
        return float(int(Path("/proc/self/statm").read_text().split()[field]) * page)

    def cpu() -> float:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime

    def files() -> float:
        return float(sum(1 for _ in Path("/proc/self/fd").iterdir()))

    told: tuple[tuple[str, str, Callable[[], float]], ...] = (
        ("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", cpu),
        ("process_open_fds", "Number of open file descriptors.", files),
        ("process_resident_memory_bytes", "Resident memory size in bytes.", lambda: memory(1)),
        ("process_start_time_seconds", "Start time of the process since unix epoch in seconds.", _started),
        ("process_virtual_memory_bytes", "Virtual memory size in bytes.", lambda: memory(0)),
    )
    return tuple(Gauge(name, text, _single(value)) for name, text, value in told)


def _started() -> float:
    return _STARTED


def _single(value: Callable[[], float]) -> Callable[[], dict[Labels, float]]:
    return lambda: {(): value()}
