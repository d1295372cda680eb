"""The roles and bindings that a cluster begins with, made whole again at every start.

The API server's own are in `schemas/policy.json` as a real one has them; a few more are kubeadm's. Mirrors
`pkg/registry/rbac/rest/storage_rbac.go`: what is missing of a role is added, nothing is taken away, and what
is annotated `autoupdate: "false"` is left alone.
"""

from __future__ import annotations

import json
from importlib import resources as files
from typing import Any

from . import meta
from .authorization import Policy, Rule
from .resources import BY_PATH
from .storage import Changed, Storage

Object = dict[str, Any]
GROUP = "rbac.authorization.k8s.io"
AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
_PLURALS = {
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "Role": "roles",
    "RoleBinding": "rolebindings",
}
_JOINING = "system:bootstrappers:kubeadm:default-node-token"
_SIGNING = "system:certificates.k8s.io:certificatesigningrequests"


def defaults() -> list[Object]:
    """The roles and bindings of an API server."""
    found: list[Object] = json.loads(
        files.files("labs.controlplane.schemas").joinpath("policy.json").read_bytes()
    )
    return found


def node_rules(objects: list[Object]) -> tuple[Rule, ...]:
    """The rules of system:node, which the Node authorizer goes by and nobody is bound to."""
    role = next(o for o in objects if o["kind"] == "ClusterRole" and o["metadata"]["name"] == "system:node")
    return tuple(map(Rule.decode, role["rules"]))


def kubeadm() -> list[Object]:
    """What `kubeadm init` adds: administrators, and nodes that join."""

    def role(name: str, resource: str, namespace: str, *names: str) -> Object:
        rule: Object = {"apiGroups": [""], "resources": [resource], "verbs": ["get"]}
        return {
            "kind": "Role" if namespace else "ClusterRole",
            "metadata": _metadata(name, namespace),
            "rules": [{**rule, "resourceNames": list(names)} if names else rule],
        }

    def bind(name: str, to: str, namespace: str, *subjects: tuple[str, str]) -> Object:
        return {
            "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
            "metadata": _metadata(name, namespace),
            "roleRef": {"apiGroup": GROUP, "kind": "Role" if namespace else "ClusterRole", "name": to},
            "subjects": [{"apiGroup": GROUP, "kind": kind, "name": who} for kind, who in subjects],
        }

    joining, nodes = ("Group", _JOINING), ("Group", "system:nodes")
    clusterinfo = "kubeadm:bootstrap-signer-clusterinfo"
    return [
        bind("kubeadm:cluster-admins", "cluster-admin", "", ("Group", "kubeadm:cluster-admins")),
        role("kubeadm:get-nodes", "nodes", ""),
        bind("kubeadm:get-nodes", "kubeadm:get-nodes", "", joining),
        bind("kubeadm:kubelet-bootstrap", "system:node-bootstrapper", "", joining),
        bind("kubeadm:node-autoapprove-bootstrap", f"{_SIGNING}:nodeclient", "", joining),
        bind("kubeadm:node-autoapprove-certificate-rotation", f"{_SIGNING}:selfnodeclient", "", nodes),
        role(clusterinfo, "configmaps", "kube-public", "cluster-info"),
        bind(clusterinfo, clusterinfo, "kube-public", ("User", "system:anonymous")),
        role("kubeadm:kubelet-config", "configmaps", "kube-system", "kubelet-config"),
        bind("kubeadm:kubelet-config", "kubeadm:kubelet-config", "kube-system", nodes, joining),
        role("kubeadm:nodes-kubeadm-config", "configmaps", "kube-system", "kubeadm-config"),
        bind("kubeadm:nodes-kubeadm-config", "kubeadm:nodes-kubeadm-config", "kube-system", joining, nodes),
    ]


def _metadata(name: str, namespace: str) -> Object:
    return {"name": name, "namespace": namespace} if namespace else {"name": name}


async def reconcile(storage: Storage, policy: Policy, wanted: list[Object]) -> None:
    """Make what is missing; `policy` has to know what there is."""
    missing = {}
    for obj in wanted:
        metadata = obj["metadata"]
        resource = BY_PATH[GROUP, "v1", _PLURALS[obj["kind"]]]
        key = resource.key(metadata.get("namespace", ""), metadata["name"])
        found = policy.objects.get(key)
        if found is None:
            identity = {**metadata, "uid": meta.new_uid(), "creationTimestamp": meta.now()}
            missing[key] = {**obj, "apiVersion": f"{GROUP}/v1", "metadata": identity}
        elif completed := _completed(found, obj):
            try:
                await storage.update(key, completed, int(found["metadata"]["resourceVersion"]))
            except Changed:
                continue  # somebody was faster; the next start looks again
    if missing:
        await storage.create_missing(missing)


def _completed(found: Object, wanted: Object) -> Object | None:
    """The object with what it lacks; None when it lacks nothing, or wants to be left alone."""
    annotations = found["metadata"].get("annotations") or {}
    if (wanted["metadata"].get("annotations") or {}).get(AUTOUPDATE) != "true":
        return None
    if annotations.get(AUTOUPDATE, "true") == "false":
        return None
    part = "rules" if "Binding" not in wanted["kind"] else "subjects"
    if wanted.get("aggregationRule"):
        return None
    present = found.get(part) or []
    lacking = [each for each in wanted.get(part) or [] if each not in present]
    return {**found, part: [*present, *lacking]} if lacking else None
