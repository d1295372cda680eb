"""Predictions and explanations: what was chosen, and when.

A prediction is the last answer before the first deed (the last of all, if no deed was done): what is said
after looking is none. An explanation is the last answer, and must come after the deed: before it there was
nothing to explain. Which of the two a question is, and its right answer, the judge takes from the exercise.
"""

from __future__ import annotations

from labs.judge.case import Case
from labs.judge.criteria._registry import criterion
from labs.judge.finding import Finding, missed, saw


@criterion("answered", "question")
def answered(case: Case, *, question: str, kind: str, right: str) -> Finding:
    """The right answer was chosen at the time at which this kind of question is to be answered."""
    if kind == "explanation":
        return _explained(case, question, right)
    return _predicted(case, question, right)


def _predicted(case: Case, question: str, right: str) -> Finding:
    answer = case.answer(question, before=case.first_deed)
    if answer is None:
        late = case.answer(question)
        return missed("Your answer came after the deed." if late else "No answer was given.")
    if answer.choice != right:
        return missed(f"You chose “{answer.choice}”.")
    return saw(f"You chose “{answer.choice}”.")


def _explained(case: Case, question: str, right: str) -> Finding:
    if case.deed is None:
        return missed("There was nothing to explain yet: what this exercise is about was not done.")
    answer = case.answer(question, after=case.first_deed)
    if answer is None:
        early = case.answer(question)
        return missed("You explained before you had seen it." if early else "No answer was given.")
    if answer.choice != right:
        return missed(f"You chose “{answer.choice}”.")
    return saw(f"You chose “{answer.choice}”.")
