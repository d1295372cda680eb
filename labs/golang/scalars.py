"""Values that are text to JSON and more to Go: times and bytes; what it says of wrong ones."""

from __future__ import annotations

import re
from base64 import b64decode
from datetime import UTC, datetime, timedelta

TIME, MICRO_TIME = "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.000000Z07:00"
#: A layout's elements, and what each reads; a fraction of a second is read after any second.
_ELEMENTS = (
    *(("2006", r"\d{4}"), ("-", "-"), ("01", r"\d\d"), ("-", "-"), ("02", r"\d\d"), ("T", "T")),
    *(("15", r"\d\d?"), (":", ":"), ("04", r"\d\d"), (":", ":"), ("05", r"\d\d")),
)
_USUAL = re.compile(r"[12]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", re.ASCII)
_FRACTION, _ZONE = r"[.,]\d+", r"Z|[+-]\d\d:\d\d"
_LIMITS = {"01": (1, 12, "month"), "15": (0, 23, "hour"), "04": (0, 59, "minute"), "05": (0, 59, "second")}


def time(text: str, layout: str = TIME) -> str:
    """A time as the API keeps it, in UTC. Raises `ValueError`."""
    usual = _USUAL.fullmatch(text)
    if usual and bool(usual[1]) == (layout == MICRO_TIME) and _is_moment(text):
        return text
    rest, parts = text, dict[str, int]()
    for element, pattern in _ELEMENTS:
        match = re.match(pattern, rest, re.ASCII)
        if match is None:
            raise _unparsed(text, layout, rest, element)
        rest = rest[match.end() :]
        if match[0].isdigit():
            parts[element] = int(match[0])
        low, high, name = _LIMITS.get(element, (0, 9999, ""))
        if name and not low <= parts[element] <= high:
            raise ValueError(f'parsing time "{text}": {name} out of range')
    fraction = re.match(_FRACTION, rest, re.ASCII)
    if layout == MICRO_TIME and (fraction is None or len(fraction[0]) != 7):
        raise _unparsed(text, layout, rest, ".000000")
    rest = rest[fraction.end() :] if fraction else rest
    zone = re.match(_ZONE, rest, re.ASCII)
    if zone is None:
        raise _unparsed(text, layout, rest, "Z07:00")
    if rest := rest[zone.end() :]:
        raise ValueError(f'parsing time "{text}": extra text: "{rest}"')
    return _utc(text, parts, fraction[0] if fraction else "", zone[0], layout)


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _unparsed(text: str, layout: str, rest: str, element: str) -> ValueError:
    return ValueError(f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{element}"')


def _utc(text: str, parts: dict[str, int], fraction: str, zone: str, layout: str) -> str:
    micros = int(fraction[1:7].ljust(6, "0")) if layout == MICRO_TIME else 0
    sign, hours, minutes = (1, 0, 0) if zone == "Z" else (int(zone[0] + "1"), int(zone[1:3]), int(zone[4:]))
    year, month, day, hour, minute, second = (parts[e] for e in ("2006", "01", "02", "15", "04", "05"))
    try:
        moment = datetime(year, month, day, hour, minute, second, micros, UTC)
        moment -= sign * timedelta(hours=hours, minutes=minutes)
    except (ValueError, OverflowError):
        raise ValueError(f'parsing time "{text}": day out of range') from None
    seconds = moment.strftime("%m-%dT%H:%M:%S")
    return f"{moment.year:04}-{seconds}" + (f".{moment.microsecond:06}Z" if layout == MICRO_TIME else "Z")


def base64(text: str) -> str:
    """Bytes as they were given. Raises `ValueError`."""
    plain = text.replace("\n", "").replace("\r", "")
    try:
        b64decode(plain, validate=True)
    except ValueError:
        strange = re.search(r"[^A-Za-z0-9+/]", plain)
        at = strange.start() if strange else len(plain) // 4 * 4
        raise ValueError(f"illegal base64 data at input byte {at}") from None
    return text
