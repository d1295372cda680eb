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


def selector(value: dict[str, Any] | None) -> str:
    """A label selector as kubectl writes it; mirrors `metav1.FormatLabelSelector`."""
    if value is None:
        return "<none>"
    parts = [f"{key}={text}" for key, text in (value.get("matchLabels") or {}).items()]
    for requirement in value.get("matchExpressions") or []:
        key, listed = requirement.get("key", ""), ",".join(sorted(requirement.get("values") or []))
        match requirement.get("operator"):
            case "In":
                parts.append(f"{key} in ({listed})")
            case "NotIn":
                parts.append(f"{key} notin ({listed})")
            case "Exists":
                parts.append(key)
            case "DoesNotExist":
                parts.append(f"!{key}")
    return ",".join(sorted(parts)) or "<none>"


def selector_text(value: dict[str, Any] | None, kind: str) -> str:
    """A workload's selector as text that clients can select by."""
    if value is None:
        return ""
    if kind == "ReplicationController":
        return ",".join(f"{key}={value[key]}" for key in sorted(value))
    return "" if selector(value) == "<none>" else selector(value)
