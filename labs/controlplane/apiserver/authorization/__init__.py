"""Who may do what: the authorizers of `--authorization-mode`, asked in its order.

Members of system:masters are asked nothing. Mirrors `pkg/kubeapiserver/authorizer/config.go`, the union
authorizer, and the sentence that clients are refused with.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import status
from ..context import Target, User
from ._escalation import Escalation
from ._node import Graph, NodeAuthorizer
from ._rbac import Policy
from ._rules import Rule, compacted
from ._types import ALLOWED, Authorizer, Decision, Verdict

__all__ = [
    "SUPERUSERS",
    "Authorizer",
    "Decision",
    "Escalation",
    "Graph",
    "ModeError",
    "Modes",
    "NodeAuthorizer",
    "Policy",
    "Rule",
    "Verdict",
    "compacted",
    "refusal",
]

SUPERUSERS = "system:masters"


class ModeError(Exception):
    """An authorization mode that is not served."""


class _Always:
    """AlwaysAllow and AlwaysDeny."""

    def __init__(self, verdict: Verdict) -> None:
        self._verdict = verdict

    def authorize(self, user: User, target: Target) -> Verdict:
        """The same for everybody."""
        return self._verdict


class Modes:
    """The union of the modes that are switched on."""

    def __init__(
        self, modes: Sequence[str], graph: Graph, policy: Policy, node_rules: tuple[Rule, ...]
    ) -> None:
        self.policy = policy
        known: dict[str, Authorizer] = {
            "Node": NodeAuthorizer(graph, node_rules),
            "RBAC": policy,
            "AlwaysAllow": _Always(ALLOWED),
            "AlwaysDeny": _Always(Verdict(Decision.NO_OPINION, "Everything is forbidden.")),
        }
        if unserved := [mode for mode in modes if mode not in known]:
            raise ModeError(f"authorization mode {unserved[0]} is not served here: use {', '.join(known)}")
        self._modes = tuple(modes)
        self._authorizers = [known[mode] for mode in modes]

    def has(self, mode: str) -> bool:
        """Whether a mode is switched on."""
        return mode in self._modes

    def authorize(self, user: User, target: Target) -> Verdict:
        """The first decision of any; the reasons of all when there is none."""
        if SUPERUSERS in user.groups:
            return ALLOWED
        reasons = []
        for authorizer in self._authorizers:
            verdict = authorizer.authorize(user, target)
            if verdict.decision is not Decision.NO_OPINION:
                return verdict
            if verdict.reason:
                reasons.append(verdict.reason)
        return Verdict(Decision.NO_OPINION, "\n".join(reasons))

    def rules_for(self, user: User, namespace: str) -> tuple[list[Rule], list[str]]:
        """All that a user may do in a namespace, and what could not be found out."""
        unknown = []
        rules: list[Rule] = []
        if SUPERUSERS in user.groups:
            rules += (Rule(("*",), ("*",), ("*",)), Rule(("*",), urls=("*",)))
        for authorizer in self._authorizers:
            if isinstance(authorizer, NodeAuthorizer) and user.node:
                unknown.append("node authorizer does not support user rule resolution")
            elif isinstance(authorizer, Policy):
                found, missing = authorizer.rules_for(user, namespace)
                rules += found
                unknown += missing
        return rules, unknown


def refusal(user: User, target: Target, reason: str) -> status.APIError:
    """What a client reads that may not do it."""
    if not target.is_resource:
        why = f'User "{user.name}" cannot {target.verb} path "{target.path}"'
    else:
        resource = f"{target.resource}/{target.subresource}" if target.subresource else target.resource
        scope = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
        why = (
            f'User "{user.name}" cannot {target.verb} resource "{resource}" in API group "{target.group}" '
            f"{scope}"
        )
    if reason:
        why += f": {reason}"
    error = status.forbidden(target.group, target.resource, target.name, why)
    error.headers["X-Content-Type-Options"] = "nosniff"
    return error
