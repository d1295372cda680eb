"""Counters, gauges and histograms, and their text (Prometheus' exposition format 0.0.4)."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from decimal import Decimal

#: Prometheus' own choice, in seconds.
DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def exponential_buckets(start: float, factor: float, count: int) -> tuple[float, ...]:
    """`count` bounds, each `factor` times the one before."""
    bounds, bound = [], start
    for _ in range(count):
        bounds.append(bound)
        bound *= factor
    return tuple(bounds)


class Metric:
    """A family of one name: its values by the values of its labels."""

    kind = "gauge"

    def __init__(self, name: str, description: str, labels: Iterable[str] = ()) -> None:
        self.name = name
        self.description = description
        self.labels = tuple(labels)
        self._values: dict[tuple[str, ...], float] = {}

    def inc(self, *values: str, by: float = 1) -> None:
        """Add to one value."""
        self._values[values] = self._values.get(values, 0) + by

    def set(self, value: float, *values: str) -> None:
        """Put one value."""
        self._values[values] = value

    def lines(self) -> Iterator[str]:
        """The family's text, sorted; nothing while it has no value."""
        if not self._values and not self._has_values():
            return
        yield f"# HELP {self.name} {self.description}"
        yield f"# TYPE {self.name} {self.kind}"
        yield from self._samples()

    def _has_values(self) -> bool:
        return False

    def _samples(self) -> Iterator[str]:
        for pairs, values in self._sorted(self._values):
            yield f"{self.name}{_labels(pairs)} {number(self._values[values])}"

    def _sorted(self, keys: Iterable[tuple[str, ...]]) -> list[tuple[list[tuple[str, str]], tuple[str, ...]]]:
        """Label values as pairs, by the labels' names, and as they are."""
        return sorted((sorted(zip(self.labels, values, strict=True)), values) for values in keys)


class Gauge(Metric):
    """A value that goes up and down."""


class Counter(Metric):
    """A value that only grows."""

    kind = "counter"


class Histogram(Metric):
    """How often values were at most so large."""

    kind = "histogram"

    def __init__(
        self,
        name: str,
        description: str,
        labels: Iterable[str] = (),
        buckets: tuple[float, ...] = DEFAULT_BUCKETS,
    ) -> None:
        super().__init__(name, description, labels)
        self._buckets = buckets
        self._counts: dict[tuple[str, ...], list[int]] = {}

    def observe(self, value: float, *values: str) -> None:
        """Count a value in."""
        counts = self._counts.setdefault(values, [0] * (len(self._buckets) + 1))
        counts[bisect_left(self._buckets, value)] += 1
        self.inc(*values, by=value)

    def _samples(self) -> Iterator[str]:
        for pairs, values in self._sorted(self._counts):
            total = 0
            for bound, count in zip((*self._buckets, float("inf")), self._counts[values], strict=True):
                total += count
                yield f"{self.name}_bucket{_labels([*pairs, ('le', number(bound))])} {total}"
            yield f"{self.name}_sum{_labels(pairs)} {number(self._values[values])}"
            yield f"{self.name}_count{_labels(pairs)} {total}"


def exposition(metrics: Iterable[Metric]) -> bytes:
    """The text of all, by name."""
    lines = [line for metric in sorted(metrics, key=lambda m: m.name) for line in metric.lines()]
    return "".join(f"{line}\n" for line in lines).encode()


def _labels(pairs: Iterable[tuple[str, str]]) -> str:
    shown = ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs)
    return f"{{{shown}}}" if shown else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def number(value: float) -> str:
    """A number with the fewest digits, as Go's strconv has it: with an exponent from a million on."""
    if value == float("inf"):
        return "+Inf"
    _, digits, exponent = Decimal(repr(float(value))).normalize().as_tuple()
    assert isinstance(exponent, int)
    power = len(digits) + exponent - 1
    if -4 <= power < 6:
        return f"{Decimal(repr(float(value))).normalize():f}"
    head, *rest = map(str, digits)
    sign = "-" if value < 0 else ""
    return f"{sign}{head}{'.' if rest else ''}{''.join(rest)}e{power:+03d}"
