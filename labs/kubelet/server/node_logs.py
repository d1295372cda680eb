"""`/logs/`: the node's /var/log as Go's `http.FileServer` shows a tree."""

import html
import os
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

from labs.kubelet.hostfs import HostFs
from labs.kubelet.server.web import TEXT, Response, text

ROOT = "/var/log"
_HTML = "text/html; charset=utf-8"
_PIECE = 1 << 16


def answer(fs: HostFs, path: str) -> Response:
    """What is at `path`, which begins with a slash, below /var/log: a file, or a directory's list."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        return text("invalid URL path\n", 400)
    place = "/".join([ROOT, *parts])
    match fs.kind(place):
        case None:
            return text("404 page not found\n", 404)
        case "dir":
            if not path.endswith("/"):
                name = quote(parts[-1]) if parts else "logs"
                return Response(301, headers={"Location": f"{name}/"})
            return Response(200, _listing(fs, place), _HTML)
        case "file":
            if path.endswith("/"):
                return Response(301, headers={"Location": f"../{quote(parts[-1])}"})
            return Response(200, _pieces(fs.open(place, os.O_RDONLY)), TEXT)
    return text("403 Forbidden\n", 403)


def _listing(fs: HostFs, place: str) -> bytes:
    lines = ["<!doctype html>", '<meta name="viewport" content="width=device-width">', "<pre>"]
    for name in fs.listdir(place):
        shown = f"{name}/" if fs.kind(f"{place}/{name}") == "dir" else name
        lines.append(f'<a href="{quote(shown)}">{html.escape(shown)}</a>')
    return "\n".join([*lines, "</pre>", ""]).encode()


async def _pieces(fd: int) -> AsyncIterator[Any]:
    with os.fdopen(fd, "rb") as file:
        while piece := file.read(_PIECE):
            yield piece
