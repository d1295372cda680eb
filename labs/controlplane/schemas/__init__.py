"""The shipped schema files: a definition per line, of which only those that are asked for are parsed."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any


@cache
def _lines(file: str) -> dict[str, bytes]:
    lines = resources.files(__name__).joinpath(file).read_bytes().splitlines()
    return {name.decode(): text for name, _, text in (line.partition(b"\t") for line in lines)}


def names(file: str) -> frozenset[str]:
    """Which definitions a file has."""
    return frozenset(_lines(file))


def raw(file: str, name: str) -> bytes:
    """A definition's JSON. Raises KeyError."""
    return _lines(file)[name]


@cache
def definition(file: str, name: str) -> dict[str, Any]:
    """A definition, shared: not to be changed. Raises KeyError."""
    found: dict[str, Any] = json.loads(_lines(file)[name])
    return found
