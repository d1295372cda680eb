"""Label selectors as text: `app=web,tier in (a,b),!x,level>3`.

A scanner and a parser that follow `k8s.io/apimachinery/pkg/labels/selector.go` step by step, for its words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from labs.core import names

#: A test of an object's labels.
Requirement = Callable[[Mapping[str, str]], bool]
_SYMBOLS = "=!(),><"
_TOKEN = re.compile(r"[ \t\r\n]*(==|!=|[=!(),><]|[^=!(),>< \t\r\n]+)?")
_OPERATORS = ("in", "notin", "=", "==", "!=", ">", "<")
_INTEGER = r"[+-]?[0-9]{1,19}"
_END, _COMMA, _NOT = "", ",", "!"


class SelectorError(ValueError):
    """A text that is no selector."""


@dataclass
class _Parser:
    text: str
    position: int = 0

    def look(self) -> str:
        """The next token, which stays; "" at the end."""
        match = _TOKEN.match(self.text, self.position)
        assert match is not None
        return match[1] or _END

    def take(self) -> str:
        """The next token."""
        match = _TOKEN.match(self.text, self.position)
        assert match is not None
        self.position = match.end()
        return match[1] or _END

    def requirements(self) -> list[Requirement]:
        found: list[Requirement] = []
        while (token := self.look()) != _END:
            if not (_is_word(token) or token == _NOT):
                raise SelectorError(f"found '{token}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self._requirement())
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error}") from None
            after = self.take()
            if after == _END:
                break
            if after != _COMMA:
                raise SelectorError(f"found '{after}', expected: ',' or 'end of string'")
            if not (_is_word(then := self.look()) or then == _NOT):
                raise SelectorError(f"found '{then}', expected: identifier after ','")
        return found

    def _requirement(self) -> Requirement:
        token = self.take()
        negated = token == _NOT
        key = self.take() if negated else token
        if not _is_word(key):
            raise SelectorError(f"found '{key}', expected: identifier")
        if faults := names.qualified_name_faults(key):
            raise SelectorError(f'<nil>: Invalid value: "{key}": {"; ".join(faults)}')
        if negated:
            return lambda labels: key not in labels
        if self.look() in (_END, _COMMA):
            return lambda labels: key in labels
        operator = self.take()
        if operator not in _OPERATORS:
            raise SelectorError(f"found '{operator}', expected: in, notin, =, ==, !=, gt, lt")
        values = self._values() if operator in ("in", "notin") else {self._value()}
        return _checked(key, operator, values)

    def _values(self) -> set[str]:
        if (token := self.take()) != "(":
            raise SelectorError(f"found '{token}' expected: '('")
        token = self.look()
        if token == ")":
            self.take()
            return {""}
        if not (_is_word(token) or token == _COMMA):
            raise SelectorError(f"found '{token}', expected: ',', ')' or identifier")
        values = self._list()
        self.take()
        return values

    def _list(self) -> set[str]:
        """What is listed up to the closing parenthesis, which stays."""
        values = set[str]()
        while True:
            token = self.take()
            if _is_word(token):
                values.add(token)
                if (then := self.look()) == ")":
                    return values
                if then != _COMMA:
                    raise SelectorError(f"found '{then}', expected: ',' or ')'")
            elif token == _COMMA:
                if not values:
                    values.add("")
                if (then := self.look()) == ")":
                    return values | {""}
                if then == _COMMA:
                    self.take()
                    values.add("")
            else:
                raise SelectorError(f"found '{token}', expected: ',', or identifier")

    def _value(self) -> str:
        if self.look() in (_END, _COMMA):
            return ""
        token = self.take()
        if not _is_word(token):
            raise SelectorError(f"found '{token}', expected: identifier")
        return token


def parse(text: str) -> list[Requirement]:
    """The requirements of a selector, all of which must hold. Raises `SelectorError`."""
    return _Parser(text).requirements()


def _is_word(token: str) -> bool:
    return token != _END and token[0] not in _SYMBOLS


def _checked(key: str, operator: str, values: set[str]) -> Requirement:
    """`NewRequirement`."""
    for index, value in enumerate(sorted(values)):
        if operator in "<>" and not re.fullmatch(_INTEGER, value):
            why = "for 'Gt', 'Lt' operators, the value must be an integer"
            raise SelectorError(f'values[{index}]: Invalid value: "{value}": {why}')
        if faults := names.label_value_faults(value):
            raise SelectorError(f'values[{index}][{key}]: Invalid value: "{value}": {"; ".join(faults)}')
    match operator:
        case "in" | "=" | "==":
            return lambda labels: labels.get(key) in values
        case "notin" | "!=":
            return lambda labels: labels.get(key) not in values
    (bound,) = map(int, values)
    if operator == ">":
        return lambda labels: (number := _number(labels, key)) is not None and number > bound
    return lambda labels: (number := _number(labels, key)) is not None and number < bound


def _number(labels: Mapping[str, str], key: str) -> int | None:
    text = labels.get(key, "")
    return int(text) if re.fullmatch(_INTEGER, text) else None
