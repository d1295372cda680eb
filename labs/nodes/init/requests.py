"""Reading a request's fields: what is missing or of the wrong kind is the sender's error, and said so."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class BadRequest(Exception):
    """The request cannot be carried out; the message is the answer."""


def text(message: dict[str, Any], key: str, default: str | None = None) -> str:
    value = message.get(key)
    if value is None and default is not None:
        return default
    if not isinstance(value, str) or "\0" in value:
        raise BadRequest(f"{key}: a text is needed")
    return value


def number(message: dict[str, Any], key: str) -> int:
    value = message.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadRequest(f"{key}: a number is needed")
    return value


def texts(message: dict[str, Any], key: str) -> list[str]:
    """A list of at least one text."""
    value = message.get(key)
    if (
        not isinstance(value, list)
        or not value
        or not all(isinstance(item, str) and "\0" not in item for item in value)
    ):
        raise BadRequest(f"{key}: a list of texts is needed")
    return value


def numbers(message: dict[str, Any], key: str) -> list[int]:
    """A list of numbers, which may be missing."""
    value = message.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, int) for item in value):
        raise BadRequest(f"{key}: a list of numbers is needed")
    return value


def environment(message: dict[str, Any], key: str = "env") -> dict[str, str]:
    value = message.get(key) or {}
    if not isinstance(value, dict) or not all(
        isinstance(item, str) and "\0" not in item + name and "=" not in name and name
        for name, item in value.items()
    ):
        raise BadRequest(f"{key}: an object of texts is needed")
    return value


def window(message: dict[str, Any]) -> tuple[int, int] | None:
    """Rows and columns of the terminal that is asked for; None when none is."""
    tty = message.get("tty")
    if not tty:
        return None
    if not isinstance(tty, dict):
        tty = {}
    rows, columns = (tty.get(key) for key in ("rows", "cols"))
    sizes = (rows if isinstance(rows, int) else 24, columns if isinstance(columns, int) else 80)
    if not all(0 <= size <= 0xFFFF for size in sizes):
        raise BadRequest("tty: rows and cols are small numbers")
    return sizes
