"""What happens to an object between a permitted request and validation; one function per plug-in of the
real server, in its order: NamespaceLifecycle, NodeRestriction, Priority, DefaultTolerationSeconds."""

from __future__ import annotations

from typing import Any

from . import status
from .context import Context
from .resources import Resource, core
from .storage import Storage
from .strategies import service_address
from .validation.references import api_reference

Object = dict[str, Any]
MIRROR = "kubernetes.io/config.mirror"
IMMORTAL_NAMESPACES = frozenset(("default", "kube-system", "kube-public"))
TOLERATION_SECONDS = 300


class Admission:
    """The chain; refusals are raised."""

    def __init__(self, storage: Storage, service_range: str) -> None:
        self._storage = storage
        self._service_range = service_range

    async def create(self, ctx: Context, resource: Resource, obj: Object) -> None:
        """A new object: may be changed in place."""
        await self._namespace_exists(resource, obj)
        if resource.plural == "pods":
            if ctx.user.node:
                await self._node_creates_pod(ctx.user.node, obj)
            await self._priority(obj)
            _tolerate_short_outages(obj)
        elif resource.plural == "nodes" and ctx.user.node:
            _only_own_node(ctx.user.node, obj["metadata"]["name"], "create")
        elif resource.plural == "services":
            await self._cluster_address(obj)

    async def update(
        self, ctx: Context, resource: Resource, new: Object, old: Object, subresource: str
    ) -> None:
        """A change: `new` may be changed in place."""
        node = ctx.user.node
        if not node:
            return
        if resource.plural == "nodes":
            _only_own_node(node, old["metadata"]["name"], "modify")
        elif resource.plural == "pods" and subresource == "status":
            _node_updates_status(node, new, old)

    async def delete(self, ctx: Context, resource: Resource, name: str, old: Object | None) -> None:
        """A removal."""
        if resource.plural == "namespaces" and name in IMMORTAL_NAMESPACES:
            raise status.forbidden("", "namespaces", name, "this namespace may not be deleted")
        node = ctx.user.node
        if node and resource.plural == "pods" and old is not None and old["spec"].get("nodeName") != node:
            why = f'node "{node}" can only delete pods with spec.nodeName set to itself'
            raise status.forbidden("", "pods", name, why)

    async def _namespace_exists(self, resource: Resource, obj: Object) -> None:
        """NamespaceLifecycle: nothing is created in a namespace that is missing or going."""
        if not resource.namespaced:
            return
        namespace = obj["metadata"]["namespace"]
        found = await self._storage.get(core("namespaces").key("", namespace))
        if found is None:
            raise status.not_found("", "namespaces", namespace)
        if "deletionTimestamp" in found.object["metadata"]:
            name = obj["metadata"].get("name", "")
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            refusal = status.forbidden(resource.group, resource.plural, name, why)
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {namespace} is being terminated",
                "field": "metadata.namespace",
            }
            refusal.details = {**(refusal.details or {}), "causes": [cause]}
            raise refusal

    async def _node_creates_pod(self, node: str, pod: Object) -> None:
        """NodeRestriction: a kubelet may create mirrors of its own static pods and nothing else."""
        name = pod["metadata"].get("name", "")

        def refuse(why: str) -> status.APIError:
            return status.forbidden("", "pods", name, why)

        if MIRROR not in (pod["metadata"].get("annotations") or {}):
            raise refuse(
                f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods'
            )
        if pod["spec"].get("nodeName") != node:
            raise refuse(f'node "{node}" can only create pods with spec.nodeName set to itself')
        owners = pod["metadata"].get("ownerReferences") or []
        if len(owners) != 1:
            raise refuse(f'node "{node}" can only create pods with a single owner reference set to itself')
        owner = owners[0]
        if (owner.get("apiVersion"), owner.get("kind"), owner.get("name")) != ("v1", "Node", node):
            raise refuse(f'node "{node}" can only create pods with an owner reference set to itself')
        if not owner.get("controller"):
            raise refuse(
                f'node "{node}" can only create pods with a controller owner reference set to itself'
            )
        if owner.get("blockOwnerDeletion"):
            raise refuse(f'node "{node}" must not set blockOwnerDeletion on an owner reference')
        found = await self._storage.get(core("nodes").key("", node))
        if found is None:
            raise status.not_found("", "nodes", node)
        uid = found.object["metadata"]["uid"]
        if owner.get("uid") != uid:
            raise refuse(f"node {node} UID mismatch: expected {owner.get('uid')} got {uid}")
        if kind := api_reference(pod["spec"]):
            raise refuse(f'node "{node}" can not create pods that reference {kind}')

    async def _priority(self, pod: Object) -> None:
        """Priority: the class's number goes into the pod."""
        spec = pod["spec"]
        value, policy = 0, "PreemptLowerPriority"
        if class_name := spec.get("priorityClassName"):
            found = await self._storage.get(f"/registry/priorityclasses/{class_name}")
            if found is None:
                why = f"no PriorityClass with name {class_name} was found"
                raise status.forbidden("", "pods", pod["metadata"].get("name", ""), why)
            value, policy = found.object["value"], found.object.get("preemptionPolicy", policy)
        if spec.get("priority") not in (None, value):
            why = (
                f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; "
                "priority "
                f"admission controller computed {value} from the given PriorityClass name"
            )
            raise status.forbidden("", "pods", pod["metadata"].get("name", ""), why)
        spec["priority"] = value
        spec["preemptionPolicy"] = policy

    async def _cluster_address(self, service: Object) -> None:
        """Give a service its address: the first of the range that no other has."""
        spec = service["spec"]
        if spec.get("clusterIP") or spec["type"] == "ExternalName":
            return
        page = await self._storage.list(core("services").key_prefix(""))
        taken = {stored.object["spec"].get("clusterIP", "") for stored in page.items}
        spec["clusterIP"] = service_address(self._service_range, taken)


def _tolerate_short_outages(pod: Object) -> None:
    """DefaultTolerationSeconds: a node may be gone for five minutes before its pods are."""
    tolerations = pod["spec"].get("tolerations") or []
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(
            t.get("key", "") in (key, "") and t.get("effect", "") in ("NoExecute", "") for t in tolerations
        ):
            tolerations.append(
                {
                    "key": key,
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": TOLERATION_SECONDS,
                }
            )
    pod["spec"]["tolerations"] = tolerations


def _only_own_node(node: str, name: str, what: str) -> None:
    if name != node:
        why = f'node "{node}" is not allowed to {what} node "{name}"'
        raise status.forbidden("", "nodes", name, why)


def _node_updates_status(node: str, new: Object, old: Object) -> None:
    name = old["metadata"]["name"]
    if old["spec"].get("nodeName") != node:
        why = f'node "{node}" can only update pod status for pods with spec.nodeName set to itself'
        raise status.forbidden("", "pods", name, why)
    if (new["metadata"].get("labels") or {}) != (old["metadata"].get("labels") or {}):
        raise status.forbidden("", "pods", name, f'node "{node}" cannot update labels through pod status')
