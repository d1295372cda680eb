"""What authorizers are asked, and what they answer; as `k8s.io/apiserver/pkg/authorization` has it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from ..context import Target, User


class Decision(Enum):
    """An authorizer's answer."""

    ALLOW = "allow"
    DENY = "deny"
    NO_OPINION = "no opinion"
    """Another authorizer may allow it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, and why."""

    decision: Decision
    reason: str = ""

    @property
    def allowed(self) -> bool:
        """Whether the request passes."""
        return self.decision is Decision.ALLOW


ALLOWED = Verdict(Decision.ALLOW)
NO_OPINION = Verdict(Decision.NO_OPINION)


class Authorizer(Protocol):
    """One of `--authorization-mode`."""

    def authorize(self, user: User, target: Target) -> Verdict:
        """Whether the user may do that."""
