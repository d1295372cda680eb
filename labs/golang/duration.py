"""Durations as Go writes them (`time.ParseDuration`)."""

from __future__ import annotations

import json
import re

_DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+)([^\d.]*)")
_NANOSECONDS = {
    "ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9,
    "h": 3600 * 10**9,
}  # fmt: skip


def quoted(text: str) -> str:
    """As Go's %q."""
    return json.dumps(text, ensure_ascii=False)


def duration(text: str) -> float:
    """Seconds of a Go duration such as `1m30s`."""
    sign, rest = (-1, text[1:]) if text[:1] == "-" else (1, text.removeprefix("+"))
    if rest == "0":
        return 0.0
    amount, position = 0.0, 0
    while position < len(rest):
        part = _DURATION_PART.match(rest, position)
        if part is None:
            raise ValueError(f"time: invalid duration {quoted(text)}")
        number, unit = part.groups()
        if not unit:
            raise ValueError(f"time: missing unit in duration {quoted(text)}")
        if unit not in _NANOSECONDS:
            raise ValueError(f"time: unknown unit {quoted(unit)} in duration {quoted(text)}")
        amount += float(number) * _NANOSECONDS[unit]
        position = part.end()
    if not rest or amount >= 1 << 63:
        raise ValueError(f"time: invalid duration {quoted(text)}")
    return sign * amount / 1e9
