"""What is wrong with schedules and time zones, in the words of robfig/cron's parser and Go's `time`."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from labs.golang.duration import duration
from labs.golang.quoting import quote


class _Field(NamedTuple):
    """The numbers that a field of a schedule can have, and names for some of them."""

    low: int
    high: int
    names: tuple[str, ...] = ()


_FIELDS = (
    _Field(0, 59),
    _Field(0, 23),
    _Field(1, 31),
    _Field(1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    _Field(0, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)
_DESCRIPTORS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_ZONED = re.compile(r"(?:CRON_)?TZ=([^ ]*) ")
_INTEGER = re.compile(r"[-+]?[0-9]+")


def schedule_fault(schedule: str) -> str:
    """What is wrong with a schedule of five fields or a descriptor; "" when nothing is."""
    if zoned := _ZONED.match(schedule):
        if fault := location_fault(zoned[1]):
            return f"provided bad location {zoned[1]}: {fault}"
        schedule = schedule[zoned.end() :].strip()
    if schedule.startswith("@"):
        return _descriptor_fault(schedule)
    parts = schedule.split()
    if len(parts) != len(_FIELDS):
        return f"expected exactly {len(_FIELDS)} fields, found {len(parts)}: [{' '.join(parts)}]"
    try:
        for part, field in zip(parts, _FIELDS, strict=True):
            for expression in filter(None, part.split(",")):
                _check_range(expression, field)
    except ValueError as fault:
        return str(fault)
    return ""


def location_fault(name: str) -> str:
    """What keeps a name from being a time zone's (`time.LoadLocation`); "" when it is one's."""
    if name in ("", "UTC", "Local"):
        return ""
    if ".." in name or name[0] in "/\\":
        return "time: invalid location name"
    return "" if _is_zone(name) else f"unknown time zone {name}"


@cache
def _is_zone(name: str) -> bool:
    """Whether there is such a zone."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _descriptor_fault(descriptor: str) -> str:
    if descriptor in _DESCRIPTORS:
        return ""
    if not descriptor.startswith("@every "):
        return f"unrecognized descriptor: {descriptor}"
    try:
        duration(descriptor.removeprefix("@every "))
    except ValueError as fault:
        return f"failed to parse duration {descriptor}: {fault}"
    return ""


def _check_range(expression: str, field: _Field) -> None:
    """An element of a field's list, such as `*/5` or `1-3`. Raises ValueError."""
    span, *steps = expression.split("/")
    first, *rest = span.split("-")
    if first in ("*", "?"):
        low, high = field.low, field.high
    else:
        low = high = _named(first, field)
        if len(rest) > 1:
            raise ValueError(f"too many hyphens: {expression}")
        if rest:
            high = _named(rest[0], field)
    step = 1
    if len(steps) > 1:
        raise ValueError(f"too many slashes: {expression}")
    if steps:
        step = _integer(steps[0])
        if not rest:
            high = field.high
    if low < field.low:
        raise ValueError(f"beginning of range ({low}) below minimum ({field.low}): {expression}")
    if high > field.high:
        raise ValueError(f"end of range ({high}) above maximum ({field.high}): {expression}")
    if low > high:
        raise ValueError(f"beginning of range ({low}) beyond end of range ({high}): {expression}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {expression}")


def _named(text: str, field: _Field) -> int:
    name = text.lower()
    return field.low + field.names.index(name) if name in field.names else _integer(text)


def _integer(text: str) -> int:
    """A number as `strconv.Atoi` reads it, and not below zero. Raises ValueError."""
    number = int(text) if _INTEGER.fullmatch(text) else None
    if number is None or not -(1 << 63) <= number < 1 << 63:
        why = "invalid syntax" if number is None else "value out of range"
        raise ValueError(f"failed to parse int from {text}: strconv.Atoi: parsing {quote(text)}: {why}")
    if number < 0:
        raise ValueError(f"negative number ({number}) not allowed: {text}")
    return number
