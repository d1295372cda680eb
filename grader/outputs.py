"""What a kernel says, made harmless: nothing but text and pictures, and never too much of it.

An autograded notebook is shown to the instructor in a browser, so no HTML, script or widget of the student's
passes; and it is written to disk as UTF-8, which not every Python string can be.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from nbformat import NotebookNode, v4

_UNWANTED = re.compile(r"[^\t\n\x1b\x20-\x7e\xa0-\ud7ff\ue000-\U0010ffff]")
_ESCAPES = re.compile(r"\x1b(?!\[[0-9;]{0,16}m)")
_PICTURES = ("image/png", "image/jpeg")
_CUT = "\n[output cut: the limit is reached]\n"


class Outputs:
    """The outputs of one cell, collected within a budget of bytes."""

    def __init__(self, budget: int) -> None:
        self._left = budget
        self._cut = False
        self._handles: dict[str, NotebookNode] = {}
        self.nodes: list[NotebookNode] = []

    @property
    def used_up(self) -> bool:
        """Nothing more will be taken."""
        return self._cut

    def take(self, kind: str, content: Mapping[str, Any]) -> int:
        """Keep what is fit to be kept of one message; returns the bytes it took.

        `content` may be anything that JSON can say: what does not have the right shape is dropped.
        """
        before = self._left
        match kind:
            case "stream":
                self._stream(content.get("name"), content.get("text"))
            case "display_data" | "execute_result":
                if node := self._display(content.get("data")):
                    self._handles[_handle(content)] = node
                    self.nodes.append(node)
            case "update_display_data":
                shown = self._handles.get(_handle(content))
                if shown is not None and (node := self._display(content.get("data"))):
                    shown.data = node.data
            case "error":
                self._error(content)
            case "clear_output":
                self.nodes.clear()
        return before - self._left

    def _stream(self, name: object, text: object) -> None:
        clean = self._text(text)
        if name not in ("stdout", "stderr") or not clean:
            return
        if self.nodes and self.nodes[-1].output_type == "stream" and self.nodes[-1].name == name:
            self.nodes[-1].text += clean
        else:
            self.nodes.append(v4.new_output("stream", name=name, text=clean))

    def _display(self, data: object) -> NotebookNode | None:
        if not isinstance(data, dict):
            return None
        kept = {kind: picture for kind in _PICTURES if (picture := self._picture(data.get(kind)))}
        if text := self._text(data.get("text/plain")):
            kept["text/plain"] = text
        return v4.new_output("display_data", data=kept) if kept else None

    def _error(self, content: Mapping[str, Any]) -> None:
        lines = content.get("traceback")
        traceback = [self._text(line) for line in lines[:200]] if isinstance(lines, list) else []
        name, value = self._text(content.get("ename")) or "Error", self._text(content.get("evalue"))
        self.nodes.append(v4.new_output("error", ename=name, evalue=value, traceback=traceback))

    def _text(self, text: object) -> str:
        if not isinstance(text, str) or self._cut:
            return ""
        if len(text) > self._left:
            text = text[: self._left] + _CUT
            self._cut = True
            self._left = 0
        else:
            self._left -= len(text)
        return _ESCAPES.sub("", _UNWANTED.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n")))

    def _picture(self, data: object) -> str:
        if not isinstance(data, str) or self._cut or len(data) > self._left:
            return ""
        try:
            base64.b64decode(data.replace("\n", ""), validate=True)
        except (binascii.Error, ValueError):
            return ""
        self._left -= len(data)
        return data


def _handle(content: Mapping[str, Any]) -> str:
    """Under which name an output may be updated later; "" for none."""
    transient = content.get("transient")
    return str(transient.get("display_id", "")) if isinstance(transient, dict) else ""


def note(text: str) -> NotebookNode:
    """Something the grader itself has to say below a cell."""
    return v4.new_output("stream", name="stderr", text=f"[grader] {text}\n")
