"""`/statusz` and `/flagz`: since when a component runs, and with which flags.

Mirrors `k8s.io/component-base/zpages`: text for people, whose separator is another at each request so that
no program reads it, or a document for who asks for `application/json;as=Flagz;v=v1beta1;g=config.k8s.io`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from labs.golang import gojson, goyaml

from . import mediatypes
from .version import GIT_VERSION, GO_VERSION

PATHS = ("/flagz", "/statusz")
#: What may be asked for, as a refusal names it.
OFFERED = ("application/json", "application/yaml", "text/plain")
_GROUP = "config.k8s.io"
_VERSIONS = ("v1beta1", "v1alpha1")
_WARNING = (
    "Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees "
    "and is for debugging purposes only."
)
_SEPARATORS = (":", ": ", "=", " ")


class NotAcceptable(Exception):
    """The client reads nothing that is `OFFERED`; the message is that of the 406."""


@dataclass(frozen=True)
class Page:
    """An answer."""

    body: bytes
    headers: Mapping[str, str]


class Pages:
    """Both pages of one component, which started when this was made.

    `paths` are what else it serves, as `/statusz` lists it.
    """

    def __init__(self, component: str, flags: Mapping[str, str], paths: Iterable[str]) -> None:
        self._component = component
        self._flags = flags
        self._paths = sorted(paths)
        self._started = time.time()

    def page(self, path: str, accept: str) -> Page:
        """The one of `PATHS` for a client that accepts this. Raises `NotAcceptable`."""
        name, kind = path.removeprefix("/"), path.strip("/").capitalize()
        for clause in mediatypes.clauses(accept or "*/*"):
            if clause[""] in ("text/plain", "text/*", "*/*"):
                text = "\n".join(["", f"{self._component} {name}", _WARNING, *self._lines(kind), ""])
                return Page(text.encode(), {"Content-Type": "text/plain; charset=utf-8"})
            wanted = clause.get("g"), clause.get("as")
            if clause[""] in OFFERED and wanted == (_GROUP, kind) and clause.get("v") in _VERSIONS:
                return self._document(name, kind, clause[""], clause["v"])
        raise NotAcceptable(f"only the following media types are accepted: {', '.join(OFFERED)}")

    def _lines(self, kind: str) -> list[str]:
        between = random.choice(_SEPARATORS)
        if kind == "Flagz":
            return [f"{name}{between}{value}" for name, value in self._flags.items()]
        minutes, seconds = divmod(int(time.time() - self._started), 60)
        hours, minutes = divmod(minutes, 60)
        told = {
            "Started": time.strftime("%a %b %e %H:%M:%S UTC %Y", time.gmtime(self._started)),
            "Up": f"{hours} hr {minutes:02} min {seconds:02} sec",
            "Go version": GO_VERSION,
            "Binary version": GIT_VERSION.removeprefix("v"),
            "Emulation version": _EMULATED,
            "Paths": " ".join(self._paths),
        }
        return ["", *(f"{name}{between} {value}" for name, value in told.items())]

    def _document(self, name: str, kind: str, media_type: str, version: str) -> Page:
        document: dict[str, Any] = {
            "kind": kind,
            "apiVersion": f"{_GROUP}/{version}",
            "metadata": {"name": self._component},
        }
        if kind == "Flagz":
            document["flags"] = dict(self._flags)
        else:
            document |= {
                "startTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._started)),
                "uptimeSeconds": int(time.time() - self._started),
                "goVersion": GO_VERSION,
                "binaryVersion": GIT_VERSION.removeprefix("v"),
                "emulationVersion": _EMULATED,
                "paths": self._paths,
            }
        text = goyaml.dump(document) if media_type == "application/yaml" else gojson.indented(document, 2)
        headers = {"Content-Type": f"{media_type};g={_GROUP};v={version};as={kind}"}
        if version != _VERSIONS[0]:
            told = f"This version of the {name} endpoint is deprecated. Please use a newer version."
            headers["Warning"] = f'299 - "{told}"'
        return Page(text.encode(), headers)


_EMULATED = GIT_VERSION.removeprefix("v").rpartition(".")[0]
