"""The Node authorizer: a kubelet reads what the pods bound to its node refer to, and nothing else.

Mirrors `plugin/pkg/auth/authorizer/node` (graph.go, node_authorizer.go), whose sentences these are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from ..context import Target, User
from ..validation.references import configmap_names, secret_names
from ._rules import Rule
from ._types import ALLOWED, NO_OPINION, Decision, Verdict

Object = dict[str, Any]
#: An object that others refer to: resource, namespace, name.
Vertex = tuple[str, str, str]
MIRROR = "kubernetes.io/config.mirror"
_PODS, _VOLUMES, _ATTACHMENTS = (
    "/registry/pods/",
    "/registry/persistentvolumes/",
    "/registry/volumeattachments/",
)
_READ = ("get", "list", "watch")


class Graph:
    """Which nodes have pods that refer to an object; follows the store."""

    prefixes = (_PODS, _VOLUMES, _ATTACHMENTS)

    def __init__(self) -> None:
        self._out: dict[str, tuple[str, frozenset[Vertex]]] = {}
        #: By object: nodes, and how many of their pods (or volumes, attachments) refer to it.
        self._edges: defaultdict[Vertex, Counter[str]] = defaultdict(Counter)
        #: By claim, what its volume leads to.
        self._claimed: dict[str, tuple[Vertex, frozenset[Vertex]]] = {}

    def replace(self, prefix: str, objects: dict[str, Object]) -> None:
        """These are all of a kind."""
        for key in [key for key in (*self._out, *self._claimed) if key.startswith(prefix)]:
            self.change(prefix, key, None)
        for key, obj in objects.items():
            self.change(prefix, key, obj)

    def change(self, prefix: str, key: str, obj: Object | None) -> None:
        """One of them is like this now, or gone."""
        spec = (obj.get("spec") or {}) if obj is not None else {}
        if prefix == _VOLUMES:
            self._claimed.pop(key, None)
            if obj is not None and (claim := spec.get("claimRef") or {}):
                vertex = ("persistentvolumeclaims", claim.get("namespace", ""), claim.get("name", ""))
                self._claimed[key] = (vertex, frozenset(_of_volume(obj, claim.get("namespace", ""))))
            return
        node, vertices = self._out.pop(key, ("", frozenset()))
        for vertex in vertices:
            self._edges[vertex][node] -= 1
            if not +self._edges[vertex]:
                del self._edges[vertex]
        if obj is None or not (node := spec.get("nodeName", "")):
            return
        vertices = frozenset(_of_pod(obj) if prefix == _PODS else _of_attachment(obj))
        self._out[key] = (node, vertices)
        for vertex in vertices:
            self._edges[vertex][node] += 1

    def leads(self, vertex: Vertex, node: str) -> bool:
        """Whether a pod of the node refers to the object, itself or by a volume's claim."""
        if self._has(vertex, node):
            return True
        return any(vertex in reached and self._has(claim, node) for claim, reached in self._claimed.values())

    def _has(self, vertex: Vertex, node: str) -> bool:
        nodes = self._edges.get(vertex)
        return nodes is not None and nodes[node] > 0


def _of_pod(pod: Object) -> Iterator[Vertex]:
    """A pod leads its node to itself and to what it refers to; a mirror only to itself.

    A node makes its mirrors itself, and must never thereby give itself a right.
    """
    metadata, spec = pod["metadata"], pod["spec"]
    namespace, name = metadata.get("namespace", ""), metadata["name"]
    yield "pods", namespace, name
    if MIRROR in (metadata.get("annotations") or {}):
        return
    if account := spec.get("serviceAccountName"):
        yield "serviceaccounts", namespace, account
    for secret in filter(None, secret_names(spec)):
        yield "secrets", namespace, secret
    for configmap in filter(None, configmap_names(spec)):
        yield "configmaps", namespace, configmap
    for volume in spec.get("volumes") or []:
        if claim := (volume.get("persistentVolumeClaim") or {}).get("claimName"):
            yield "persistentvolumeclaims", namespace, claim
        elif volume.get("ephemeral") is not None:
            yield "persistentvolumeclaims", namespace, f"{name}-{volume['name']}"
    for claim in (pod.get("status") or {}).get("resourceClaimStatuses") or []:
        yield "resourceclaims", namespace, claim.get("resourceClaimName", "")
    for claim in spec.get("resourceClaims") or []:
        yield "resourceclaims", namespace, claim.get("resourceClaimName", "")


def _of_volume(volume: Object, namespace: str) -> Iterator[Vertex]:
    yield "persistentvolumes", "", volume["metadata"]["name"]
    for source in volume["spec"].values():
        if not isinstance(source, dict):
            continue
        for part, reference in source.items():
            if part.lower().endswith("secretref") and isinstance(reference, dict):
                yield "secrets", reference.get("namespace") or namespace, reference.get("name", "")


def _of_attachment(attachment: Object) -> Iterator[Vertex]:
    yield "volumeattachments", "", attachment["metadata"]["name"]


class NodeAuthorizer:
    """The authorizer `Node`; `rules` are those of the role system:node, for what is not divided further."""

    def __init__(self, graph: Graph, rules: tuple[Rule, ...]) -> None:
        self._graph = graph
        self._rules = rules

    def authorize(self, user: User, target: Target) -> Verdict:
        """Whether a kubelet may do that; no opinion on others."""
        node = user.node
        if not node:
            return NO_OPINION
        match target.group, target.resource:
            case "", "secrets" | "configmaps":
                return self._read_named(node, target)
            case "", "persistentvolumeclaims" if target.subresource == "status":
                return self._update_status(node, target)
            case (
                ("", "persistentvolumeclaims" | "persistentvolumes")
                | ("storage.k8s.io", "volumeattachments")
                | ("resource.k8s.io", "resourceclaims")
            ):
                return self._get(node, target)
            case "", "serviceaccounts":
                return self._service_account(node, target)
            case "coordination.k8s.io", "leases":
                return _lease(node, target)
            case "storage.k8s.io", "csinodes":
                return _csi_node(node, target)
            case "resource.k8s.io", "resourceslices":
                return _resource_slice(node, target)
            case "", "nodes":
                return _node(node, target)
            case "", "pods":
                return self._pod(node, target)
        return ALLOWED if any(rule.allows(target) for rule in self._rules) else NO_OPINION

    def _related(self, node: str, target: Target) -> Verdict:
        if not target.name:
            return _no("No Object name found")
        if self._graph.leads((target.resource, target.namespace, target.name), node):
            return ALLOWED
        return _no(f"no relationship found between node '{node}' and this object")

    def _get(self, node: str, target: Target) -> Verdict:
        if target.verb != "get":
            return _no("can only get individual resources of this type")
        if target.subresource:
            return _no("cannot get subresource")
        return self._related(node, target)

    def _update_status(self, node: str, target: Target) -> Verdict:
        if target.verb not in ("get", "update", "patch"):
            return _no("can only get/update/patch this type")
        return self._related(node, target)

    def _read_named(self, node: str, target: Target) -> Verdict:
        if target.verb not in _READ:
            return _no("can only read resources of this type")
        if target.subresource:
            return _no("cannot read subresource")
        if not target.namespace:
            return _no("can only read namespaced object of this type")
        return self._related(node, target)

    def _service_account(self, node: str, target: Target) -> Verdict:
        if (target.verb, target.subresource) in (("create", "token"), ("get", "")) and target.name:
            return self._related(node, target)
        return _no("can only create tokens for individual service accounts")

    def _pod(self, node: str, target: Target) -> Verdict:
        match target.subresource, target.verb:
            case "", "get":
                return self._get(node, target)
            case "", "list" | "watch":
                if f"spec.nodeName={node}" in target.field_selector.replace("==", "=").split(","):
                    return ALLOWED
                return _no("can only list/watch pods with spec.nodeName field selector")
            case ("", "create" | "delete") | ("status", "patch" | "update") | ("eviction", "create"):
                return ALLOWED
        return NO_OPINION


def _node(node: str, target: Target) -> Verdict:
    match target.subresource, target.verb:
        case ("", "create" | "patch" | "update") | ("status", "patch" | "update"):
            return ALLOWED
        case "", "get" | "list" | "watch":
            if target.name == node:
                return ALLOWED
            which = f"'{target.name}'" if target.name else "all nodes"
            return _no(f"node '{node}' cannot read {which}, only its own Node object")
    return NO_OPINION


def _lease(node: str, target: Target) -> Verdict:
    if target.verb not in ("get", "create", "update", "patch", "delete"):
        return _no("can only get, create, update, patch, or delete a node lease")
    if target.namespace != "kube-node-lease":
        return _no('can only access leases in the "kube-node-lease" system namespace')
    if target.verb != "create" and target.name != node:
        return _no("can only access node lease with the same name as the requesting node")
    return ALLOWED


def _csi_node(node: str, target: Target) -> Verdict:
    if target.verb not in ("get", "create", "update", "patch", "delete"):
        return _no("can only get, create, update, patch, or delete a CSINode")
    if target.subresource:
        return _no("cannot authorize CSINode subresources")
    if target.verb != "create" and target.name != node:
        return _no("can only access CSINode with the same name as the requesting node")
    return ALLOWED


def _resource_slice(node: str, target: Target) -> Verdict:
    if target.subresource:
        return _no("cannot access resource slices subresources")
    if target.verb == "create":
        return ALLOWED
    if target.verb in ("list", "watch", "deletecollection"):
        if f"spec.nodeName={node}" in target.field_selector.replace("==", "=").split(","):
            return ALLOWED
        return _no("can only list/watch/deletecollection resourceslices with nodeName field selector")
    return _no("can only access resource slices of this node")


def _no(reason: str) -> Verdict:
    return Verdict(Decision.NO_OPINION, reason)
