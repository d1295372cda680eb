"""Command lines in GNU's way, for tools that must start fast: short options in one word, optional values."""

from __future__ import annotations

FLAG, VALUE, OPTIONAL = "flag", "value", "optional"


class BadOption(Exception):
    """An option that is not known, or lacks its value; the message is what getopt_long(3) prints."""


def spellings(*, flags: str = "", values: str = "", optional: str = "") -> dict[str, tuple[str, str]]:
    """Options by each of their spellings, from lists like `-n --lines, --no-pager`; the last one names it."""
    found = {}
    for kind, listed in ((FLAG, flags), (VALUE, values), (OPTIONAL, optional)):
        for option in listed.split(",") if listed.strip() else ():
            *_, long = names = option.split()
            found.update({name: (long.lstrip("-"), kind) for name in names})
    return found


def parse(
    arguments: list[str], options: dict[str, tuple[str, str]]
) -> tuple[list[tuple[str, str | None]], list[str]]:
    """Split into options, in order, and other words.

    `options` maps each spelling (`-n`, `--lines`) to a name and FLAG, VALUE or OPTIONAL. An optional value
    stands in the same word, or, for a short option, in the next one when that is a number (`-n 20`, `-b -1`).
    """
    found: list[tuple[str, str | None]] = []
    words: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--":
            words += rest
            break
        if word.startswith("--"):
            spelling, equals, value = word.partition("=")
            name, kind = _known(spelling, options)
            if kind == FLAG and equals:
                raise BadOption(f"option '{spelling}' doesn't allow an argument")
            if kind == VALUE and not equals:
                if not rest:
                    raise BadOption(f"option '{spelling}' requires an argument")
                value, equals = rest.pop(0), "="
            found.append((name, value if equals else None))
        elif word.startswith("-") and word != "-":
            _short(word[1:], rest, options, found)
        else:
            words.append(word)
    return found, words


def _short(
    letters: str,
    rest: list[str],
    options: dict[str, tuple[str, str]],
    found: list[tuple[str, str | None]],
) -> None:
    while letters:
        letter, letters = letters[0], letters[1:]
        if f"-{letter}" not in options:
            raise BadOption(f"invalid option -- '{letter}'")
        name, kind = options[f"-{letter}"]
        value: str | None = None
        if kind != FLAG:
            value, letters = letters or None, ""
            if (
                value is None
                and rest
                and (kind == VALUE or rest[0].lstrip("+-").isdigit() or rest[0] == "all")
            ):
                value = rest.pop(0)
            if value is None and kind == VALUE:
                raise BadOption(f"option requires an argument -- '{letter}'")
        found.append((name, value))


def _known(spelling: str, options: dict[str, tuple[str, str]]) -> tuple[str, str]:
    """A long option may be shortened as long as it stays unique."""
    if spelling in options:
        return options[spelling]
    meant = {option: options[option] for option in options if option.startswith(spelling)}
    if len(set(meant.values())) != 1:
        ambiguous = f"option '{spelling}' is ambiguous; possibilities: " + " ".join(
            f"'{each}'" for each in meant
        )
        raise BadOption(ambiguous if meant else f"unrecognized option '{spelling}'")
    return next(iter(meant.values()))
