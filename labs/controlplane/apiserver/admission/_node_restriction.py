"""NodeRestriction: a kubelet changes its own node and pods, and nothing about them that others go by.

Mirrors `plugin/pkg/admission/noderestriction/admission.go`, whose sentences these are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import status
from ..resources import core
from ..storage import Storage
from ..validation.references import api_reference

Object = dict[str, Any]
MIRROR = "kubernetes.io/config.mirror"
RESTRICTED = "node-restriction.kubernetes.io"
#: Labels of Kubernetes' own that a kubelet may give its node.
KUBELET_LABELS = frozenset(
    (
        *("kubernetes.io/hostname", "kubernetes.io/arch", "kubernetes.io/os"),
        *("beta.kubernetes.io/arch", "beta.kubernetes.io/os", "beta.kubernetes.io/instance-type"),
        *("node.kubernetes.io/instance-type", "node.kubernetes.io/windows-build"),
        *("topology.kubernetes.io/region", "topology.kubernetes.io/zone"),
        *("failure-domain.beta.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone"),
    )
)
KUBELET_NAMESPACES = ("kubelet.kubernetes.io", "node.kubernetes.io")
#: Set by `kubeadm init` with an administrator's rights; here the kubelet brings it along when it registers.
REGISTERED_LABELS = frozenset(("node-role.kubernetes.io/control-plane",))

_Refuse = Callable[[str], status.APIError]


class NodeRestriction:
    """What the kubelet of `node` may do."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def create_pod(self, node: str, pod: Object) -> None:
        """A kubelet may create mirrors of its own static pods and nothing else."""
        refuse = _refusal("pods", pod["metadata"].get("name", ""))
        if MIRROR not in (pod["metadata"].get("annotations") or {}):
            raise refuse(
                f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods'
            )
        if pod["spec"].get("nodeName") != node:
            raise refuse(f'node "{node}" can only create pods with spec.nodeName set to itself')
        owners = pod["metadata"].get("ownerReferences") or []
        if len(owners) > 1:
            raise refuse(f'node "{node}" can only create pods with a single owner reference set to itself')
        owner = owners[0] if owners else {}
        if (owner.get("apiVersion"), owner.get("kind"), owner.get("name")) != ("v1", "Node", node):
            raise refuse(f'node "{node}" can only create pods with an owner reference set to itself')
        if not owner.get("controller"):
            raise refuse(
                f'node "{node}" can only create pods with a controller owner reference set to itself'
            )
        if owner.get("blockOwnerDeletion"):
            raise refuse(f'node "{node}" must not set blockOwnerDeletion on an owner reference')
        uid = (await self._existing("nodes", "", node))["metadata"]["uid"]
        if owner.get("uid") != uid:
            raise refuse(f"node {node} UID mismatch: expected {owner.get('uid')} got {uid}")
        if kind := api_reference(pod["spec"]):
            raise refuse(f'node "{node}" can not create pods that reference {kind}')

    async def create_token(self, node: str, namespace: str, account: str, spec: Object) -> None:
        """A kubelet gets tokens for pods that run on it, for audiences that those name."""
        refuse = _refusal("serviceaccounts", account)
        bound = spec.get("boundObjectRef") or {}
        if (bound.get("apiVersion"), bound.get("kind")) != ("v1", "Pod") or not bound.get("name"):
            raise refuse("node requested token not bound to a pod")
        if not bound.get("uid"):
            raise refuse("node requested token with a pod binding without a uid")
        found = await self._storage.get(core("pods").key(namespace, bound["name"]))
        if found is None:
            raise status.not_found("", "pod", bound["name"])
        pod = found.object
        if bound["uid"] != pod["metadata"]["uid"]:
            raise refuse(
                f"the UID in the bound object reference ({bound['uid']}) does not match the UID in record. "
                "The object might have been deleted and then recreated"
            )
        if pod["spec"].get("nodeName") != node:
            raise refuse("node requested token bound to a pod scheduled on a different node")
        named = _token_audiences(pod)
        for audience in spec.get("audiences") or [""]:
            if audience not in named:
                raise refuse(
                    f'audience "{audience}" not found in pod spec volume, system:node:{node} is not '
                    "authorized to request tokens for this audience"
                )

    async def evict_pod(self, node: str, namespace: str, name: str) -> None:
        """A kubelet may ask its own pods to go."""
        pod = await self._existing("pods", namespace, name)
        if pod["spec"].get("nodeName") != node:
            raise _refusal("pods", name)(f"node {node} can only evict pods with spec.nodeName set to itself")

    def update_pod_status(self, node: str, new: Object, old: Object) -> None:
        """What runs is told by who runs it."""
        refuse = _refusal("pods", old["metadata"]["name"])
        if old["spec"].get("nodeName") != node:
            raise refuse(
                f'node "{node}" can only update pod status for pods with spec.nodeName set to itself'
            )
        if _labels(new) != _labels(old):
            raise refuse(f'node "{node}" cannot update labels through pod status')
        claims = "resourceClaimStatuses"
        if (new.get("status") or {}).get(claims) != (old.get("status") or {}).get(claims):
            raise refuse(f'node "{node}" cannot update resource claim statues')

    def delete_pod(self, node: str, pod: Object) -> None:
        """Gone from the node, gone from the API."""
        if pod["spec"].get("nodeName") != node:
            raise _refusal("pods", pod["metadata"]["name"])(
                f'node "{node}" can only delete pods with spec.nodeName set to itself'
            )

    def create_node(self, node: str, obj: Object) -> None:
        """A kubelet registers its node."""
        refuse = _refusal("nodes", obj["metadata"].get("name", ""))
        if forbidden := _forbidden_labels(set(_labels(obj)) - REGISTERED_LABELS):
            raise refuse(f'node "{node}" is not allowed to set the following labels: {", ".join(forbidden)}')
        _own(node, obj["metadata"].get("name", ""))

    def update_node(self, node: str, new: Object, old: Object) -> None:
        """A kubelet tells what its node is like; taints and restricted labels are others'."""
        name = old["metadata"]["name"]
        refuse = _refusal("nodes", name)
        _own(node, name)
        if (new["spec"].get("taints") or []) != (old["spec"].get("taints") or []):
            raise refuse(f'node "{node}" is not allowed to modify taints')
        before, after = _labels(old), _labels(new)
        changed = {key for key in (*before, *after) if before.get(key) != after.get(key)}
        if forbidden := _forbidden_labels(changed):
            raise refuse(f"is not allowed to modify labels: {', '.join(forbidden)}")
        owners = "ownerReferences"
        if (new["metadata"].get(owners) or []) != (old["metadata"].get(owners) or []):
            raise refuse(f'node "{node}" is not allowed to modify ownerReferences')

    def write_lease(self, node: str, lease: Object) -> None:
        """The heartbeat is the node's own."""
        metadata = lease["metadata"]
        refuse = _refusal("leases", metadata.get("name", ""), "coordination.k8s.io")
        if metadata.get("namespace") != "kube-node-lease":
            raise refuse('can only access leases in the "kube-node-lease" system namespace')
        if metadata.get("name") != node:
            raise refuse("can only access node lease with the same name as the requesting node")

    def create_csi_node(self, node: str, obj: Object) -> None:
        """What a node's storage drivers are is told by the node."""
        name = obj["metadata"].get("name", "")
        if name != node:
            why = "can only access CSINode with the same name as the requesting node"
            raise _refusal("csinodes", name, "storage.k8s.io")(why)

    async def _existing(self, plural: str, namespace: str, name: str) -> Object:
        found = await self._storage.get(core(plural).key(namespace, name))
        if found is None:
            raise status.not_found("", plural, name)
        return found.object


def _refusal(plural: str, name: str, group: str = "") -> _Refuse:
    return lambda why: status.forbidden(group, plural, name, why)


def _own(node: str, name: str) -> None:
    if name != node:
        raise _refusal("nodes", name)(f'node "{node}" is not allowed to modify node "{name}"')


def _token_audiences(pod: Object) -> set[str]:
    """Whom the tokens in a pod's volumes are for; "" is the API server."""
    return {
        source["serviceAccountToken"].get("audience", "")
        for volume in pod["spec"].get("volumes") or []
        for source in (volume.get("projected") or {}).get("sources") or []
        if source.get("serviceAccountToken") is not None
    }


def _labels(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def _forbidden_labels(keys: set[str]) -> list[str]:
    return sorted(key for key in keys if _is_forbidden(key))


def _is_forbidden(key: str) -> bool:
    namespace = key.rpartition("/")[0]

    def within(*domains: str) -> bool:
        return any(namespace == domain or namespace.endswith(f".{domain}") for domain in domains)

    if within(RESTRICTED):
        return True
    kubernetes = within("kubernetes.io", "k8s.io")
    return kubernetes and key not in KUBELET_LABELS and not within(*KUBELET_NAMESPACES)
