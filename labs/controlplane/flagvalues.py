"""Values of flags, by type: how Go and pflag read them, and their words for nonsense.

Every reader raises `ValueError` with the real words.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping

from labs.golang.duration import duration, go_duration
from labs.golang.quoting import quote

_BOOLEANS = dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True)
_BOOLEANS |= dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False)
_INTEGER = re.compile(
    r"[+-]?(?:0[xX](?:_?[0-9a-fA-F])+|0[oO]?(?:_?[0-7])+|0[bB](?:_?[01])+|[1-9](?:_?[0-9])*|0)"
)
_FLOAT = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf(?:inity)?|nan)", re.IGNORECASE)
_QUANTITY = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?P<suffix>[eEinumkKMGTP]*[-+]?\d*)")
_SUFFIX = re.compile(r"[numkMGTPE]?|[KMGTPE]i|[eE][-+]?\d+")
_QUANTITY_RULE = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


def boolean(text: str) -> bool:
    """`strconv.ParseBool`."""
    if text not in _BOOLEANS:
        raise ValueError(f"strconv.ParseBool: parsing {quote(text)}: invalid syntax")
    return _BOOLEANS[text]


def integer(text: str, function: str = "ParseInt", bits: int = 64) -> int:
    """`strconv.ParseInt`, or `ParseUint`, with the base that the text's prefix says."""
    unsigned = function == "ParseUint"
    low, high = (0, (1 << bits) - 1) if unsigned else (-(1 << bits - 1), (1 << bits - 1) - 1)
    why = "invalid syntax"
    if _INTEGER.fullmatch(text) and not (unsigned and text[0] in "+-"):
        digits = text.lstrip("+-").replace("_", "")
        octal = digits[0] == "0" and digits.isdigit() and len(digits) > 1
        value = int(digits, 8 if octal else 0) * (-1 if text[0] == "-" else 1)
        if low <= value <= high:
            return value
        why = "value out of range"
    raise ValueError(f"strconv.{function}: parsing {quote(text)}: {why}")


def port_range(text: str) -> tuple[int, int]:
    """First and last of `first-last`, `first+more` or one port alone (`apimachinery/pkg/util/net`)."""
    text = text.strip()
    if not text:
        return 0, 0
    separator = "-" if "-" in text else "+"
    low, several, high = text.partition(separator)
    first = _decimal(low)
    last = _decimal(high) if several else first
    if several and separator == "+":
        last += first
    if max(first, last) > 65535:
        raise ValueError(f"the port range cannot be greater than 65535: {text}")
    if last < first:
        raise ValueError(f"end port cannot be less than start port: {text}")
    return first, last


def _decimal(text: str) -> int:
    if not re.fullmatch(r"[+-]?\d+", text):
        raise ValueError(f"strconv.Atoi: parsing {quote(text)}: invalid syntax")
    return int(text)


def comma_separated(text: str) -> list[str]:
    """The fields of a line as `encoding/csv` reads them: a field may stand in double quotes."""
    fields: list[str] = []
    at = 0
    while text:
        if text[at : at + 1] != '"':
            end = text.find(",", at)
            end = len(text) if end < 0 else end
            if (stray := text.find('"', at, end)) >= 0:
                raise ValueError(_csv_fault(text, stray, 'bare " in non-quoted-field'))
            fields.append(text[at:end])
        else:
            closed = re.compile(r'"((?:[^"]|"")*)"').match(text, at)
            end = closed.end() if closed else len(text)
            if closed is None or text[end : end + 1] not in ("", ","):
                wrong = end - 1 if closed else end
                raise ValueError(_csv_fault(text, wrong, 'extraneous or missing " in quoted-field'))
            fields.append(closed[1].replace('""', '"'))
        if end == len(text):
            break
        at = end + 1
    return fields


def _csv_fault(text: str, at: int, why: str) -> str:
    return f"parse error on line 1, column {len(text[:at].encode()) + 1}: {why}"


def _float(text: str, largest: float = 1.8e308) -> float:
    if not _FLOAT.fullmatch(text):
        raise ValueError(f"strconv.ParseFloat: parsing {quote(text)}: invalid syntax")
    value = float(text)
    if abs(value) > largest and "inf" not in text.lower():
        raise ValueError(f"strconv.ParseFloat: parsing {quote(text)}: value out of range")
    return value


def _address(text: str) -> str:
    text = text.strip()
    try:
        if "%" in text:
            raise ValueError
        return str(ipaddress.ip_address(text)) if text else ""
    except ValueError:
        raise ValueError(f"failed to parse IP: {quote(text)}") from None


def _named_pair(text: str) -> str:
    if text.partition(":")[0].count(",") != 1:
        raise ValueError("expected comma separated certificate and key file paths")
    return text


def _version(text: str) -> str:
    if text != "raw" and not text.startswith("v"):
        boolean(text)
    return text


def _module_pattern(text: str) -> str:
    for part in filter(None, text.split(",")):
        if not re.fullmatch(r"[^=]+=[^=]+", part):
            raise ValueError(f"{quote(part)} does not have the pattern=N format")
        level = part.partition("=")[2]
        if not level.isdigit():
            raise ValueError(
                f"parsing verbosity in {quote(part)}: strconv.ParseUint: parsing {quote(level)}: "
                "invalid syntax"
            )
    return text


def _pairs(text: str) -> dict[str, str]:
    pairs = {}
    for part in [text.strip('"')] if text.count("=") == 1 else comma_separated(text):
        key, given, value = part.partition("=")
        if not given:
            raise ValueError(f"{part} must be formatted as key=value")
        pairs[key] = value
    return pairs


def _quantity(text: str) -> str:
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise ValueError(_QUANTITY_RULE)
    if not _SUFFIX.fullmatch(found["suffix"]):
        raise ValueError("unable to parse quantity's suffix")
    return text


#: How a value of each type is read; every type that is not here takes any text.
READERS: Mapping[str, Callable[[str], object]] = {
    "bool": boolean,
    "duration": duration,
    "float": _float,
    "float32": lambda text: _float(text, 3.5e38),
    "int": integer,
    "int32": lambda text: integer(text, bits=32),
    "int32Slice": lambda text: [integer(part, bits=32) for part in text.split(",")],
    "Level": lambda text: integer(text, "ParseUint", 31),
    "ip": _address,
    "namedCertKey": _named_pair,
    "pattern=N,...": _module_pattern,
    "portRange": port_range,
    "quantity": _quantity,
    "strings": comma_separated,
    "stringToString": _pairs,
    "uint": lambda text: integer(text, "ParseUint"),
    "version": _version,
}


def _listed(values: Iterable[str]) -> str:
    return f"[{','.join(values)}]"


def _csv_field(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if re.search(r'[,"\n\r]|^\s', text) else text


def _sorted_pairs(text: str) -> str:
    return ",".join(sorted(text.split(",")))


#: How a value of each type is written again (`pflag.Value.String`); those of other types as they were read.
WRITERS: Mapping[str, Callable[[str], str]] = {
    "bool": lambda text: str(boolean(text or "false")).lower(),
    "duration": lambda text: go_duration(duration(text or "0")),
    **dict.fromkeys(("float", "float32"), lambda text: f"{float(text or 0):g}"),
    **dict.fromkeys(("int", "int32", "Level"), lambda text: str(integer(text or "0"))),
    "int32Slice": lambda text: f"[{text}]",
    "mapStringString": _sorted_pairs,
    "namedCertKey": lambda text: _listed([";".join(text.split("\0"))] if text else []),
    "stringArray": lambda text: _listed(map(_csv_field, text.split("\0") if text else [])),
    "quantity": lambda text: text or "0",
    "strings": lambda text: _listed(map(_csv_field, comma_separated(text))),
    "stringToString": lambda text: f"[{text}]",
    "uint": lambda text: str(integer(text or "0", "ParseUint")),
    "version": lambda text: text or "false",
}
