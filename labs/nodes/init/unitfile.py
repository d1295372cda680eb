"""Unit files as systemd reads them: a file, its drop-ins in order, environment files, and variables.

Only what a service such as the kubelet's uses is understood; as in systemd, unknown settings are ignored.
"""

from __future__ import annotations

import re

from labs.nodes.init.files import NodeFiles

#: Where the node's administrator keeps units.
DIRECTORY = "/etc/systemd/system"

_SPAN_SECONDS = {
    **dict.fromkeys(("us", "usec"), 1e-6),
    **dict.fromkeys(("ms", "msec"), 1e-3),
    **dict.fromkeys(("", "s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
}
#: A variable as a word of its own, and within a word (where `$$` is a dollar sign).
_ALONE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_WITHIN = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_TWO_COMMANDS = (
    "Service has more than one ExecStart= setting, which is only allowed for Type=oneshot services. Refusing."
)
_ESCAPES = {"n": "\n", "t": "\t", "s": " ", "r": "\r"}


class UnitFile:
    """One unit with its drop-ins, as it was on the disk when it was loaded."""

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self.path = path
        self.dropins: list[str] = []
        #: {section: {key: values}}; an empty assignment has emptied the list.
        self.settings: dict[str, dict[str, list[str]]] = {}
        #: What the files looked like, to notice later changes.
        self.stamp: tuple[object, ...] = ()
        #: Why the unit cannot be used, in systemd's words.
        self.fault: str | None = None
        self.masked = False

    def values(self, section: str, key: str) -> list[str]:
        return self.settings.get(section, {}).get(key, [])

    def value(self, section: str, key: str, default: str = "") -> str:
        """The last assignment counts."""
        return (self.values(section, key) or [default])[-1]

    def seconds(self, section: str, key: str, default: float) -> float:
        return time_span(self.value(section, key), default)

    @property
    def description(self) -> str:
        return self.value("Unit", "Description", self.name)

    def environment(self, files: NodeFiles) -> dict[str, str]:
        """Environment= and, over it, EnvironmentFile=. A missing file raises OSError, except after a `-`."""
        found: dict[str, str] = {}
        for assignment in self.values("Service", "Environment"):
            for word in split(assignment):
                name, equals, value = word.partition("=")
                if equals:
                    found[name] = value
        for path in self.values("Service", "EnvironmentFile"):
            try:
                text, _ = files.read(path.removeprefix("-"))
            except OSError:
                if path.startswith("-"):
                    continue
                raise
            found.update(environment_file(text))
        return found


def load(files: NodeFiles, name: str) -> UnitFile | None:
    """Read a unit and its drop-ins; None when there is no such unit."""
    unit = UnitFile(name, f"{DIRECTORY}/{name}")
    if files.link(unit.path) == "/dev/null":
        unit.masked = True
        return unit
    try:
        text, status = files.read(unit.path)
    except OSError:
        return None
    parse(text, unit.settings)
    stamps: list[object] = [_stamp(unit.path, status)]
    for dropin in _dropins(files, name):
        try:
            text, status = files.read(dropin)
        except OSError:  # a dangling link, a directory: systemd passes over it
            continue
        parse(text, unit.settings)
        unit.dropins.append(dropin)
        stamps.append(_stamp(dropin, status))
    unit.stamp = tuple(stamps)
    commands = unit.values("Service", "ExecStart")
    if not commands:
        unit.fault = "Service has no ExecStart=, ExecStop=, or SuccessAction=. Refusing."
    elif len(commands) > 1:
        unit.fault = _TWO_COMMANDS
    return unit


def changed(files: NodeFiles, unit: UnitFile) -> bool:
    """Whether the disk holds something else than what was loaded."""
    now: list[object] = []
    for path in [unit.path, *_dropins(files, unit.name)]:
        try:
            now.append(_stamp(path, files.stat(path)))
        except OSError:
            continue
    return not unit.masked and tuple(now) != unit.stamp


def parse(text: str, settings: dict[str, dict[str, list[str]]]) -> None:
    """Add the assignments of one file; later files add to lists and override what counts once."""
    section: dict[str, list[str]] = {}
    for line in _logical_lines(text):
        if line.startswith("[") and line.endswith("]"):
            section = settings.setdefault(line[1:-1], {})
            continue
        key, equals, value = line.partition("=")
        if not equals:
            continue
        if value.strip():
            section.setdefault(key.strip(), []).append(value.strip())
        else:
            section[key.strip()] = []


def environment_file(text: str) -> dict[str, str]:
    """The assignments of an EnvironmentFile: one a line, quotes around the whole value or parts of it."""
    found = {}
    for line in _logical_lines(text):
        name, equals, value = line.removeprefix("export ").partition("=")
        if equals and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name.strip()):
            found[name.strip()] = re.sub(
                r"""'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)""",
                lambda match: (
                    match[1] if match[1] is not None else re.sub(r"\\(.)", r"\1", match[2] or match[3] or "")
                ),
                value.strip(),
            )
    return found


def expand(command: str, environment: dict[str, str]) -> tuple[list[str], list[str]]:
    """The words of an ExecStart= and the variables that it names but nothing sets.

    `$NAME` as a word of its own becomes as many words as its value has; `${NAME}` stays within its word.
    """
    words: list[str] = []
    unset: list[str] = []

    def value(name: str) -> str:
        if name not in environment and name not in unset:
            unset.append(name)
        return environment.get(name, "")

    for word in split(command.lstrip("-@:+!").replace("%%", "%")):
        if alone := _ALONE.fullmatch(word):
            words.extend(split(value(alone[1])))
            continue
        words.append(_WITHIN.sub(lambda match: value(match[1]) if match[1] else "$", word))
    return words, unset


def split(text: str) -> list[str]:
    """Words as systemd splits them: quotes of both kinds, backslashes. An open quote ends with the text."""
    words: list[str] = []
    word: str | None = None
    quote = ""
    characters = iter(text)
    for character in characters:
        if character == "\\" and quote != "'":
            following = next(characters, "")
            word = (word or "") + _ESCAPES.get(following, following)
        elif quote:
            if character == quote:
                quote = ""
            else:
                word = (word or "") + character
        elif character in "'\"":
            quote, word = character, word or ""
        elif character.isspace():
            if word is not None:
                words.append(word)
            word = None
        else:
            word = (word or "") + character
    return words if word is None else [*words, word]


def time_span(text: str, default: float) -> float:
    """Seconds of `10`, `1min 30s`, `500ms` or `infinity`; the default for what is none of these."""
    if text == "infinity":
        return float("inf")
    pieces = re.findall(r"([0-9.]+)\s*([a-z]*)", text)
    try:
        return sum(float(number) * _SPAN_SECONDS[unit] for number, unit in pieces) if pieces else default
    except (KeyError, ValueError):
        return default


def _logical_lines(text: str) -> list[str]:
    """Lines without comments, with `\\` at the end joined to the next."""
    lines: list[str] = []
    joined = ""
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith(("#", ";")):
            continue
        if line.endswith("\\"):
            joined += line[:-1] + " "
            continue
        if joined + line:
            lines.append((joined + line).strip())
        joined = ""
    return [*lines, joined.strip()] if joined else lines


def _dropins(files: NodeFiles, name: str) -> list[str]:
    directory = f"{DIRECTORY}/{name}.d"
    return [f"{directory}/{file}" for file in files.names(directory) if file.endswith(".conf")]


def _stamp(path: str, status: object) -> tuple[object, ...]:
    return path, *(getattr(status, field) for field in ("st_ino", "st_size", "st_mtime_ns"))
