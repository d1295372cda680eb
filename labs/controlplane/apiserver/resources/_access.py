"""Who may do what, and the questions about it: roles and bindings, and reviews that are never stored."""

from __future__ import annotations

from ..strategies import (
    ClusterRoleBindingStrategy,
    ClusterRoleStrategy,
    RoleBindingStrategy,
    RoleStrategy,
)
from ._types import Resource

_RBAC = "rbac.authorization.k8s.io"
_AUTHENTICATION, _AUTHORIZATION = "authentication.k8s.io", "authorization.k8s.io"


def _review(group: str, plural: str, kind: str, *, namespaced: bool = False) -> Resource:
    return Resource(plural, kind, group, namespaced=namespaced, verbs=("create",))


REVIEWS = (
    _review(_AUTHENTICATION, "selfsubjectreviews", "SelfSubjectReview"),
    _review(_AUTHENTICATION, "tokenreviews", "TokenReview"),
    _review(_AUTHORIZATION, "localsubjectaccessreviews", "LocalSubjectAccessReview", namespaced=True),
    _review(_AUTHORIZATION, "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    _review(_AUTHORIZATION, "selfsubjectrulesreviews", "SelfSubjectRulesReview"),
    _review(_AUTHORIZATION, "subjectaccessreviews", "SubjectAccessReview"),
)
ROLES = (
    Resource("clusterrolebindings", "ClusterRoleBinding", _RBAC, namespaced=False,
             strategy=ClusterRoleBindingStrategy()),
    Resource("clusterroles", "ClusterRole", _RBAC, namespaced=False, strategy=ClusterRoleStrategy()),
    Resource("rolebindings", "RoleBinding", _RBAC, strategy=RoleBindingStrategy()),
    Resource("roles", "Role", _RBAC, strategy=RoleStrategy()),
)  # fmt: skip
