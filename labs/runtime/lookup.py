"""Is there such a program in a container? Asked before the start: bubblewrap could say so only in the log.

The container's files are the image's, with mounts over them. A path is walked name by name through both,
following symbolic links as the container would.
"""

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from labs.runtime.errors import StartError

_LINKS_MAX = 40


class Tree:
    """The files of a container that is about to start: destination to the directory (or file) shown there."""

    def __init__(self, mounts: Mapping[str, str]) -> None:
        self._mounts = {os.path.normpath(destination): source for destination, source in mounts.items()}

    def resolve(self, path: str) -> Path | None:
        """The real file behind `path`; None when there is none."""
        rest = [name for name in path.split("/") if name not in ("", ".")]
        here: list[str] = []
        links = 0
        while rest:
            name = rest.pop(0)
            if name == "..":
                here = here[:-1]
                continue
            real = self._real([*here, name])
            try:
                target = os.readlink(real)  # noqa: PTH115 - thirty of these for each container
            except OSError as failure:
                if failure.errno != errno.EINVAL:
                    return None
                here.append(name)  # it is there, and no link
            else:
                links += 1
                if links > _LINKS_MAX:
                    return None
                here = [] if target.startswith("/") else here
                rest = [part for part in target.split("/") if part not in ("", ".")] + rest
        return Path(self._real(here))

    def _real(self, names: list[str]) -> str:
        """Where the innermost mount shows this path; its last part may still be a link."""
        for length in range(len(names), -1, -1):
            source = self._mounts.get("/" + "/".join(names[:length]))
            if source is not None:
                return "/".join((source.rstrip("/"), *names[length:])) or "/"
        raise ValueError("a container without a root")

    def program(self, name: str, path: str, directory: str) -> None:
        """Raise `StartError` with runc's words if `name` cannot be executed."""
        if "/" in name:
            found = self.resolve(name if name.startswith("/") else f"{directory}/{name}")
            if found is None:
                raise StartError(f'exec: "{name}": stat {name}: no such file or directory')
            if not _executable(found):
                raise StartError(f'exec: "{name}": permission denied')
            return
        refused = False
        for place in path.split(":"):
            found = self.resolve(f"{place}/{name}")
            if found is not None and _executable(found):
                return
            refused = refused or (found is not None and found.is_file())
        reason = "permission denied" if refused else "executable file not found in $PATH"
        raise StartError(f'exec: "{name}": {reason}')


def _executable(file: Path) -> bool:
    mode = file.stat().st_mode
    return stat.S_ISREG(mode) and bool(mode & 0o111)
