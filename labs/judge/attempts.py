"""Doing an exercise from its file: the reference solution, and the wrong ones whose score is known."""

from __future__ import annotations

from labs.judge.access import Access, Judged
from labs.judge.asking import answer
from labs.judge.checking import OnWait, check
from labs.judge.errors import JudgeError
from labs.judge.exercise import Attempt, Exercise, load
from labs.judge.setup import OnProgress, start
from labs.judge.verdict import Verdict


def solve(
    cluster: Judged, id: str, *, progress: OnProgress | None = None, on_wait: OnWait | None = None
) -> Verdict:
    """Start the exercise, do the reference solution, check it."""
    exercise = load(id)
    return rehearse(cluster, exercise, exercise.solution, progress=progress, on_wait=on_wait)


def rehearse(
    cluster: Judged,
    exercise: Exercise,
    attempt: Attempt,
    *,
    progress: OnProgress | None = None,
    on_wait: OnWait | None = None,
) -> Verdict:
    """Start the exercise, do what the attempt says, check it."""
    start(cluster, exercise.id, progress=progress)
    kinds = {question.id: question.kind for question in exercise.questions}
    first = {name: key for name, key in attempt.answers.items() if kinds[name] == "prediction"}
    then = {name: key for name, key in attempt.answers.items() if kinds[name] == "explanation"}
    for name, choice in first.items():
        answer(cluster, exercise.id, name, choice)
    done = Access(cluster).run(["bash", "-c", attempt.script], timeout=180.0)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise JudgeError(f"{exercise.id}, {attempt.id}: the script failed on the node: {reason}")
    for name, choice in [*then.items(), *attempt.late.items()]:
        answer(cluster, exercise.id, name, choice)
    return check(cluster, exercise.id, on_wait=on_wait)
