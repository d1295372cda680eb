"""What recorded command lines need where they are repeated: their places filled in, and their files."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def filler(places: Mapping[str, object]) -> Callable[[str], str]:
    """Puts what this run has in the place of each name, such as `{dir}`."""

    def placed(text: str) -> str:
        for name, place in places.items():
            text = text.replace(name, str(place))
        return text

    return placed


def write_files(case: Mapping[str, Any], directory: Path, placed: Callable[[str], str]) -> None:
    """The files that a case wants in `directory`, and a directory `dir` where it names one as a file."""
    (directory / "dir").mkdir()
    for name, content in case.get("files", {}).items():
        (directory / name).write_text(placed(content))
