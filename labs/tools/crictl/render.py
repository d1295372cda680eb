"""Tables, durations, sizes and JSON as Go's libraries print them for the real crictl."""

import json
import math
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from labs.tools.crictl.errors import CrictlError

#: Of Go's tabwriter, as crictl sets it up.
_WIDTH, _PADDING = 20, 3
_ID_LENGTH = 13


def table(rows: Iterable[Sequence[str]]) -> str:
    """Columns of at least 20, three apart, the last one as long as it is."""
    rows = list(rows)
    widths = [max(_WIDTH, max(map(len, column)) + _PADDING) for column in zip(*rows, strict=True)]
    return "".join(
        "".join(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)) + row[-1] + "\n"
        for row in rows
    )


def short(identity: str) -> str:
    """The beginning of an id, without the name of its digest."""
    return identity.removeprefix("sha256:")[:_ID_LENGTH]


def ago(nanoseconds: int, now: int) -> str:
    """How long ago a time was."""
    return f"{duration((now - nanoseconds) / 1e9)} ago"


def duration(seconds: float) -> str:
    """As docker/go-units says it to people."""
    if seconds < 1:
        return "Less than a second"
    if seconds < 2:
        return "1 second"
    if seconds < 60:
        return f"{int(seconds)} seconds"
    minutes = int(seconds / 60)
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    hours = int(seconds / 3600 + 0.5)
    if hours == 1:
        return "About an hour"
    for unit, length, limit in (
        ("hours", 1, 48),
        ("days", 24, 24 * 14),
        ("weeks", 24 * 7, 24 * 60),
        ("months", 24 * 30, 24 * 730),
    ):
        if hours < limit:
            return f"{hours // length} {unit}"
    return f"{hours // (24 * 365)} years"


def size(number: float, digits: int) -> str:
    """Bytes in powers of 1000, with so many digits: 2.12MB."""
    units = ("B", "kB", "MB", "GB", "TB", "PB")
    power = 0
    while number >= 1000 and power < len(units) - 1:
        number /= 1000
        power += 1
    return f"{_significant(number, digits)}{units[power]}"


def _significant(number: float, digits: int) -> str:
    """Go's %.*g, which Python's writes alike for numbers below 10**digits."""
    if number == 0 or math.log10(number) < digits:
        return f"{number:.{digits}g}"
    return f"{number:.0f}"


def go_time(nanoseconds: int) -> str:
    """A time as Go prints it: 2026-11-23 22:34:57.285148587 +0000 UTC."""
    return f"{_stamp(nanoseconds, ' ')} +0000 UTC"


def rfc3339(nanoseconds: int) -> str:
    """A time as Go puts it into JSON; 0 is Go's zero time."""
    return f"{_stamp(nanoseconds, 'T')}Z" if nanoseconds else "0001-01-01T00:00:00Z"


def _stamp(nanoseconds: int, between: str) -> str:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).strftime(f"%Y-%m-%d{between}%H:%M:%S")
    fraction = f"{rest:09d}".rstrip("0")
    return f"{moment}.{fraction}" if fraction else moment


def document(message: Any, *, nested: bool = False) -> dict[str, Any]:
    """A protobuf message as the real one shows it: every field, except messages in it that are not set."""
    result: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            of = field.message_type.fields_by_name["value"]
            result[field.json_name] = {str(key): _json(of, value[key]) for key in sorted(value)}
        elif field.is_repeated:
            result[field.json_name] = [_json(field, each) for each in value]
        elif field.message_type is None or message.HasField(field.name):
            result[field.json_name] = _json(field, value)
        elif not nested:
            result[field.json_name] = None
    if message.DESCRIPTOR.name == "ImageSpec":
        result.setdefault("imageRef", "")  # newer than the messages we have
    return result


def _json(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return document(value, nested=True)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    if field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64):
        return str(value)
    if isinstance(value, bytes):
        import base64

        return base64.b64encode(value).decode()
    return value


def show(value: dict[str, Any], format_: str) -> None:
    """Print a document as JSON or YAML."""
    if format_ == "json":
        text = json.dumps(value, indent=2, ensure_ascii=False)
        # Go's encoder makes its output safe for HTML
        print(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))
    elif format_ == "yaml":
        _print_yaml(value)
    else:
        raise CrictlError(f'unsupported output format "{format_}"')


def _print_yaml(value: dict[str, Any]) -> None:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Quotes with two strokes, as Go's library."""

        def choose_scalar_style(self) -> Any:
            return '"' if (style := super().choose_scalar_style()) == "'" else style

    yaml.dump(value, sys.stdout, Dumper, default_flow_style=False, allow_unicode=True, width=10**6)
    print()


def in_order(value: Any) -> Any:
    """With the keys of all objects sorted, as Go prints maps."""
    if isinstance(value, dict):
        return {key: in_order(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [in_order(each) for each in value]
    return value
