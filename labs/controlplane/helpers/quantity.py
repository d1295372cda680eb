"""Amounts with Kubernetes' suffixes: `100m`, `64Mi`, `1e3`."""

from __future__ import annotations

import re
from decimal import Decimal

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d{1,9})|([numkMGTPE]|[KMGTPE]i)?)", re.ASCII)
_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
#: An exponent beyond this is as good as this one: Kubernetes' amounts end at 2⁶³.
_LARGEST = 100

QUANTITY_RULE = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


def parse_quantity(text: object) -> Decimal | None:
    """The amount; None when the text is not one."""
    match = _QUANTITY.fullmatch(str(text))
    if match is None:
        return None
    number, exponent, suffix = match.groups()
    if exponent:
        return Decimal(number).scaleb(max(-_LARGEST, min(int(exponent[1:]), _LARGEST)))
    if suffix in _BINARY:
        return Decimal(number) * Decimal(1024 ** _BINARY[suffix])
    return Decimal(number).scaleb(_SUFFIXES[suffix or ""])
