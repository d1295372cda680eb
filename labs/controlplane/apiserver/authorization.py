"""Who may do what. The groups that kubeadm binds to cluster-admin may do everything, a node what the Node
authorizer and the role system:node give it, everyone may ask for the server's health and version."""

from __future__ import annotations

from . import status
from .context import Target, User

ADMINISTRATORS = frozenset(("system:masters", "kubeadm:cluster-admins"))
#: The roles system:public-info-viewer and system:discovery.
PUBLIC_PATHS = frozenset(("/healthz", "/livez", "/readyz", "/version", "/version/"))
DISCOVERY_PREFIXES = ("/api", "/apis", "/openapi")
JUDGE = "cks-labs:judge"
#: The other components, whose roles let them do what they do.
COMPONENTS = ("system:kube-scheduler", "system:kube-controller-manager", "system:serviceaccount:kube-system:")

_READ = frozenset(("get", "list", "watch"))
#: The role system:node, for the kinds served: resource or resource/subresource to verbs.
_NODE_RULES: dict[tuple[str, str], frozenset[str]] = {
    ("", "nodes"): _READ | {"create", "patch", "update"},
    ("", "nodes/status"): frozenset(("patch", "update")),
    ("", "pods"): _READ | {"create", "delete"},
    ("", "pods/status"): frozenset(("patch", "update")),
    ("", "pods/eviction"): frozenset(("create",)),
    ("", "services"): _READ,
    ("", "configmaps"): _READ,
    ("", "secrets"): _READ,
    ("", "serviceaccounts"): frozenset(("get",)),
    ("", "serviceaccounts/token"): frozenset(("create",)),
    ("", "events"): frozenset(("create", "patch", "update")),
    ("events.k8s.io", "events"): frozenset(("create", "patch", "update")),
    ("authentication.k8s.io", "tokenreviews"): frozenset(("create",)),
    ("authorization.k8s.io", "subjectaccessreviews"): frozenset(("create",)),
    ("coordination.k8s.io", "leases"): frozenset(("create", "delete", "get", "patch", "update")),
}


def authorize(user: User, target: Target) -> str:
    """Let the request pass and say why. Raises a 403 otherwise."""
    if ADMINISTRATORS & set(user.groups) or user.name.startswith(COMPONENTS):
        return ""
    if not target.is_resource:
        if _path_allowed(user, target):
            return ""
        why = f'User "{user.name}" cannot {target.verb} path "{target.path}"'
        raise status.forbidden("", "", "", why)
    if target.resource == "selfsubjectaccessreviews" and "system:authenticated" in user.groups:
        return ""
    if user.name == JUDGE and target.verb in _READ:
        return ""
    reason = _node_refusal(user, target) if user.node else ""
    if user.node and reason is None:
        return ""
    raise denied(user, target, reason or "")


def denied(user: User, target: Target, reason: str = "") -> status.APIError:
    """The refusal in RBAC's words."""
    resource = f"{target.resource}/{target.subresource}" if target.subresource else target.resource
    scope = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
    if target.resource == "namespaces":
        scope = f'in the namespace "{target.name}"' if target.name else "at the cluster scope"
    why = (
        f'User "{user.name}" cannot {target.verb} resource "{resource}" in API group "{target.group}" {scope}'
    )
    if reason:
        why += f": {reason}"
    return status.forbidden(target.group, target.resource, target.name, why)


def _path_allowed(user: User, target: Target) -> bool:
    if target.verb not in ("get", "head"):
        return False
    path = target.path
    if path in PUBLIC_PATHS or path.startswith(("/livez/", "/readyz/", "/healthz/")):
        return True
    authenticated = "system:authenticated" in user.groups
    if authenticated and any(
        path == prefix or path.startswith(f"{prefix}/") for prefix in DISCOVERY_PREFIXES
    ):
        return True
    return user.name == JUDGE


def _node_refusal(user: User, target: Target) -> str | None:
    """None when the node may; otherwise the Node authorizer's reason, which may be empty."""
    resource = f"{target.resource}/{target.subresource}" if target.subresource else target.resource
    if target.verb not in _NODE_RULES.get((target.group, resource), ()):
        return ""
    node = user.node
    own_lease = target.namespace == "kube-node-lease" and target.name in (node, "")
    if target.resource == "leases" and not (own_lease and (target.name or target.verb == "create")):
        return f"can only access node lease with the same name as the requesting node: {node}"
    if target.resource == "nodes" and target.verb in _READ and target.name not in (node, ""):
        return f"node '{node}' cannot read '{target.name}', only its own Node object"
    if target.resource in ("secrets", "configmaps") and (not target.name or target.verb != "get"):
        return f"node '{node}' can only read {target.resource} of pods bound to it"
    return None
