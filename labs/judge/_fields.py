"""Reading a YAML document field by field, so that a mistake is reported where it stands.

`yaml.safe_load` hands back `object`; everything above `labs.judge.exercise` wants values with types. A
`Fields` knows its place in the file (`criteria[2].points`) and says what it found and what it expected.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

from labs.judge.errors import ExerciseError

_ABSENT = object()


class Fields:
    """One mapping of the document. Every key must be taken once; `done` refuses the ones that were not."""

    def __init__(self, value: object, *, source: str, path: str = "") -> None:
        self._source = source
        self._path = path
        if not isinstance(value, dict):
            self._refuse("", "a mapping", value)
        self._left: dict[object, object] = dict(value)

    def text(self, key: str, default: str | None = None) -> str:
        """A non-empty string, stripped of the newline that a YAML block ends in."""
        value = self._take(key, default)
        if not isinstance(value, str) or not (value.strip() or value == default):
            self._refuse(key, "a non-empty text", value)
        return value.strip()

    def number(self, key: str, *, least: int = 0) -> int:
        """A whole number, not below `least`. YAML's `yes` is no number."""
        value = self._take(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            self._refuse(key, f"a whole number of at least {least}", value)
        return value

    def flag(self, key: str) -> bool:
        """A boolean that is false when the key is absent."""
        value = self._take(key, default=False)
        if not isinstance(value, bool):
            self._refuse(key, "true or false", value)
        return value

    def choice(self, key: str, among: frozenset[str]) -> str:
        """One of the names in `among`."""
        value = self.text(key)
        if value not in among:
            self._refuse(key, "one of " + ", ".join(sorted(among)), value)
        return value

    def texts(self, key: str, *, optional: bool = False) -> dict[str, str]:
        """A mapping from text to text."""
        value = self._take(key, {} if optional else _ABSENT)
        if not isinstance(value, dict):
            self._refuse(key, "a mapping from text to text", value)
        for name, text in value.items():
            if not isinstance(name, str) or not isinstance(text, str):
                self._refuse(f"{key}.{name}", "a text", text)
        return dict(value)

    def lines(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        value = self._take(key)
        if not isinstance(value, list) or not all(isinstance(line, str) and line.strip() for line in value):
            self._refuse(key, "a list of texts", value)
        return tuple(line.strip() for line in value)

    def one(self, key: str) -> Fields:
        """A mapping to be read with `Fields` in turn."""
        return Fields(self._take(key), source=self._source, path=self._at(key))

    def each(self, key: str) -> Iterator[Fields]:
        """A non-empty list of mappings."""
        value = self._take(key)
        if not isinstance(value, list) or not value:
            self._refuse(key, "a list with at least one entry", value)
        for number, entry in enumerate(value):
            yield Fields(entry, source=self._source, path=f"{self._at(key)}[{number}]")

    def done(self) -> None:
        """Refuse what nobody asked for: a misspelt field must not be silently without effect."""
        if self._left:
            unknown = ", ".join(sorted(str(key) for key in self._left))
            raise ExerciseError(f"{self._source}: {self._path or 'the file'} has unknown fields: {unknown}")

    def error(self, key: str, sentence: str) -> ExerciseError:
        """An error about the meaning of a field whose form was right."""
        return ExerciseError(f"{self._source}: {self._at(key)}: {sentence}")

    def _take(self, key: str, default: object = _ABSENT) -> object:
        value = self._left.pop(key, _ABSENT)
        if value is not _ABSENT:
            return value
        if default is _ABSENT or default is None:
            raise ExerciseError(f"{self._source}: {self._at(key)} is missing")
        return default

    def _at(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path and key else self._path or key

    def _refuse(self, key: str, expected: str, found: object) -> NoReturn:
        shown = repr(found)
        shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
        raise ExerciseError(
            f"{self._source}: {self._at(key) or 'the file'}: expected {expected}, found {shown}"
        )
