"""What a criterion finds when it looks at a case."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class Recorder(Enum):
    """Who writes evidence. A finding names those whose silence would make it doubtful."""

    AUDIT = "audit"
    RUNTIME = "runtime"
    JOURNAL = "journal"


@dataclass(frozen=True)
class Wait:
    """Something that may still happen, and the moment after which it no longer counts."""

    what: str
    until: datetime


@dataclass(frozen=True)
class Finding:
    """`passed` says yes or no as the evidence stands; `waits` that the no is not the last word yet.

    `seen` tells the student what was observed. `relies_on` are the recorders that must have been awake for
    this to be sure: a sighting needs nobody's silence to be trusted, "it never happened" does.
    """

    passed: bool
    seen: str
    relies_on: frozenset[Recorder] = frozenset()
    waits: Wait | None = None


def saw(seen: str) -> Finding:
    """Passed, on the strength of something that is in the evidence."""
    return Finding(True, seen)


def missed(seen: str, *relies_on: Recorder) -> Finding:
    """Failed. Name the recorders that would have shown it, if it is failed for want of evidence."""
    return Finding(False, seen, frozenset(relies_on))


def undisturbed(seen: str, *relies_on: Recorder) -> Finding:
    """Passed, because something did not happen; name the recorders that would have shown it."""
    return Finding(True, seen, frozenset(relies_on))


def awaited(seen: str, what: str, until: datetime, *relies_on: Recorder) -> Finding:
    """Failed so far; `what` may happen until then."""
    return Finding(False, seen, frozenset(relies_on), Wait(what, until))
