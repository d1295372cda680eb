"""Nobody hands out rights that they do not have, unless told to (`escalate`, `bind`).

Mirrors `pkg/registry/rbac/*/policybased/storage.go` and `ConfirmNoEscalation`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import status
from ..context import Context, Target, User
from ._rbac import GROUP, RoleMissing, binding_of
from ._rules import ALL, Rule, compacted, uncovered

if TYPE_CHECKING:
    from . import Modes

Object = dict[str, Any]
_EVERYTHING = (Rule((ALL,), (ALL,), (ALL,)), Rule((ALL,), urls=(ALL,)))
_PLURALS = {"Role": "roles", "ClusterRole": "clusterroles"}


class Escalation:
    """Looks at roles and bindings before they are written."""

    def __init__(self, modes: Modes) -> None:
        self._modes = modes

    def check(self, ctx: Context, plural: str, new: Object, old: Object | None) -> None:
        """Raises a 403 when `new` would give more than the user has."""
        if "system:masters" in ctx.user.groups:
            return
        if plural in ("roles", "clusterroles"):
            self._check_role(ctx, plural, new, old)
        elif plural in ("rolebindings", "clusterrolebindings"):
            self._check_binding(ctx, plural, new, old)

    def _check_role(self, ctx: Context, plural: str, new: Object, old: Object | None) -> None:
        parts = ("rules", "aggregationRule")
        if old is not None and all((new.get(part) or None) == (old.get(part) or None) for part in parts):
            return
        metadata = new["metadata"]
        namespace = metadata.get("namespace", "")
        name = metadata.get("name", "")
        if self._may(ctx.user, "escalate", plural, namespace, name):
            return
        rules = [Rule.decode(rule) for rule in new.get("rules") or ()]
        if fault := self._excess(ctx.user, namespace, rules):
            raise status.forbidden(GROUP, plural, name, fault)
        if new.get("aggregationRule") and self._excess(ctx.user, namespace, _EVERYTHING):
            raise status.forbidden(
                GROUP, plural, name, "must have cluster-admin privileges to use the aggregationRule"
            )

    def _check_binding(self, ctx: Context, plural: str, new: Object, old: Object | None) -> None:
        parts = ("roleRef", "subjects")
        if old is not None and all((new.get(part) or None) == (old.get(part) or None) for part in parts):
            return
        binding = binding_of(new)
        roles = _PLURALS.get(binding.role_kind)
        if roles is None:
            return  # validation says so
        namespace = binding.namespace
        if self._may(ctx.user, "bind", roles, namespace, binding.role_name):
            return
        rules = self._modes.policy.rules_of(binding)
        if isinstance(rules, RoleMissing):
            raise status.not_found(GROUP, rules.kind.lower(), rules.name)
        if fault := self._excess(ctx.user, namespace, rules):
            raise status.forbidden(GROUP, plural, binding.name, fault)

    def _may(self, user: User, verb: str, plural: str, namespace: str, name: str) -> bool:
        target = Target(verb, "", GROUP, "v1", plural, "", namespace, name)
        return self._modes.authorize(user, target).allowed

    def _excess(self, user: User, namespace: str, wanted: list[Rule] | tuple[Rule, ...]) -> str:
        """What the user does not have of that, in words; "" when nothing is missing."""
        held, unknown = self._modes.policy.rules_for(user, namespace)
        missing = uncovered(held, wanted)
        if not missing:
            return ""
        groups = " ".join(f'"{group}"' for group in user.groups)
        listed = "\n".join(sorted({str(rule) for rule in compacted(missing)}))
        text = (
            f'user "{user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not currently '
            f"held:\n{listed}"
        )
        return f"{text}; resolution errors: [{', '.join(unknown)}]" if unknown else text
