"""From evidence to a verdict, without waiting, asking or writing: the same facts, the same verdict."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from labs.judge.case import Case
from labs.judge.criteria import CRITERIA, DEEDS
from labs.judge.exercise import Criterion, Exercise
from labs.judge.facts import Fact, read
from labs.judge.finding import Finding, Recorder, missed
from labs.judge.verdict import Ruling, Verdict

NOT_STARTED = "The exercise was not started."


def judge(
    exercise: Exercise,
    records: Iterable[Mapping[str, Any]],
    *,
    node: str,
    now: datetime,
    silent: Collection[str] = (),
) -> Verdict:
    """Judge the last run of the exercise from raw records, as the supervisor keeps them."""
    facts = [fact for fact in map(read, records) if fact is not None]
    return judge_facts(exercise, facts, node=node, now=now, silent=silent)


def judge_facts(
    exercise: Exercise, facts: Sequence[Fact], *, node: str, now: datetime, silent: Collection[str] = ()
) -> Verdict:
    """Judge the last run of the exercise. `silent` names recorders that did not answer when they were asked.

    Where the deed was done more than once, the most rewarding one counts, of equal ones the last.
    """
    case = Case.of(exercise.id, exercise.pod, node, facts, now)
    asleep = frozenset(recorder for recorder in Recorder if recorder.value in silent)
    deeds = DEEDS[exercise.deed](case)
    cases = [case.looking_at(deed, deeds[0]) for deed in deeds] or [case]
    verdicts = [_verdict(exercise, one, asleep) for one in cases]
    return max(reversed(verdicts), key=lambda verdict: verdict.points)


def _verdict(exercise: Exercise, case: Case, asleep: frozenset[Recorder]) -> Verdict:
    rulings = tuple(_ruling(exercise, criterion, case, asleep) for criterion in exercise.criteria)
    return Verdict(exercise.id, rulings)


def _ruling(exercise: Exercise, criterion: Criterion, case: Case, asleep: frozenset[Recorder]) -> Ruling:
    finding = _find(exercise, criterion, case)
    waiting = finding.waits if finding.waits is not None and case.now < finding.waits.until else None
    unsure = finding.relies_on & asleep
    if unsure and case.began is not None:
        passed, rationale = None, _unsure(unsure)
    else:
        passed, rationale = finding.passed, criterion.passed if finding.passed else criterion.failed
    hint = "" if passed else criterion.hint
    return Ruling(
        criterion.id, passed, criterion.points, rationale, criterion.expected, finding.seen, hint, waiting
    )


def _find(exercise: Exercise, criterion: Criterion, case: Case) -> Finding:
    if case.began is None:
        return missed(NOT_STARTED)
    parameters = dict(criterion.parameters)
    if "question" in parameters:
        question = exercise.question(parameters["question"])
        parameters |= {"kind": question.kind, "right": question.right}
    return CRITERIA[criterion.judge].function(case, **parameters)


def _unsure(recorders: Collection[Recorder]) -> str:
    names = " and ".join(sorted(_NAMES[one] for one in recorders))
    return f"This could not be judged: {names} did not answer, so what is missing may have happened unseen."


_NAMES = {
    Recorder.AUDIT: "the API server's audit trail",
    Recorder.RUNTIME: "the runtime's event log",
    Recorder.JOURNAL: "the kubelet's journal",
}
