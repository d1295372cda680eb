"""`predict(…)` and `explain(…)`: a question to click at, or answered in the call itself.

Only an answer that stands in the cell is handed in with the notebook, so after a click the card says what to
write there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

from labs.errors import LabsError
from labs.notebook import pages

Answer = Callable[[str], object]


class QuestionCard(anywidget.AnyWidget):  # type: ignore[misc]
    """The widget. A change of `choice` by the student is passed on, `note` says what became of it."""

    _esm = pages.STATIC / "question.js"
    _css = pages.STATIC / "labs.css"
    question = traitlets.Dict().tag(sync=True)
    choice = traitlets.Unicode("").tag(sync=True)
    note = traitlets.Unicode("").tag(sync=True)

    def __init__(self, question: dict[str, Any], call: str, answer: Answer) -> None:
        given = question.get("answer") or ""
        note = (
            recorded(call, question, given) if given else f"Choose one. {write_down(call, question, 'KEY')}"
        )
        super().__init__(question=question, choice=given, note=note)
        self._call = call
        self._answer = answer
        self.observe(self._chosen, "choice")

    def _chosen(self, change: Any) -> None:
        try:
            self._answer(change["new"])
        except LabsError as error:
            self.note = f"Not recorded: {error}"
        else:
            self.note = recorded(self._call, self.question, change["new"])

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle:
            page = pages.question(self.question, self.choice or None, self.note)
            bundle[0].update({"text/html": page._repr_html_(), "text/plain": repr(page)})
        return bundle


def recorded(call: str, question: dict[str, Any], choice: str) -> str:
    """What is said after a click."""
    return f"Recorded: `{choice}`. {write_down(call, question, choice)}"


def write_down(call: str, question: dict[str, Any], choice: str) -> str:
    """How an answer gets into the notebook that is handed in."""
    written = f'{call}("{question["exercise"]}", "{question["question"]}", "{choice}")'
    return f"To hand it in, make the cell say `{written}`."
