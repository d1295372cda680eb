"""Quantities: `100m`, `2`, `1.5Gi` (`apimachinery/pkg/api/resource/quantity.go`)."""

import re
from decimal import ROUND_CEILING, Decimal

from labs.kubelet.pod.errors import ParseError

BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
PATTERN = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))([KMGTPE]i|[numkMGTPE]?|[eE][+-]?\d+)")
REFUSED = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


def quantity_value(text: str) -> Decimal:
    """The number a quantity stands for; ParseError when it is none."""
    found = PATTERN.fullmatch(text)
    if not found:
        raise ParseError(REFUSED)
    number, suffix = Decimal(found[1]), found[2]
    try:
        if suffix in BINARY:
            return number * BINARY[suffix]
        if suffix in DECIMAL:
            return number.scaleb(DECIMAL[suffix])
        return number.scaleb(int(suffix[1:]))
    except ArithmeticError:  # more digits than anybody has of anything
        raise ParseError(REFUSED) from None


def milli(text: str) -> int:
    """In thousandths, rounded up, as CPU is counted."""
    return int((quantity_value(text) * 1000).to_integral_value(ROUND_CEILING))


def _shortest(value: Decimal, units: list[tuple[str, Decimal]]) -> str:
    for suffix, unit in units:
        scaled = value / unit
        if scaled == scaled.to_integral_value():
            return f"{int(scaled)}{suffix}"
    return f"{int((value * 10**9).to_integral_value(ROUND_CEILING))}n"


def canonical_quantity(value: object) -> str:
    """A quantity as the API writes it: the largest unit of its family that leaves no fraction."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ParseError(REFUSED)
    text = str(value)
    number = quantity_value(text)
    if number == 0:
        return "0"
    if text.endswith("i"):
        units = [(suffix, Decimal(unit)) for suffix, unit in reversed(BINARY.items())]
        whole = _shortest(abs(number), [*units, ("", Decimal(1)), ("m", Decimal("0.001"))])
    else:
        order = sorted(DECIMAL.items(), key=lambda item: -item[1])
        whole = _shortest(abs(number), [(suffix, Decimal(1).scaleb(exponent)) for suffix, exponent in order])
    return ("-" if number < 0 else "") + whole
