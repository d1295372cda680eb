"""Questions, answers and hints: the part of an exercise that is a conversation."""

from __future__ import annotations

from typing import Any

from labs.judge.access import Access, Judged
from labs.judge.case import Case
from labs.judge.errors import JudgeError
from labs.judge.exercise import load
from labs.judge.facts import Answered, Began, Fact, Hinted, Seeded


def question(cluster: Judged, id: str, name: str) -> dict[str, Any]:
    """The question as the student sees it: options in the student's own order, and not which one is right."""
    exercise = load(id)
    asked = exercise.question(name)
    access = Access(cluster)
    facts = access.facts()
    given = _last_answer(facts, id, name)
    return {
        "exercise": id,
        "question": name,
        "kind": asked.kind,
        "text": exercise.told(asked.text, access.node),
        "options": [{"key": one.key, "text": one.text} for one in asked.shuffled(_seed(facts, access.node))],
        "answer": given.choice if given else None,
    }


def answer(cluster: Judged, id: str, name: str, choice: str) -> dict[str, Any]:
    """Record a choice. It may be changed later; `labs.judge.criteria.answers` says which one counts."""
    exercise = load(id)
    asked = exercise.question(name)
    keys = [option.key for option in asked.options]
    if choice not in keys:
        raise JudgeError(f"{choice!r} is no answer to {name!r}; choose one of: {', '.join(sorted(keys))}")
    access = Access(cluster)
    if not any(isinstance(fact, Began) and fact.exercise == id for fact in access.facts()):
        raise JudgeError(f'start the exercise before you answer: start("{id}")')
    access.record("answer", exercise=id, question=name, choice=choice)
    return {"exercise": id, "question": name, "choice": choice}


def hint(cluster: Judged, id: str) -> dict[str, Any]:
    """The next hint; after the last one, the last one again. Hints are recorded and cost nothing."""
    exercise = load(id)
    access = Access(cluster)
    given = [fact for fact in access.facts() if isinstance(fact, Hinted) and fact.exercise == id]
    number = min(len(given) + 1, len(exercise.hints))
    access.record("hint", exercise=id, number=number)
    text = exercise.told(exercise.hints[number - 1], access.node)
    return {"exercise": id, "number": number, "of": len(exercise.hints), "hint": text}


def _last_answer(facts: list[Fact], id: str, name: str) -> Answered | None:
    now = facts[-1].at if facts else None
    return Case.of(id, "", "", facts, now).answer(name) if now is not None else None


def _seed(facts: list[Fact], node: str) -> str:
    seeds = [fact.seed for fact in facts if isinstance(fact, Seeded)]
    return seeds[-1] if seeds else node
