"""Durations as Go writes them (`time.ParseDuration`)."""

from __future__ import annotations

import re

from labs.golang.quoting import quote

_DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+)([^\d.]*)")
_NANOSECONDS = {
    "ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9,
    "h": 3600 * 10**9,
}  # fmt: skip


def duration(text: str) -> float:
    """Seconds of a Go duration such as `1m30s`."""
    sign, rest = (-1, text[1:]) if text[:1] == "-" else (1, text.removeprefix("+"))
    if rest == "0":
        return 0.0
    amount, position = 0.0, 0
    while position < len(rest):
        part = _DURATION_PART.match(rest, position)
        if part is None:
            raise ValueError(f"time: invalid duration {quote(text)}")
        number, unit = part.groups()
        if not unit:
            raise ValueError(f"time: missing unit in duration {quote(text)}")
        if unit not in _NANOSECONDS:
            raise ValueError(f"time: unknown unit {quote(unit)} in duration {quote(text)}")
        amount += float(number) * _NANOSECONDS[unit]
        position = part.end()
    if not rest or amount >= 1 << 63:
        raise ValueError(f"time: invalid duration {quote(text)}")
    return sign * amount / 1e9


def go_duration(seconds: float) -> str:
    """Seconds as Go prints a duration; see `spelled`."""
    return spelled(round(seconds * 10**9))


def spelled(nanoseconds: int) -> str:
    """As Go prints a `time.Duration`: `500ms`, `10s`, `1m20s`, `4h0m0s`."""
    sign, amount = ("-" if nanoseconds < 0 else ""), abs(nanoseconds)
    if not amount:
        return "0s"
    for unit in ("ns", "µs", "ms"):
        if amount < 1000 * _NANOSECONDS[unit]:
            return f"{sign}{_decimal(amount / _NANOSECONDS[unit])}{unit}"
    minutes, rest = divmod(amount, _NANOSECONDS["m"])
    hours, minutes = divmod(minutes, 60)
    seconds = _decimal(rest / _NANOSECONDS["s"]) + "s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else f"{sign}{seconds}"


def _decimal(amount: float) -> str:
    return f"{amount:.9f}".rstrip("0").rstrip(".")
