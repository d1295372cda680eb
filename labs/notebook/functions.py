"""What a notebook calls: `start`, `predict`, `explain`, `check`, `hint`, `live`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from IPython.display import DisplayHandle, display

from labs.notebook import pages
from labs.notebook.live import Feeds
from labs.notebook.question import QuestionCard
from labs.notebook.session import Session


class Functions:
    """The functions, bound to a session."""

    def __init__(self, shell: Any, session: Session) -> None:
        self._shell = shell
        self._session = session
        self._feeds = Feeds(session)

    def names(self) -> dict[str, Any]:
        """What the extension puts into the notebook's namespace."""
        bound = (self.start, self.predict, self.explain, self.check, self.hint, self.live)
        return {function.__name__: function for function in bound}

    def start(self, exercise: str) -> None:
        """Set an exercise up, afresh if it was begun before. What is judged begins here."""
        began = time.monotonic()
        result = self._attend("start", exercise=exercise)
        took = time.monotonic() - began
        self._update(
            pages.line(
                f"{result['title']}: set up in {took:.1f} s. "
                f"It takes about {result['minutes']} minutes and gives up to {result['max']} points."
            )
        )

    def predict(self, exercise: str, question: str, choice: str | None = None) -> None:
        """Ask for a prediction; with `choice`, the key of an option, give it. Counts before the deed."""
        self._ask("predict", exercise, question, choice)

    def explain(self, exercise: str, question: str, choice: str | None = None) -> None:
        """Ask for an explanation; with `choice`, the key of an option, give it. Counts after the deed."""
        self._ask("explain", exercise, question, choice)

    def check(self, exercise: str) -> None:
        """Judge what was done. Where submissions are graded, the judge keeps its verdict to itself."""
        result = self._attend("check", exercise=exercise)
        if result.get("recorded"):
            self._update(pages.line("Recorded. This exercise is graded outside of the notebook."))
        else:
            self._update(pages.verdict(result))

    def hint(self, exercise: str) -> None:
        """Show the next of the exercise's three hints. They are recorded, and cost nothing."""
        display(pages.hint(self._session.ask("hint", exercise=exercise)))

    def live(self, pod: str) -> None:
        """Show what the file says, the runtime runs and the API claims of a pod, and keep up with it."""
        if self._session.sandboxed:
            display(pages.view(self._session.ask("view", pod=pod)))
        else:
            display(self._feeds.show(pod, self._cell()))

    def _ask(self, call: str, exercise: str, name: str, choice: str | None) -> None:
        if choice is not None:
            self._session.ask("answer", exercise=exercise, question=name, choice=choice)
        question = self._session.ask("question", exercise=exercise, question=name)
        if choice is not None:
            display(pages.question(question, choice, f"Your answer `{choice}` is recorded."))
        elif self._session.sandboxed:
            display(pages.question(question, question["answer"], "No answer is given in this cell."))
        else:
            display(QuestionCard(question, call, lambda key: self._give(exercise, name, key)))

    def _give(self, exercise: str, question: str, choice: str) -> None:
        self._session.ask("answer", exercise=exercise, question=question, choice=choice)

    def _attend(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """Do something that may take a while, in a place on the page that says what is going on."""
        self._place = display(pages.line("…"), display_id=True)
        result: Mapping[str, Any] = {}
        for line in self._session.follow(verb, follow=True, **arguments):
            if "progress" in line:
                self._update(pages.line(_progress(line["progress"])))
            result = line.get("result", result)
        return dict(result)

    def _update(self, page: pages.Page) -> None:
        assert isinstance(self._place, DisplayHandle)
        self._place.update(page)

    def _cell(self) -> str:
        """Which cell is being run, as far as the front end says; else all calls are one cell."""
        kernel = getattr(self._shell, "kernel", None)
        parent = kernel.get_parent("shell") if kernel is not None else {}
        return str(parent.get("metadata", {}).get("cellId", ""))


def _progress(progress: Mapping[str, Any]) -> str:
    sentence = str(progress.get("doing", "")).capitalize()
    left = progress.get("seconds_left")
    return f"{sentence} … ({left} s at most)" if left is not None else f"{sentence} …"
