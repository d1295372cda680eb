"""One run of one exercise, cut out of the evidence and laid before the criteria."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from labs.judge.facts import Answered, ApiFact, Began, Fact, Renewed
from labs.judge.state import State

F = TypeVar("F", bound=Fact)


@dataclass(frozen=True)
class Case:
    """The facts since the exercise was last started, up to the start of another one.

    A *deed* is the act that an exercise is about. It may be done more than once: the judge looks at the case
    once for each, and the best counts. `deed` is the one looked at now, `first_deed` ends all predicting.
    """

    exercise: str
    pod: str
    node: str
    now: datetime
    earlier: tuple[Fact, ...]
    facts: tuple[Fact, ...]
    began: Began | None = None
    deed: ApiFact | None = None
    first_deed: ApiFact | None = None

    @classmethod
    def of(cls, exercise: str, pod: str, node: str, facts: Sequence[Fact], now: datetime) -> Case:
        """Cut the case out of all facts. `began` is None when the exercise was never started.

        It ends where another exercise begins, or where the nodes it was about are no more.
        """
        starts = [number for number, fact in enumerate(facts) if isinstance(fact, Began)]
        own = [number for number in starts if _began(facts[number]).exercise == exercise]
        if not own:
            return cls(exercise, pod, node, now, tuple(facts), ())
        first = own[-1]
        ends = (number for number, fact in enumerate(facts) if isinstance(fact, Began | Renewed))
        last = next((number for number in ends if number > first), len(facts))
        return cls(
            exercise,
            pod,
            node,
            now,
            tuple(facts[:first]),
            tuple(facts[first + 1 : last]),
            began=_began(facts[first]),
        )

    def looking_at(self, deed: ApiFact, first: ApiFact) -> Case:
        """The same case with one deed in view."""
        return replace(self, deed=deed, first_deed=first)

    @property
    def mirror(self) -> str:
        """The name of the static pod and of its mirror: the manifest's, a dash, and the node's."""
        return f"{self.pod}-{self.node.lower()}"

    def state(self, *, before: Fact | None = None) -> State:
        """What was the case just before that fact, or at the end."""
        end = before.seq if before is not None else None
        state = State().apply_all(self.earlier)
        return state.apply_all(fact for fact in self.facts if end is None or fact.seq < end)

    def after(self, fact: Fact, kind: type[F]) -> Iterator[F]:
        """The facts of that kind that followed, in order."""
        return (one for one in self.facts if isinstance(one, kind) and one.seq > fact.seq)

    def answer(
        self, question: str, *, before: Fact | None = None, after: Fact | None = None
    ) -> Answered | None:
        """The last answer to the question within these bounds."""
        given = [
            fact
            for fact in self.facts
            if isinstance(fact, Answered)
            and (fact.exercise, fact.question) == (self.exercise, question)
            and (before is None or fact.seq < before.seq)
            and (after is None or fact.seq > after.seq)
        ]
        return given[-1] if given else None


def _began(fact: Fact) -> Began:
    assert isinstance(fact, Began)
    return fact
