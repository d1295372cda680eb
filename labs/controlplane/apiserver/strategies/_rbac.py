"""Roles and bindings; mirrors `pkg/apis/rbac/validation/validation.go`."""

from __future__ import annotations

from typing import Any

from labs.core import names
from labs.core.field import FieldError, invalid, not_supported, required
from labs.core.validation.selectors import validate_label_selector

from ._base import Object, Strategy

GROUP = "rbac.authorization.k8s.io"
_REFERENCE = {"APIGroup": "apiGroup", "Kind": "kind", "Name": "name"}
_SUBJECTS = ("ServiceAccount", "User", "Group")


class _PathNamed(Strategy):
    """Kinds whose names may be whatever fits into a path."""

    create_on_update = True

    def name_faults(self, name: str) -> list[str]:
        return names.path_faults(name)


class RoleStrategy(_PathNamed):
    """What may be done in a namespace."""

    namespaced = True

    def default(self, obj: Object) -> None:
        obj["rules"] = obj.get("rules") or None

    def validate(self, obj: Object) -> list[FieldError]:
        errors = []
        for index, rule in enumerate(obj.get("rules") or []):
            errors += self._validate_rule(rule, f"rules[{index}]")
        return errors

    def _validate_rule(self, rule: Object, field: str) -> list[FieldError]:
        errors = []
        if not rule.get("verbs"):
            errors.append(required(f"{field}.verbs", "verbs must contain at least one value"))
        if urls := rule.get("nonResourceURLs"):
            here = f"{field}.nonResourceURLs"
            if self.namespaced:
                errors.append(invalid(here, urls, "namespaced rules cannot apply to non-resource URLs"))
            if any(rule.get(part) for part in ("apiGroups", "resources", "resourceNames")):
                detail = "rules cannot apply to both regular resources and non-resource URLs"
                errors.append(invalid(here, urls, detail))
            return errors
        if not rule.get("apiGroups"):
            errors.append(required(f"{field}.apiGroups", "resource rules must supply at least one api group"))
        if not rule.get("resources"):
            errors.append(required(f"{field}.resources", "resource rules must supply at least one resource"))
        return errors


class ClusterRoleStrategy(RoleStrategy):
    """What may be done everywhere; its rules may be gathered from other ClusterRoles."""

    namespaced = False

    def validate(self, obj: Object) -> list[FieldError]:
        errors, gathering = super().validate(obj), obj.get("aggregationRule")
        if gathering is None:
            return errors
        field, selectors = "aggregationRule.clusterRoleSelectors", gathering.get("clusterRoleSelectors") or []
        if not selectors:
            why = "at least one clusterRoleSelector required if aggregationRule is non-nil"
            errors.append(required(field, why))
        for index, selector in enumerate(selectors):
            if faults := validate_label_selector(selector, here := f"{field}[{index}]"):
                errors += [*faults, invalid(here, None, "invalid label selector.")]
        return errors


class RoleBindingStrategy(_PathNamed):
    """Who has a role in a namespace."""

    namespaced = True
    roles: tuple[str, ...] = ("Role", "ClusterRole")

    def default(self, obj: Object) -> None:
        role = obj.setdefault("roleRef", {})
        if not role.get("apiGroup"):
            role["apiGroup"] = GROUP
        for subject in obj.get("subjects") or []:
            if subject.get("kind") in ("User", "Group") and not subject.get("apiGroup"):
                subject["apiGroup"] = GROUP

    def validate(self, obj: Object) -> list[FieldError]:
        role = obj["roleRef"]
        errors = []
        if role.get("apiGroup") != GROUP:
            errors.append(not_supported("roleRef.apiGroup", role.get("apiGroup", ""), (GROUP,)))
        if role.get("kind") not in self.roles:
            errors.append(not_supported("roleRef.kind", role.get("kind", ""), self.roles))
        if not role.get("name"):
            errors.append(required("roleRef.name"))
        else:
            errors += [invalid("roleRef.name", role["name"], f) for f in names.path_faults(role["name"])]
        for index, subject in enumerate(obj.get("subjects") or []):
            errors += self._validate_subject(subject, f"subjects[{index}]")
        return errors

    def _validate_subject(self, subject: Object, field: str) -> list[FieldError]:
        errors: list[FieldError] = []
        kind, group = subject.get("kind", ""), subject.get("apiGroup", "")
        if not subject.get("name"):
            errors.append(required(f"{field}.name"))
        elif kind == "ServiceAccount":
            errors += [
                invalid(f"{field}.name", subject["name"], fault)
                for fault in names.subdomain_faults(subject["name"])
            ]
        if kind not in _SUBJECTS:
            return [*errors, not_supported(f"{field}.kind", kind, _SUBJECTS)]
        expected: Any = "" if kind == "ServiceAccount" else GROUP
        if group != expected:
            errors.append(not_supported(f"{field}.apiGroup", group, (expected,)))
        if kind == "ServiceAccount" and not self.namespaced and not subject.get("namespace"):
            errors.append(required(f"{field}.namespace"))
        return errors

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = super().validate_update(new, old)
        if new.get("roleRef") != old.get("roleRef"):
            role = new["roleRef"]
            shown = {go: role.get(part, "") for go, part in _REFERENCE.items()}
            errors.append(invalid("roleRef", shown, "cannot change roleRef"))
        return errors


class ClusterRoleBindingStrategy(RoleBindingStrategy):
    """Who has a role everywhere."""

    namespaced = False
    roles = ("ClusterRole",)
