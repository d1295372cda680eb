"""`journalctl` on a node: reads the node's journal with the options one uses on a real one."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from labs.tools import journal, timestamps
from labs.tools.journal import Entry
from labs.tools.options import BadOption, parse, spellings

_PRIORITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")

_OPTIONS = spellings(
    flags="""
        -f --follow, -r --reverse, -k --dmesg, -x --catalog, -e --pager-end, -a --all, -q --quiet, -l --full,
        -m --merge, -h --help, --no-pager, --no-tail, --no-hostname, --no-full, --utc, --system, --list-boots,
        --version
    """,
    values="""
        -u --unit, -t --identifier, -p --priority, -S --since, -U --until, -o --output, -g --grep,
        -D --directory
    """,
    optional="-n --lines, -b --boot",
)

_HELP = """\
journalctl [OPTIONS...] [FIELD=VALUE...]

Query the journal.

  -u --unit=UNIT             Show logs from the specified unit
  -f --follow                Follow the journal
  -n --lines[=INTEGER]       Number of journal entries to show
  -r --reverse               Show the newest entries first
  -p --priority=RANGE        Show entries within the specified priority range
  -t --identifier=STRING     Show entries with the specified syslog identifier
  -g --grep=PATTERN          Show entries with MESSAGE matching PATTERN
  -S --since=DATE            Show entries not older than the specified date
  -U --until=DATE            Show entries not newer than the specified date
  -b --boot[=ID]             Show current boot or the specified boot
  -D --directory=PATH        Show journal files from directory
  -k --dmesg                 Show kernel message log from the current boot
  -o --output=STRING         Change journal output mode (short, short-precise,
                             short-iso, short-iso-precise, short-full,
                             short-monotonic, short-unix, verbose, json,
                             json-pretty, cat, with-unit)
  -q --quiet                 Do not show info messages
     --no-hostname           Suppress output of hostname field
     --no-pager              Do not pipe output into a pager
  -e --pager-end             Immediately jump to the end in the pager
     --list-boots            Show terse information about recorded boots
"""


class Refused(Exception):
    """The call makes no sense; the message is the answer."""


class Query:
    """What a command line asks for."""

    def __init__(self, arguments: list[str], now: float) -> None:
        try:
            options, words = parse(arguments, _OPTIONS)
        except BadOption as bad:
            raise Refused(f"journalctl: {bad}") from None
        self.flags = {name for name, _ in options}
        values = dict(options)
        self.units = [journal.unit_name(value) for name, value in options if name == "unit" and value]
        self.identifiers = [value for name, value in options if name == "identifier"]
        self.follow = "follow" in values
        self.reverse = "reverse" in values
        self.quiet = "quiet" in values
        self.lines = self._lines(values)
        self.boot = values["boot"] or "0" if "boot" in values else None
        self.priorities = _range(values["priority"] or "") if "priority" in values else None
        self.since = self._time(values.get("since"), now)
        self.until = self._time(values.get("until"), now)
        self.pattern = _pattern(values["grep"] or "") if "grep" in values else None
        self.directory = Path(values.get("directory") or journal.DIRECTORY)
        self.matches = [self._match(word) for word in words]
        name = values.get("output") or "short"
        if name not in journal.FORMATS:
            raise Refused(f"Unknown output format '{name}'.")
        self.plain = name in ("cat", "json", "json-pretty", "verbose")
        self._format = journal.FORMATS[name]

    def format(self, entry: Entry) -> str:
        """An entry as it is to be shown."""
        return self._format(entry, "no-hostname" not in self.flags) + "\n"

    def wants(self, entry: Entry) -> bool:
        """Whether an entry passes all filters but the one for boots."""
        moment = journal.microseconds(entry) / 1_000_000
        message = str(entry.get("MESSAGE", ""))
        return (
            "dmesg" not in self.flags
            and (not self.units or any(journal.of_unit(entry, unit) for unit in self.units))
            and (not self.identifiers or entry.get("SYSLOG_IDENTIFIER") in self.identifiers)
            and (self.priorities is None or int(entry.get("PRIORITY", 6)) in self.priorities)
            and (self.since is None or moment >= self.since)
            and (self.until is None or moment <= self.until)
            and (self.pattern is None or self.pattern.search(message) is not None)
            and all(str(entry.get(field)) == value for field, value in self.matches)
        )

    def _lines(self, values: dict[str, str | None]) -> int | None:
        """How many entries to show; None is all."""
        if "lines" not in values:
            if "pager-end" in values and not self.follow:
                return 1000
            return journal.LINES if self.follow and "no-tail" not in values else None
        text = values["lines"] or str(journal.LINES)
        if text == "all":
            return None
        if not text.isdigit():
            raise Refused(f"Failed to parse lines '{text}'.")
        return int(text)

    def _time(self, text: str | None, now: float) -> float | None:
        if text is None:
            return None
        try:
            return timestamps.parse(text, now)
        except (ValueError, OverflowError):
            raise Refused(f"Failed to parse timestamp: {text}") from None

    def _match(self, word: str) -> tuple[str, str]:
        field, equals, value = word.partition("=")
        if not equals or not re.fullmatch(r"[A-Z_][A-Z0-9_]*", field):
            raise Refused(f"Failed to add match '{word}': Invalid argument")
        return field, value


def _range(text: str) -> range:
    """`err` means err and worse; `warning..info` is a range."""
    low, dots, high = text.partition("..")
    names = [_priority(low), _priority(high)] if dots else [0, _priority(low)]
    return range(min(names), max(names) + 1)


def _priority(name: str) -> int:
    if name.isdigit() and int(name) < len(_PRIORITIES):
        return int(name)
    name = {"error": "err", "warn": "warning", "panic": "emerg"}.get(name, name)
    if name not in _PRIORITIES:
        raise Refused(f"Unknown log level {name}")
    return _PRIORITIES.index(name)


def _pattern(text: str) -> re.Pattern[str]:
    """Case counts only where the pattern has capitals."""
    try:
        return re.compile(text, 0 if any(character.isupper() for character in text) else re.IGNORECASE)
    except re.error as bad:
        raise Refused(f'Bad pattern "{text}": {bad}') from None


def select(query: Query, entries: Iterable[Entry]) -> list[Entry]:
    """The entries that are asked for, oldest first."""
    if query.boot is not None:
        everything = list(entries)
        boot = _boot_id(query.boot, everything)
        entries = (entry for entry in everything if entry.get("_BOOT_ID") == boot)
    return list(deque((entry for entry in entries if query.wants(entry)), query.lines))


def _boot_id(wanted: str, entries: list[Entry]) -> str:
    """A boot by its id or by its number: 0 is this one, -1 the one before, 1 the first."""
    boots = list(dict.fromkeys(str(entry.get("_BOOT_ID")) for entry in entries))
    if re.fullmatch(r"[+-]?\d{1,6}", wanted):
        number = int(wanted)
        index = number - 1 if number > 0 else len(boots) - 1 + number
        if boots and not 0 <= index < len(boots):
            raise Refused(
                f"Data from the specified boot ({wanted}) is not available: No such boot ID in journal"
            )
        return boots[index] if boots else ""
    if wanted.replace("-", "") not in boots:
        raise Refused(f"Data from the specified boot ({wanted}) is not available: No such boot ID in journal")
    return wanted.replace("-", "")


def show(query: Query, entries: list[Entry], write: Callable[[str], object]) -> None:
    """Write entries, with a line between boots as they change."""
    previous: str | None = None
    for entry in reversed(entries) if query.reverse else entries:
        boot = str(entry.get("_BOOT_ID"))
        if previous not in (None, boot) and not query.plain:
            write(f"-- Boot {boot} --\n")
        previous = boot
        write(query.format(entry))


def _list_boots(entries: Iterable[Entry]) -> Iterator[str]:
    spans: dict[str, list[float]] = {}
    for entry in entries:
        spans.setdefault(str(entry.get("_BOOT_ID")), []).append(journal.microseconds(entry) / 1_000_000)
    yield "IDX BOOT ID                          FIRST ENTRY                 LAST ENTRY\n"
    for number, (boot, times) in enumerate(spans.items(), 1 - len(spans)):
        yield f"{number:3d} {boot} {timestamps.full(times[0])} {timestamps.full(times[-1])}\n"


def _pager(query: Query) -> subprocess.Popen[str] | None:
    """less(1), as systemd sets it up, for a person at a terminal."""
    program = os.environ.get("SYSTEMD_PAGER", os.environ.get("PAGER", "less"))
    if not sys.stdout.isatty() or query.follow or "no-pager" in query.flags or program in ("", "cat"):
        return None
    if not program or shutil.which(program.split()[0]) is None:
        return None
    end = ["+G"] if "pager-end" in query.flags else []
    environment = {"LESS": "FRSXMK", "LESSCHARSET": "utf-8"} | dict(os.environ)
    return subprocess.Popen([*program.split(), *end], stdin=subprocess.PIPE, text=True, env=environment)


def _answer(query: Query, write: Callable[[str], object], follower: journal.Follower | None = None) -> None:
    if "list-boots" in query.flags:
        for line in _list_boots(journal.entries(query.directory)):
            write(line)
        return
    chosen = select(query, journal.entries(query.directory, follower))
    if not chosen and not query.quiet and not query.follow:
        write("-- No entries --\n")
    show(query, chosen, write)


def main() -> int:
    """The program. Returns its exit status."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        query = Query(sys.argv[1:], time.time())
        if "help" in query.flags or "version" in query.flags:
            sys.stdout.write(_HELP if "help" in query.flags else "systemd 252 (252.39-1~deb12u2)\n")
            return 0
        pager = _pager(query)
        if pager is not None and pager.stdin is not None:
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is the pager's
            try:
                _answer(query, pager.stdin.write)
                pager.stdin.close()
            except BrokenPipeError:  # the reader has seen enough
                pass
            return pager.wait()
        follower = journal.Follower(query.directory) if query.follow else None
        _answer(query, sys.stdout.write, follower)
        sys.stdout.flush()
        for entry in follower or ():
            if query.wants(entry):
                sys.stdout.write(query.format(entry))
                sys.stdout.flush()
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 1
    except OSError as failure:
        print(f"Failed to open the journal: {failure.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
