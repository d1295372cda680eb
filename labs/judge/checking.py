"""Checking an exercise on a running cluster: judge what is recorded, and wait for what is still to come."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from labs.judge.access import Access, Evidence, Judged
from labs.judge.exercise import Exercise, load
from labs.judge.finding import Wait
from labs.judge.judging import judge_facts
from labs.judge.verdict import Verdict

OnWait = Callable[[Wait, float], None]
"""Told what a check is waiting for, and how many seconds are left."""


def check(cluster: Judged, id: str, *, on_wait: OnWait | None = None) -> Verdict:
    """Judge the last run of the exercise, and keep a note of it in the evidence.

    When the verdict may still change by itself (a mirror deleted by force takes more than a minute to
    return), the evidence is followed until it has, cannot any more, or the criterion's own bound is reached.
    """
    exercise = load(id)
    access = Access(cluster)
    with access.evidence() as evidence:
        verdict = _settled(exercise, access, evidence, on_wait)
    access.record("check", exercise=id, points=verdict.points)
    return verdict


def _settled(exercise: Exercise, access: Access, evidence: Evidence, on_wait: OnWait | None) -> Verdict:
    while True:
        barrier = access.barrier()
        evidence.up_to(barrier.seq)
        verdict = _judge(exercise, access, evidence, barrier.silent)
        if not verdict.waits:
            return verdict
        while verdict.waits:
            wait = verdict.waits[0]
            left = (wait.until - datetime.now(UTC)).total_seconds()
            if on_wait is not None:
                on_wait(wait, left)
            known = len(evidence.facts)
            evidence.more(min(left, 5.0))
            if len(evidence.facts) > known or left <= 0:
                verdict = _judge(exercise, access, evidence, ())


def _judge(exercise: Exercise, access: Access, evidence: Evidence, silent: tuple[str, ...]) -> Verdict:
    now = datetime.now(UTC)
    return judge_facts(exercise, evidence.facts, node=access.node, now=now, silent=silent)
