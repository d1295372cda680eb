"""Durations and joined values as kubectl's users know them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ..meta import parse_time

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400


def duration(seconds: float) -> str:
    """`42s`, `3m12s`, `5h10m`, `2d3h`, …; mirrors `k8s.io/apimachinery/pkg/util/duration.HumanDuration`."""
    s = int(seconds)
    if seconds < -1:
        return "<invalid>"
    if s <= 0:
        return "0s"
    if s < 2 * _MINUTE:
        return f"{s}s"
    minutes = s // _MINUTE
    if minutes < 10:
        return _two(minutes, "m", s % _MINUTE, "s")
    if minutes < 3 * 60:
        return f"{minutes}m"
    hours = s // _HOUR
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    days = s // _DAY
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 2 * 365:
        return f"{days}d"
    years = s // _YEAR
    if years < 8:
        return _two(years, "y", days % 365, "d")
    return f"{years}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def since(text: str | None) -> str:
    """How long ago a timestamp was."""
    moment = parse_time(text) if text else None
    if moment is None:
        return "<unknown>"
    return duration((datetime.now(UTC) - moment).total_seconds())


def age(obj: dict[str, Any]) -> str:
    """How long an object has existed."""
    return since(obj["metadata"].get("creationTimestamp"))


def labels(values: dict[str, str] | None) -> str:
    """`a=b,c=d`, or `<none>`."""
    return ",".join(f"{key}={values[key]}" for key in sorted(values)) if values else "<none>"
