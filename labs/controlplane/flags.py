"""Command lines read as strictly as the real components read them: pflag's rules, types and wording.

What flags there are, of which type and with which default, is read from the component's usage text (what its
`--help` prints, the descriptions left out), kept beside the component as `usage.txt`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from labs.golang.duration import duration
from labs.golang.quoting import quote

from .flagvalues import READERS, WRITERS, boolean, comma_separated, integer

#: `  -v, --v Level     text`, `      --leader-elect     text`, `--version version[=true]`.
_FLAG = re.compile(
    r"^ {2,6}(?:-(?P<short>\w), )?--(?P<name>[\w-]+)(?: (?P<kind>\S+?)(?P<optional>\[=true\])?)?(?: {2,}|$)"
)
_DEFAULT = re.compile(r"\(default (?P<value>\"[^\"]*\"|\[[^\]]*\]|[^\s()]+)\)\s*$")


class FlagError(Exception):
    """The command line cannot be used; printed after `Error: `."""


class HelpWanted(Exception):
    """`--help` or `-h` was given."""


#: What is between the values of a flag that may be given several times, by its type.
_BETWEEN = {
    **dict.fromkeys(
        ("strings", "mapStringString", "stringToString", "colonSeparatedMultimapStringString"), ","
    ),
    **dict.fromkeys(("stringArray", "namedCertKey"), "\0"),
}


@dataclass(frozen=True)
class Flag:
    """One flag: `kind` is the type as the usage text names it."""

    name: str
    kind: str
    default: str = ""
    short: str = ""
    #: May be given without a value.
    optional: bool = False
    #: Why not to use it any more; said on stderr when it is given.
    deprecated: str = ""

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
        return integer(self.text(name) or "0")

    def seconds(self, name: str) -> float:
        """The value of a `duration`."""
        return duration(self.text(name) or "0")

    def words(self, name: str) -> list[str]:
        """The values of a list, without empty ones."""
        return [word for word in self.every(name) if word]

    def written(self) -> dict[str, str]:
        """Every flag's value as pflag writes it, by name in alphabetical order."""
        return {
            name: WRITERS.get(flag.kind, str)(self.text(name)) for name, flag in sorted(self.known.items())
        }

    def every(self, name: str) -> list[str]:
        """The values of a list as they were given."""
        text, kind = self.text(name), self.known[name].kind
        if kind == "strings":
            return comma_separated(text)
        return text.split(_BETWEEN.get(kind, ",")) if text else []


@dataclass(frozen=True)
class FlagSet:
    """The flags of one program."""

    program: str
    #: Everything that `--help` prints.
    usage: str
    flags: Mapping[str, Flag]

    @classmethod
    def of(
        cls,
        program: str,
        usage: Path,
        hidden: Sequence[Flag] = (),
        deprecated: Mapping[str, str] = MappingProxyType({}),
    ) -> FlagSet:
        """The flags that a usage text lists and the `hidden` ones that it does not.

        `deprecated`: why some are, by name.
        """
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
                flags[name] = replace(flag, default=value)
        flags |= {name: replace(flags[name], deprecated=why) for name, why in deprecated.items()}
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
            if flag.deprecated:
                print(f"Flag --{flag.name} has been deprecated, {flag.deprecated}", file=sys.stderr)
            between = _BETWEEN.get(flag.kind)
            appended = between is not None and flag.name in given
            given[flag.name] = f"{given[flag.name]}{between}{value}" if appended else value
        if stray:
            listed = " ".join(map(quote, stray))
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
            READERS.get(flag.kind, str)(value)
        except ValueError as error:
            raise FlagError(f'invalid argument {quote(value)} for "{flag.spelled}" flag: {error}') from None
