"""Command lines read as strictly as the real components read them: pflag's rules, types and wording.

What flags there are, of which type and with which default, is read from the component's usage text (what its
`--help` prints, the descriptions left out), kept beside the component as `usage.txt`.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: `  -v, --v Level     text`, `      --leader-elect     text`, `--version version[=true]`.
_FLAG = re.compile(
    r"^ {2,6}(?:-(?P<short>\w), )?--(?P<name>[\w-]+)(?: (?P<kind>\S+?)(?P<optional>\[=true\])?)?(?: {2,}|$)"
)
_DEFAULT = re.compile(r"\(default (?P<value>\"[^\"]*\"|\[[^\]]*\]|[^\s()]+)\)\s*$")

_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+)([^\d.]*)")
_BOOLEANS = dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True)
_BOOLEANS |= dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False)


class FlagError(Exception):
    """The command line cannot be used; printed after `Error: `."""


class HelpWanted(Exception):
    """`--help` or `-h` was given."""


def duration(text: str) -> float:
    """Seconds of a Go duration such as `1m30s`. Raises `ValueError` with Go's own words."""
    sign, rest = (-1.0, text[1:]) if text[:1] == "-" else (1.0, text.removeprefix("+"))
    if rest == "0":
        return 0.0
    seconds, position = 0.0, 0
    while position < len(rest):
        part = _DURATION_PART.match(rest, position)
        if part is None:
            raise ValueError(f'time: invalid duration "{text}"')
        number, unit = part.groups()
        if not unit:
            raise ValueError(f'time: missing unit in duration "{text}"')
        if unit not in _SECONDS:
            raise ValueError(f'time: unknown unit "{unit}" in duration "{text}"')
        seconds += float(number) * _SECONDS[unit]
        position = part.end()
    if not rest:
        raise ValueError(f'time: invalid duration "{text}"')
    return sign * seconds


def boolean(text: str) -> bool:
    """Go's `strconv.ParseBool`."""
    if text not in _BOOLEANS:
        raise ValueError(f'strconv.ParseBool: parsing "{text}": invalid syntax')
    return _BOOLEANS[text]


def _integer(function: str, low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        why = "invalid syntax"
        if re.fullmatch(r"[+-]?(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|[1-9]\d*|0)", text) and not (
            low == 0 and text[0] in "+-"
        ):
            digits = text.lstrip("+-")
            octal = digits[:1] == "0" and digits.isdigit() and len(digits) > 1
            value = int(digits, 8 if octal else 0) * (-1 if text[0] == "-" else 1)
            if low <= value <= high:
                return value
            why = "value out of range"
        raise ValueError(f'strconv.{function}: parsing "{text}": {why}')

    return parse


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f'strconv.ParseFloat: parsing "{text}": invalid syntax') from None


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        raise ValueError(f'failed to parse IP: "{text}"') from None


def _ports(text: str) -> str:
    """A range of ports, as `first-last`, `first+more` or one alone (`apimachinery/pkg/util/net`)."""
    first, separator, last = text.strip().partition("-")
    if not separator:
        first, separator, last = text.strip().partition("+")
    numbers = []
    for part in (first, last) if separator else (first,):
        if not part.isdigit():
            raise ValueError(f'strconv.Atoi: parsing "{part}": invalid syntax')
        numbers.append(int(part))
    if "-" in text and numbers[1] < numbers[0]:
        raise ValueError(f"end port cannot be less than start port: {text}")
    return text


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
        if not re.fullmatch(r"[^=]+=\d+", part):
            raise ValueError(f"{json.dumps(part)} does not have the pattern=N format")
    return text


def _pairs(text: str) -> dict[str, str]:
    pairs = {}
    for part in filter(None, text.split(",")):
        key, given, value = part.partition("=")
        if not given:
            raise ValueError(f"{part} must be formatted as key=value")
        pairs[key] = value
    return pairs


#: How a value of each type is read; every type that is not here takes any text.
_PARSERS: Mapping[str, Callable[[str], object]] = {
    "bool": boolean,
    "duration": duration,
    "float": _float,
    "float32": _float,
    "int": _integer("ParseInt", -(2**63), 2**63 - 1),
    "int32": _integer("ParseInt", -(2**31), 2**31 - 1),
    "Level": _integer("ParseUint", 0, 2**31 - 1),
    "ip": _address,
    "stringToString": _pairs,
    "portRange": _ports,
    "namedCertKey": _named_pair,
    "uint": _integer("ParseUint", 0, 2**64 - 1),
    "version": _version,
    "pattern=N,...": _module_pattern,
}
#: What is between the values of a flag that may be given several times, by its type.
_BETWEEN = {"strings": ",", "stringArray": "\0", "namedCertKey": "\0"}


@dataclass(frozen=True)
class Flag:
    """One flag: `kind` is the type as the usage text names it."""

    name: str
    kind: str
    default: str = ""
    short: str = ""
    #: May be given without a value.
    optional: bool = False

    @property
    def spelled(self) -> str:
        """As pflag names it in a message."""
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"


@dataclass(frozen=True)
class Flags:
    """A command line that was read: the given values and, behind them, the defaults."""

    known: Mapping[str, Flag]
    given: Mapping[str, str] = field(default_factory=dict)

    def is_given(self, name: str) -> bool:
        """Whether a flag stands on the command line."""
        return name in self.given

    def text(self, name: str) -> str:
        """The value of a flag of any type, as it was given."""
        return self.given.get(name, self.known[name].default)

    def switch(self, name: str) -> bool:
        """The value of a `bool`."""
        return boolean(self.text(name) or "false")

    def number(self, name: str) -> int:
        """The value of an integer."""
        return int(self.text(name) or 0)

    def seconds(self, name: str) -> float:
        """The value of a `duration`."""
        return duration(self.text(name) or "0")

    def words(self, name: str) -> list[str]:
        """The values of a list."""
        return [word for word in self.text(name).split(_BETWEEN.get(self.known[name].kind, ",")) if word]


@dataclass(frozen=True)
class FlagSet:
    """The flags of one program."""

    program: str
    #: Everything that `--help` prints.
    usage: str
    flags: Mapping[str, Flag]

    @classmethod
    def of(cls, program: str, usage: Path, hidden: Sequence[Flag] = ()) -> FlagSet:
        """The flags that a usage text lists, and the `hidden` ones that it does not."""
        text = usage.read_text()
        flags = {flag.name: flag for flag in hidden}
        name = ""
        for line in text.splitlines():
            if found := _FLAG.match(line):
                name = found["name"]
                kind = found["kind"] or "bool"
                optional = kind == "bool" or found["optional"] is not None
                flags[name] = Flag(name, kind, short=found["short"] or "", optional=optional)
            if name and (default := _DEFAULT.search(line)):
                flag = flags[name]
                value = default["value"].strip('"[]')
                flags[name] = Flag(name, flag.kind, value, flag.short, flag.optional)
        return cls(program, text, flags)

    def usage_on_error(self) -> str:
        """What the scheduler and the controller manager print before `Error: …`."""
        return self.usage[self.usage.index("Usage:") :]

    def parse(self, arguments: Sequence[str]) -> Flags:
        """Read a command line. Raises `FlagError` with pflag's words, `HelpWanted` for `--help`."""
        given: dict[str, str] = {}
        stray: list[str] = []
        rest = list(arguments)
        while rest:
            argument = rest.pop(0)
            if argument == "--":
                stray += rest
                break
            if argument.startswith("--"):
                name, has_value, value = argument[2:].partition("=")
                if not name or name.startswith("-"):
                    raise FlagError(f"bad flag syntax: {argument}")
                flag = self.flags.get(name.replace("_", "-"))
                if name == "help":
                    raise HelpWanted
                if flag is None:
                    raise FlagError(f"unknown flag: --{name}")
                if not has_value:
                    value = self._next(flag, rest, f"--{name}")
            elif argument.startswith("-") and len(argument) > 1:
                flag, value = self._short(argument, rest)
            else:
                stray.append(argument)
                continue
            self._check(flag, value)
            between = _BETWEEN.get(flag.kind)
            appended = between is not None and flag.name in given
            given[flag.name] = f"{given[flag.name]}{between}{value}" if appended else value
        if stray:
            listed = " ".join(f'"{word}"' for word in stray)
            raise FlagError(f'"{self.program}" does not take any arguments, got [{listed}]')
        return Flags(self.flags, given)

    def _short(self, argument: str, rest: list[str]) -> tuple[Flag, str]:
        letter, value = argument[1], argument[2:].removeprefix("=")
        if letter == "h":
            raise HelpWanted
        flag = next((flag for flag in self.flags.values() if flag.short == letter), None)
        if flag is None:
            raise FlagError(f"unknown shorthand flag: '{letter}' in {argument}")
        if not value:
            value = self._next(flag, rest, f"'{letter}' in {argument}")
        return flag, value

    @staticmethod
    def _next(flag: Flag, rest: list[str], spelled: str) -> str:
        if flag.optional:
            return "true"
        if not rest:
            raise FlagError(f"flag needs an argument: {spelled}")
        return rest.pop(0)

    @staticmethod
    def _check(flag: Flag, value: str) -> None:
        try:
            _PARSERS.get(flag.kind, str)(value)
        except ValueError as error:
            raise FlagError(f'invalid argument "{value}" for "{flag.spelled}" flag: {error}') from None
