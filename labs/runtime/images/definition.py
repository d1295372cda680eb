"""An image's definition file (`image.json`): what it is called, what it holds and how it is started.

    names        full names, the first is shown
    base         the files to begin with: `scratch`, `host` (the machine's own programs) or `busybox`
    files        more files: path to text, an executable one when the text begins with `#!`
    mounts       what is not copied but shown read-only: source to destination; it counts as the image's
    machine      the same for what the machine has anyway; a source beginning with `?` may be missing
    programs     launchers: path to the command line that the arguments are appended to
    entrypoint, cmd, env, workingDir, user, stopSignal, exposedPorts     as in an OCI image
    evidence     the path of the one program that is trusted with the evidence socket

`{python}` and the like stand for the machine's paths (`Places.variables`).
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from labs.runtime.errors import CriError


@dataclass(frozen=True)
class Mount:
    """A read-only look at a file or directory of the machine."""

    source: Path
    destination: str
    #: It is the machine's, not part of the image.
    shared: bool = False


@dataclass(frozen=True)
class Image:
    """An image of the catalogue. `id` is the digest of its definition, so it is the same everywhere."""

    id: str
    names: tuple[str, ...]
    base: str = "scratch"
    files: dict[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    #: Of its variables those that give way to arguments: etcd refuses what it is told twice.
    yields: dict[str, tuple[str, ...]] = field(default_factory=dict)
    working_dir: str = "/"
    user: str = ""
    stop_signal: str = "SIGTERM"
    ports: tuple[int, ...] = ()
    evidence: str | None = None
    #: Paths of the project's own programs in it.
    programs: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The repository digest: of what a registry would have sent, hence not the id."""
        return f"{self.names[0].rpartition(':')[0]}@sha256:{hashlib.sha256(self.id.encode()).hexdigest()}"

    def environment(self, arguments: Sequence[str]) -> dict[str, str]:
        """Its variables for a command with these arguments."""
        given = {argument.partition("=")[0] for argument in arguments}
        return {
            name: value for name, value in self.env.items() if given.isdisjoint(self.yields.get(name, ()))
        }

    @classmethod
    def read(cls, file: Path, variables: dict[str, str]) -> Self:
        """The definition in `file`; `CriError` when it is none."""
        text = file.read_bytes()
        try:
            raw = json.loads(text)
            return cls._of(raw, hashlib.sha256(text).hexdigest(), variables)
        except (ValueError, KeyError, TypeError, AttributeError) as wrong:
            raise CriError(f"{file}: not an image definition: {wrong!r}") from wrong

    @classmethod
    def _of(cls, raw: dict[str, Any], digest: str, variables: dict[str, str]) -> Self:
        def expand(text: str) -> str:
            for name, value in variables.items():
                text = text.replace(f"{{{name}}}", value)
            return text

        files = {
            path: "\n".join(text) + "\n" if isinstance(text, list) else text
            for path, text in raw.get("files", {}).items()
        }
        for path, command in raw.get("programs", {}).items():
            files[path] = _launcher([expand(word) for word in command])
        return cls(
            id=f"sha256:{digest}",
            names=tuple(raw["names"]),
            base=raw.get("base", "scratch"),
            files=files,
            mounts=(
                *_mounts(raw.get("machine", {}), expand, shared=True),
                *_mounts(raw.get("mounts", {}), expand, shared=False),
            ),
            entrypoint=tuple(raw.get("entrypoint", ())),
            cmd=tuple(raw.get("cmd", ())),
            env=raw.get("env", {}),
            yields={name: tuple(flags) for name, flags in raw.get("yields", {}).items()},
            working_dir=raw.get("workingDir", "/"),
            user=raw.get("user", ""),
            stop_signal=raw.get("stopSignal", "SIGTERM"),
            ports=tuple(raw.get("exposedPorts", ())),
            evidence=raw.get("evidence"),
            programs=tuple(raw.get("programs", {})),
        )


def _launcher(command: list[str]) -> str:
    """A script, because an interpreter line takes one argument only."""
    library_path = os.environ.get("LD_LIBRARY_PATH")  # what this very Python needs to find its own library
    lines = [f"export LD_LIBRARY_PATH={library_path}"] if library_path else []
    return "\n".join(["#!/bin/sh", *lines, f'exec {" ".join(command)} "$@"', ""])


def _mounts(paths: dict[str, str], expand: Callable[[str], str], *, shared: bool) -> Iterator[Mount]:
    for source, destination in paths.items():
        path = Path(expand(source.removeprefix("?")))
        if path.exists() or not source.startswith("?"):
            yield Mount(path, expand(destination), shared)
