"""Points in time as systemd's tools read and write them (systemd.time(7)), in the node's time zone."""

from __future__ import annotations

import re
import time

_UNITS = {
    "us": 1e-6, "usec": 1e-6, "ms": 1e-3, "msec": 1e-3,
    "": 1, "s": 1, "sec": 1, "second": 1, "seconds": 1,
    "m": 60, "min": 60, "minute": 60, "minutes": 60,
    "h": 3600, "hr": 3600, "hour": 3600, "hours": 3600,
    "d": 86400, "day": 86400, "days": 86400,
    "w": 604800, "week": 604800, "weeks": 604800,
    "M": 2629800, "month": 2629800, "months": 2629800,
    "y": 31557600, "year": 31557600, "years": 31557600,
}  # fmt: skip
_SPAN = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?\s*[A-Za-z]*\s*)+")
_PIECE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")
_ABSOLUTE = re.compile(
    r"(?:[A-Z][a-z]{2} )?(?:(\d{2,4})-(\d\d?)-(\d\d?))?[ T]?(?:(\d\d?):(\d\d)(?::(\d\d)(\.\d+)?)?)?( ?UTC|Z)?"
)


def parse(text: str, now: float) -> float:
    """Seconds since the epoch of `@1795454709`, `2026-11-23 17:52`, `10 min ago`, `-60s`, `yesterday`, …

    Raises `ValueError` for anything else.
    """
    text = text.strip()
    today = time.localtime(now)
    midnight = {"today": 0, "yesterday": -1, "tomorrow": 1}
    if text == "now":
        return now
    if text in midnight:
        return time.mktime((*today[:2], today.tm_mday + midnight[text], 0, 0, 0, 0, 0, -1))
    if text.startswith("@"):
        return float(text[1:])
    if text.endswith(" ago"):
        return now - span(text.removesuffix(" ago"))
    if text.endswith(" left"):
        return now + span(text.removesuffix(" left"))
    if text[:1] in ("+", "-"):
        return now + span(text[1:]) if text[0] == "+" else now - span(text[1:])
    match = _ABSOLUTE.fullmatch(text)
    if match is None or not (match[1] or match[4]):
        raise ValueError(text)
    year, month, day = (int(match[i]) for i in (1, 2, 3)) if match[1] else today[:3]
    hour, minute, second = (int(match[i] or 0) for i in (4, 5, 6))
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61):
        raise ValueError(text)
    moment = (year + 2000 if year < 100 else year, month, day, hour, minute, second, 0, 0, -1)
    if match[8]:
        import calendar

        whole = float(calendar.timegm(moment))
    else:
        whole = time.mktime(moment)
    return whole + float(match[7] or 0)


def span(text: str) -> float:
    """Seconds of `1h 30min`."""
    if not _SPAN.fullmatch(text.strip()):
        raise ValueError(text)
    try:
        return sum(float(number) * _UNITS[unit] for number, unit in _PIECE.findall(text))
    except KeyError:
        raise ValueError(text) from None


def full(seconds: float) -> str:
    """`Mon 2026-11-23 17:52:14 UTC`."""
    return time.strftime("%a %Y-%m-%d %H:%M:%S %Z", time.localtime(seconds))


def ago(seconds: float) -> str:
    """How long something has been, as `systemctl status` says it: the further away, the coarser."""
    whole = int(seconds)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if days >= 365:
        return f"{days // 365} years {days % 365 // 30} months ago"
    if days >= 30:
        return f"{days // 30} months {days % 30} days ago"
    if days >= 7:
        return f"{days // 7} weeks {days % 7} days ago"
    if days >= 2:
        return f"{days} days ago"
    if hours >= 25:
        return f"1 day {hours - 24}h ago"
    if hours >= 6:
        return f"{hours}h ago"
    if hours:
        return f"{hours}h {minutes % 60}min ago"
    if minutes >= 5:
        return f"{minutes}min ago"
    if minutes:
        return f"{minutes}min {whole % 60}s ago"
    if whole:
        return f"{whole}s ago"
    return f"{int(seconds * 1000)}ms ago" if seconds >= 0.001 else "now"


def duration(nanoseconds: int) -> str:
    """Processor time: `38ms`, `3.120s`, `1min 2.004s`."""
    milliseconds = nanoseconds // 1_000_000
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    words = [f"{hours}h"] if hours else []
    words += [f"{minutes}min"] if minutes else []
    if not words and rest < 1000:
        return f"{rest}ms"
    return " ".join([*words, f"{rest // 1000}.{rest % 1000:03d}s"])
