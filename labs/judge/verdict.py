"""What the judge says: per criterion, and for the exercise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labs.judge.finding import Wait


@dataclass(frozen=True)
class Ruling:
    """One criterion, judged. `passed` is None when the evidence does not allow a yes or a no."""

    id: str
    passed: bool | None
    max: int
    rationale: str
    expected: str
    seen: str
    hint: str
    wait: Wait | None = None

    @property
    def points(self) -> int:
        """All of the criterion's points or none."""
        return self.max if self.passed else 0

    def to_json(self) -> dict[str, Any]:
        """The shape that `labs exercise check --json` promises."""
        return {
            "id": self.id,
            "passed": self.passed,
            "points": self.points,
            "max": self.max,
            "rationale": self.rationale,
            "expected": self.expected,
            "seen": self.seen,
            "hint": self.hint,
        }


@dataclass(frozen=True)
class Verdict:
    """All criteria of an exercise."""

    exercise: str
    rulings: tuple[Ruling, ...]

    @property
    def points(self) -> int:
        """What was earned."""
        return sum(ruling.points for ruling in self.rulings)

    @property
    def max(self) -> int:
        """What could be earned."""
        return sum(ruling.max for ruling in self.rulings)

    @property
    def needs_attention(self) -> bool:
        """Whether somebody must look, because a criterion could not be judged."""
        return any(ruling.passed is None for ruling in self.rulings)

    @property
    def waits(self) -> tuple[Wait, ...]:
        """What may still happen and would change this verdict, the nearest bound first."""
        waits = {ruling.wait for ruling in self.rulings if ruling.wait is not None}
        return tuple(sorted(waits, key=lambda wait: wait.until))

    def to_json(self) -> dict[str, Any]:
        """The document of `labs exercise check --json`."""
        return {
            "exercise": self.exercise,
            "points": self.points,
            "max": self.max,
            "criteria": [ruling.to_json() for ruling in self.rulings],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Verdict:
        """A verdict as it was kept in somebody's record."""
        return cls(
            document["exercise"],
            tuple(
                Ruling(
                    one["id"],
                    one["passed"],
                    one["max"],
                    one["rationale"],
                    one["expected"],
                    one["seen"],
                    one["hint"],
                )
                for one in document["criteria"]
            ),
        )
