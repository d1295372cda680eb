"""Go's `encoding/json`: how it writes, and what it says of a text that Python's `json` cannot read."""

from __future__ import annotations

import json
import re
from typing import Any

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
#: What Go writes otherwise, for HTML and JavaScript.
_ESCAPED = {ord(each): f"\\u{ord(each):04x}" for each in "<>&\u2028\u2029"}
_LITERALS = {"n": "null", "t": "true", "f": "false"}
_UNEXPECTED = {
    "Expecting property name": "looking for beginning of object key string",
    "Illegal trailing comma": "looking for beginning of object key string",
    "Expecting ':' delimiter": "after object key",
    "Extra data": "after top-level value",
    "Invalid control character": "in string literal",
    "Invalid \\escape": "in string escape code",
    "Invalid \\uXXXX escape": "in \\u hexadecimal character escape",
}


def indented(value: Any, spaces: int) -> str:
    """JSON in lines (`MarshalIndent`), safe for HTML as Go writes any."""
    return json.dumps(value, indent=spaces, ensure_ascii=False).translate(_ESCAPED)


def kind(value: object) -> str:
    """The word Go's decoder has for what a value is in JSON."""
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
    return "null"


def syntax_error(error: json.JSONDecodeError, body: bytes) -> str:
    """What is wrong with `body`, of which `error` tells."""
    text, position = error.doc, error.pos
    if position >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
        return "unexpected end of JSON input"
    if error.msg.startswith("Expecting value") and (word := _LITERALS.get(text[position])):
        for wanted, found in zip(word[1:], text[position + 1 :], strict=False):
            if wanted != found:
                return f"invalid character {_quoted(found)} in literal {word} (expecting '{wanted}')"
        return "unexpected end of JSON input"
    shown = _quoted(text[position])
    if text[position] == "\ufffd":  # Go names the byte
        shown = f"'\\x{body[len(text[:position].encode())]:02x}'"
    return f"invalid character {shown} {_where(error)}"


def _where(error: json.JSONDecodeError) -> str:
    if error.msg.startswith("Expecting ',' delimiter"):
        return "after object key:value pair" if _in_object(error) else "after array element"
    known = (go for python, go in _UNEXPECTED.items() if error.msg.startswith(python))
    return next(known, "looking for beginning of value")


def _in_object(error: json.JSONDecodeError) -> bool:
    """Whether the innermost bracket open at the error is a brace."""
    opened: list[str] = []
    for character in _STRING.sub("", error.doc[: error.pos]):
        if character in "{[":
            opened.append(character)
        elif character in "}]" and opened:
            opened.pop()
    return opened[-1:] == ["{"]


def _quoted(character: str) -> str:
    """A character as `encoding/json` quotes it."""
    known = {"'": r"'\''", '"': "'\"'", "\n": r"'\n'", "\t": r"'\t'", "\r": r"'\r'", "\\": r"'\\'"}
    return known.get(character, f"'{character}'")
