"""`live("web")`: a pod in three places, in a cell that keeps up with it while the student works.

A feed follows one pod for all cells that show it: one conversation with the judge, read in a thread of its
own, since the kernel is busy with whatever the student runs meanwhile.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from typing import Any

import anywidget
import traitlets

from labs.errors import LabsError
from labs.notebook import pages
from labs.notebook.session import Session

PAUSE = 2.0
"""Seconds between attempts to find a cluster again that went away."""


class LiveView(anywidget.AnyWidget):  # type: ignore[misc]
    """The widget. `view` is the judge's document, `note` what there is to say instead of "live"."""

    _esm = pages.STATIC / "live.js"
    _css = pages.STATIC / "labs.css"
    view = traitlets.Dict().tag(sync=True)
    note = traitlets.Unicode("").tag(sync=True)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        if self.view and bundle:
            page = pages.view(self.view)
            bundle[0].update({"text/html": page._repr_html_(), "text/plain": repr(page)})
        return bundle


class Feed:
    """What is known of one pod, pushed to every widget that shows it."""

    def __init__(self, session: Session, pod: str) -> None:
        self._session = session
        self._pod = pod
        self._widgets: weakref.WeakSet[LiveView] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._idle = threading.Event()
        self._last: Mapping[str, Any] = session.ask("view", pod=pod)
        threading.Thread(target=self._run, name=f"live view of {pod}", daemon=True).start()

    def widget(self) -> LiveView:
        """A new view of the pod."""
        with self._lock:  # or a change that comes just now would miss it
            made = LiveView(view=dict(self._last))
            self._widgets.add(made)
        return made

    def drop(self, widget: LiveView) -> None:
        """Leave a view as it stands: its cell was run again."""
        with self._lock:
            self._widgets.discard(widget)
        widget.note = "no longer live: this cell was run again"

    def _run(self) -> None:
        while True:
            try:
                for document in self._session.watch(self._pod):
                    self._show(document)
                self._tell("the cluster was stopped; waiting for it")
            except LabsError as error:
                self._tell(f"waiting for the cluster: {error}")
            self._idle.wait(PAUSE)

    def _show(self, document: Mapping[str, Any]) -> None:
        with self._lock:
            self._last = document
            for widget in self._widgets:
                widget.view = dict(document)
                widget.note = ""

    def _tell(self, note: str) -> None:
        with self._lock:
            for widget in self._widgets:
                widget.note = note


class Feeds:
    """The feeds of this kernel, and which cell shows which view."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._feeds: dict[str, Feed] = {}
        self._cells: dict[str, tuple[Feed, LiveView]] = {}

    def show(self, pod: str, cell: str) -> LiveView:
        """A view of the pod for that cell, in place of the one it showed before."""
        feed = self._feeds.get(pod)
        if feed is None:
            feed = self._feeds[pod] = Feed(self._session, pod)
        before = self._cells.pop(cell, None)
        if before is not None:
            former, widget = before
            former.drop(widget)
        made = feed.widget()
        self._cells[cell] = (feed, made)
        return made
