"""RBAC: roles, bindings, and who may do what by them.

The index follows the store, so a decision costs a look into three dictionaries. Mirrors
`plugin/pkg/auth/authorizer/rbac/rbac.go` and `pkg/registry/rbac/validation/rule.go`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..context import Target, User
from ._rules import Rule
from ._types import NO_OPINION, Decision, Verdict

Object = dict[str, Any]
GROUP = "rbac.authorization.k8s.io"
_CLUSTER_ROLES, _CLUSTER_BINDINGS = "/registry/clusterroles/", "/registry/clusterrolebindings/"
_ROLES, _BINDINGS = "/registry/roles/", "/registry/rolebindings/"


@dataclass(frozen=True)
class Binding:
    """A RoleBinding, or with namespace "" a ClusterRoleBinding."""

    namespace: str
    name: str
    role_kind: str
    role_name: str

    def describe(self, subject: str) -> str:
        """As the reason of a decision names it."""
        kind, name = ("RoleBinding", f"{self.name}/{self.namespace}") if self.namespace else (
            "ClusterRoleBinding", self.name,
        )  # fmt: skip
        return f'{kind} "{name}" of {self.role_kind} "{self.role_name}" to {subject}'


@dataclass(frozen=True)
class RoleMissing:
    """A binding names a role that is not there."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f'{self.kind.lower()}.{GROUP} "{self.name}" not found'


class Policy:
    """All roles and bindings; a follower of the store, and the authorizer `RBAC`."""

    prefixes = (_CLUSTER_ROLES, _CLUSTER_BINDINGS, _ROLES, _BINDINGS)

    def __init__(self) -> None:
        #: Objects by key, as they are stored.
        self.objects: dict[str, Object] = {}
        self._rules: dict[tuple[str, str], tuple[Rule, ...]] = {}
        #: By namespace ("" for the whole cluster) and by user or group: bindings, and the subject in words.
        self._bound: dict[str, dict[str, dict[Binding, str]]] = defaultdict(lambda: defaultdict(dict))
        #: Called when a ClusterRole has changed.
        self.on_cluster_role: Callable[[], None] = lambda: None

    # -- following the store
    def replace(self, prefix: str, objects: dict[str, Object]) -> None:
        """These are all of a kind."""
        for key in [key for key in self.objects if key.startswith(prefix)]:
            self.change(prefix, key, None)
        for key, obj in objects.items():
            self.change(prefix, key, obj)

    def change(self, prefix: str, key: str, obj: Object | None) -> None:
        """One of them is like this now, or gone."""
        old = self.objects.pop(key, None)
        if obj is not None:
            self.objects[key] = obj
        if prefix in (_ROLES, _CLUSTER_ROLES):
            namespace, _, name = key.removeprefix(prefix).rpartition("/")
            self._rules.pop((namespace, name), None)
            if obj is not None:
                self._rules[namespace, name] = tuple(map(Rule.decode, obj.get("rules") or ()))
            if prefix == _CLUSTER_ROLES:
                self.on_cluster_role()
            return
        for binding, who, _ in _subjects(old):
            self._bound[binding.namespace][who].pop(binding, None)
        for binding, who, shown in _subjects(obj):
            self._bound[binding.namespace][who][binding] = shown

    # -- deciding
    def authorize(self, user: User, target: Target) -> Verdict:
        """Whether some binding gives the user a role with a rule for it."""
        missing = []
        for binding, subject in self._bindings(user, target.namespace):
            rules = self.rules_of(binding)
            if isinstance(rules, RoleMissing):
                missing.append(str(rules))
            elif any(rule.allows(target) for rule in rules):
                return Verdict(Decision.ALLOW, f"RBAC: allowed by {binding.describe(subject)}")
        if not missing:
            return NO_OPINION
        missing = list(dict.fromkeys(missing))
        listed = missing[0] if len(missing) == 1 else f"[{', '.join(missing)}]"
        return Verdict(Decision.NO_OPINION, f"RBAC: {listed}")

    def rules_for(self, user: User, namespace: str) -> tuple[list[Rule], list[str]]:
        """All rules that a user has in a namespace ("": everywhere), and what could not be found out."""
        found: list[Rule] = []
        missing = []
        for binding, _ in self._bindings(user, namespace):
            rules = self.rules_of(binding)
            if isinstance(rules, RoleMissing):
                missing.append(str(rules))
            else:
                found += rules
        return found, missing

    def rules_of(self, binding: Binding) -> tuple[Rule, ...] | RoleMissing:
        """The rules of the role that a binding gives."""
        namespace = binding.namespace if binding.role_kind == "Role" else ""
        rules = self._rules.get((namespace, binding.role_name))
        return RoleMissing(binding.role_kind, binding.role_name) if rules is None else rules

    def _bindings(self, user: User, namespace: str) -> Iterator[tuple[Binding, str]]:
        for scope in ("", namespace) if namespace else ("",):
            bound = self._bound.get(scope)
            if bound is None:
                continue
            for who in (f"user:{user.name}", *(f"group:{group}" for group in user.groups)):
                yield from list(bound.get(who, {}).items())


def binding_of(obj: Object) -> Binding:
    """A binding's own side: where it holds, and which role it gives."""
    metadata, role = obj["metadata"], obj.get("roleRef") or {}
    return Binding(
        metadata.get("namespace", ""), metadata.get("name", ""), role.get("kind", ""), role.get("name", "")
    )


def _subjects(obj: Object | None) -> Iterator[tuple[Binding, str, str]]:
    """A binding with each of its subjects: as the index knows it, and in words."""
    if obj is None:
        return
    binding = binding_of(obj)
    for subject in obj.get("subjects") or ():
        kind, name = subject.get("kind", ""), subject.get("name", "")
        match kind:
            case "User":
                yield binding, f"user:{name}", f'User "{name}"'
            case "Group":
                yield binding, f"group:{name}", f'Group "{name}"'
            case "ServiceAccount":
                namespace = subject.get("namespace") or binding.namespace
                who = f"user:system:serviceaccount:{namespace}:{name}"
                yield binding, who, f'ServiceAccount "{name}/{namespace}"'
