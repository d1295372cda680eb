"""What a submission is played against, as judging sees it. `grader.clusters` makes the real one."""

from pathlib import Path
from typing import Protocol

from grader.record import Verdict


class Lab(Protocol):
    """What a submission is played against."""

    @property
    def name(self) -> str:
        """The cluster's name, as the student's notebook knows it."""

    @property
    def socket(self) -> Path | None:
        """All that the student's kernel gets of it."""

    def started(self, exercise: str) -> bool:
        """Whether the exercise has been set up."""

    def start(self, exercise: str) -> None:
        """Set the exercise up."""

    def check(self, exercise: str) -> Verdict:
        """Judge the exercise by what the lab shows now."""
