"""Quantities: `100m`, `2`, `1.5Gi` (`apimachinery/pkg/api/resource/quantity.go`)."""

import re
from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, ROUND_UP, Context, Decimal
from functools import lru_cache

BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
PATTERN = re.compile(r"([+-]?)([0-9]*(?:\.[0-9]*)?)([eEinumkKMGTP]*[-+]?[0-9]*)")
#: Exponents of more digits keep the real API server busy until the request times out.
EXPONENT = re.compile(r"[eE]([-+]?[0-9]{1,4})")

REFUSED = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
NO_SUFFIX = "unable to parse quantity's suffix"

#: The least that is more than nothing, and the most that a binary suffix can say.
LEAST = Decimal(1).scaleb(-9)
MOST_BINARY = Decimal(2**63 - 1)


class QuantityError(ValueError):
    """A text that is no amount; it says why in the API's words."""


def quantity_value(text: str) -> Decimal:
    """The number a quantity stands for, rounded up to billionths; QuantityError when it is none."""
    return _parse(text)[0]


def milli(text: str) -> int:
    """In thousandths, rounded up, as CPU is counted."""
    return int((quantity_value(text) * 1000).to_integral_value(ROUND_CEILING))


def canonical_quantity(value: object) -> str:
    """A quantity as the API writes it: the largest unit of its family that leaves no fraction."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise QuantityError(REFUSED)
    text = str(value)
    shown = _canonical(*_parse(text))
    return text if shown.lower() == text.lower() else shown


def add_quantities(one: str, other: str) -> str:
    """Their sum, in the family of units of the first that is not nothing."""
    (first, suffix), (second, other_suffix) = _parse(one), _parse(other)
    return _canonical(_exact(first, second).add(first, second), suffix if first else other_suffix)


def summed(lists: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The sum of some lists of resources, by name; what only one has stays as it is written."""
    total: dict[str, str] = {}
    for resources in lists:
        for name, amount in resources.items():
            total[name] = add_quantities(total[name], amount) if name in total else amount
    return total


def _canonical(number: Decimal, suffix: str) -> str:
    if number == 0:
        return "0"
    decimal = sorted(DECIMAL.items(), key=lambda unit: -unit[1])
    if EXPONENT.fullmatch(suffix):
        decimal = [(f"e{exponent}" if exponent else "", exponent) for _, exponent in decimal]
    units = [(name, Decimal(1).scaleb(exponent)) for name, exponent in decimal]
    if suffix in BINARY:
        fractions = [unit for unit in units if unit[1] <= 1]
        units = [*((name, Decimal(unit)) for name, unit in reversed(BINARY.items())), *fractions]
    return ("-" if number < 0 else "") + _shortest(number.copy_abs(), units)


@lru_cache(maxsize=1024)
def _parse(text: str) -> tuple[Decimal, str]:
    """The number, and the suffix as written."""
    found = PATTERN.fullmatch(text)
    if not found or not text:
        raise QuantityError(REFUSED)
    sign, digits, suffix = found.groups()
    exponent = EXPONENT.fullmatch(suffix)
    if suffix not in BINARY and suffix not in DECIMAL and not exponent:
        raise QuantityError(NO_SUFFIX)
    number = Decimal(0 if digits in ("", ".") else digits)
    exact = _exact(number)
    if suffix in BINARY:
        number = min(exact.multiply(number, Decimal(BINARY[suffix])), MOST_BINARY)
    else:
        number = number.scaleb(int(exponent[1]) if exponent else DECIMAL[suffix], exact)
    rounded = number.quantize(LEAST, ROUND_UP, _exact(number))
    return (rounded.copy_negate() if sign == "-" else rounded), suffix


def _shortest(value: Decimal, units: list[tuple[str, Decimal]]) -> str:
    """In the first of the units that leaves no fraction; the last is the least."""
    exact = _exact(value)
    counted = ((exact.divide(value, unit), name) for name, unit in units)
    number, name = next((n, name) for n, name in counted if n == n.to_integral_value())
    return f"{number:.0f}{name}"


def _exact(*numbers: Decimal) -> Context:
    """One that loses nothing of numbers with one of the suffixes, of their sum, and of their billionths."""
    return Context(prec=sum(len(n.as_tuple().digits) + abs(n.adjusted()) for n in numbers) + 64)
