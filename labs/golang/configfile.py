"""The components' own configuration files, decoded as their schemes decode them, with Go's words.

Fields are known by name and type; what a file has beside them is told to the caller, who may be lenient.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labs.golang import gojson
from labs.golang.duration import duration
from labs.golang.goyaml import YAMLError, load, repeated_keys

#: type -> field -> type of its value; `[]T` is a list, `map[string]T` a map, `duration` Go's text, and `any`
#: is not looked into.
Fields = Mapping[str, Mapping[str, str]]

#: What every file says of itself.
_HEADER = {"apiVersion": "string", "kind": "string"}
_PLAIN: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "bool": (bool,),
    "int": (int,),
    "int32": (int,),
    "int64": (int,),
    "float32": (int, float),
    "float64": (int, float),
    "time.Duration": (int,),
}
_NO_KIND = "couldn't get version/kind; json parse error: json: cannot unmarshal"


class ConfigError(Exception):
    """A file cannot be used."""


@dataclass(frozen=True)
class Format:
    """One kind of configuration file."""

    version: str
    kind: str
    fields: Fields
    #: Where the real server's scheme for it is made: part of its words for a kind it does not know.
    scheme: str
    #: What Go calls these types in its messages, where it is another name.
    go: Mapping[str, str] = field(default_factory=dict)
    #: Both may be left out of the file.
    kind_optional: bool = False
    #: Fields that Go has in a structure that is inlined, with its name.
    inlined: Mapping[str, str] = field(default_factory=dict)
    #: What else it may be called, as version and kind.
    also: frozenset[tuple[str, str]] = frozenset()

    def decode(self, data: bytes) -> tuple[dict[str, Any], list[str]]:
        """The document with its known fields, and the paths of others. Raises `ConfigError`."""
        try:
            document = load(data)
        except YAMLError as error:
            raise ConfigError(str(error)) from None
        document = {} if document is None else document
        if not isinstance(document, dict):
            raise ConfigError(
                f"{_NO_KIND} {gojson.kind(document)} "
                'into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; '
                'Kind string "json:\\"kind,omitempty\\"" }'
            )
        version, kind = document.get("apiVersion") or "", document.get("kind") or ""
        for name, value in (("apiVersion", version), ("kind", kind)):
            if not isinstance(value, str):
                raise ConfigError(
                    f"{_NO_KIND} {gojson.kind(value)} into Go struct field .{name} of type string"
                )
        if not self.kind_optional and not (version and kind):
            missing = "apiVersion" if kind else "Kind"
            raise ConfigError(f"Object '{missing}' is missing in '{data.decode()}'")
        named = kind or self.kind
        if version and (version, named) not in {(self.version, self.kind), *self.also}:
            raise ConfigError(
                f'no kind "{named}" is registered for version "{version}" in scheme "{self.scheme}"'
            )
        unknown: list[str] = []
        return self._conform(document, self.kind, self.kind, "", unknown), unknown

    def strict(self, data: bytes) -> dict[str, Any]:
        """The document, which has no other fields and no key twice. Raises `ConfigError`."""
        document, unknown = self.decode(data)
        if faults := strict_faults(data, unknown):
            raise ConfigError(faults)
        return document

    def bare(self, data: bytes, name: str) -> dict[str, Any]:
        """A document that says of itself neither version nor kind; Go calls it `name`, and takes any case.

        Raises `ConfigError`.
        """
        document = load(data)
        if not isinstance(document, dict):
            why = f"json: cannot unmarshal {gojson.kind(document)} into Go value of type {name}"
            raise ConfigError(f"error unmarshaling JSON: while decoding JSON: {why}")
        return self._conform(self._named(document, self.kind), self.kind, self.kind, "", [])  # type: ignore[no-any-return]

    def _named(self, value: Any, expected: str) -> Any:
        """With each field's name as Go has it."""
        if not isinstance(value, dict) or expected not in self.fields:
            return value
        fields = self.fields[expected]
        names = {name.lower(): name for name in fields}
        known = {names[key.lower()]: each for key, each in value.items() if key.lower() in names}
        return {key: self._named(each, fields[key]) for key, each in known.items()}

    def _conform(self, value: Any, expected: str, owner: str, path: str, unknown: list[str]) -> Any:
        if expected.startswith("[]") and isinstance(value, list):
            inner = expected[2:]
            return [self._conform(v, inner, owner, f"{path}[{i}]", unknown) for i, v in enumerate(value)]
        if expected.startswith("map[string]") and isinstance(value, dict):
            inner = expected.removeprefix("map[string]")
            return {key: self._conform(value[key], inner, owner, path, unknown) for key in sorted(value)}
        if expected in self.fields and isinstance(value, dict):
            fields = {**_HEADER, **self.fields[expected]} if not path else self.fields[expected]
            below = {key: f"{path}.{key}".lstrip(".") for key in value}
            owner = (
                expected if expected[0].isupper() else owner
            )  # Go has no name for a structure within another
            unknown += [below[key] for key in value if key not in fields]
            return {
                key: self._conform(each, fields[key], owner, below[key], unknown)
                for key, each in value.items()
                if key in fields and each is not None
            }
        if expected == "any" or type(value) in _PLAIN.get(expected, ()):
            return value
        if expected == "duration" and isinstance(value, str):
            return _duration(value)
        plain = re.sub(r"\[\d+\]", "", path)
        item = expected.rpartition("]")[2]
        named = (
            "string" if item == "duration" else self.go.get(plain.rpartition(".")[2], self.go.get(item, item))
        )
        if plain in self.inlined:
            plain = f"{self.inlined[plain]}.{plain}"
        found = f"number {value}" if isinstance(value, float) else gojson.kind(value)
        raise ConfigError(
            f"json: cannot unmarshal {found} into Go struct field {owner}.{plain} of type "
            f"{expected.removesuffix(item)}{named}"
        )


def _duration(text: str) -> str:
    try:
        duration(text)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return text


def strict_faults(data: bytes, unknown: Sequence[str]) -> str:
    """What the strict decoder has against a file whose `unknown` fields nobody knows, if anything."""
    if twice := repeated_keys(data):
        return "\n  ".join(["strict decoding error: yaml: unmarshal errors:", *twice])
    if unknown:
        return "strict decoding error: " + ", ".join(f'unknown field "{path}"' for path in unknown)
    return ""


def compact(value: object) -> str:
    """JSON as Go writes it in messages."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def invalid(path: str, value: object, why: str) -> str:
    """`field.Invalid`."""
    return f"{path}: Invalid value: {compact(value)}: {why}"


def required(path: str, why: str = "") -> str:
    """`field.Required`."""
    return f"{path}: Required value: {why}" if why else f"{path}: Required value"


def duplicate(path: str, value: object) -> str:
    """`field.Duplicate`."""
    return f"{path}: Duplicate value: {compact(value)}"


def unsupported(path: str, value: str, supported: Iterable[str]) -> str:
    """`field.NotSupported`."""
    listed = ", ".join(map(compact, supported))
    return f"{path}: Unsupported value: {compact(value)}: supported values: {listed}"
