"""What happens to an object between a permitted request and validation, plug-in by plug-in:
NamespaceLifecycle, ServiceAccount, NodeRestriction, TaintNodesByCondition, Priority,
DefaultTolerationSeconds, RuntimeClass, CertificateSubjectRestriction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labs.controlplane.helpers.taints import NOT_READY

from .. import status
from ..allocation import Allocation
from ..authorization import Escalation
from ..context import Context
from ..resources import Resource, core
from ..storage import Storage
from ..watching import Hub
from . import _certificates, _runtime_class, _service_account
from ._lookups import Lookups
from ._node_restriction import MIRROR, NodeRestriction

Object = dict[str, Any]
IMMORTAL_NAMESPACES = frozenset(("default", "kube-system", "kube-public"))
RBAC = "rbac.authorization.k8s.io"
#: How long a pod waits for its namespace's own service account, as the real server looks for it ten times.
DEFAULT_ACCOUNT_SECONDS = 1.5


class Admission:
    """The chain; refusals are raised."""

    def __init__(
        self,
        storage: Storage,
        hub: Hub,
        escalation: Escalation,
        allocation: Allocation,
        tolerated: Mapping[str, int],
    ) -> None:
        """`tolerated`: for how many seconds pods that do not say stay on a node with each of these taints."""
        self._escalation = escalation
        #: Is fed by the server's informers.
        self.lookups = Lookups(storage)
        self._hub = hub
        self._allocation = allocation
        self._tolerated = tolerated
        self._node_restriction = NodeRestriction(storage)

    async def create(self, ctx: Context, resource: Resource, obj: Object) -> None:
        """A new object: may be changed in place."""
        node = ctx.user.node
        await self._namespace_exists(resource, obj)
        if resource.group == RBAC:
            self._escalation.check(ctx, resource.plural, obj, None)
        if resource.plural == "pods":
            if MIRROR in (obj["metadata"].get("annotations") or {}):
                _service_account.check_mirror(obj)
            else:
                await _service_account.admit(obj, self._account)
            if node:
                await self._node_restriction.create_pod(node, obj)
            await self._priority(obj)
            _tolerate_short_outages(obj, self._tolerated)
            wanted = obj["spec"].get("runtimeClassName")
            if wanted == "":
                raise status.APIError(500, "", "resource name may not be empty")
            _runtime_class.admit(obj, await self._runtime_class(wanted))
        elif resource.plural == "nodes":
            if node:
                self._node_restriction.create_node(node, obj)
            _taint_until_ready(obj)
        elif resource.plural == "certificatesigningrequests":
            _certificates.sign_off(obj, ctx.user)
        elif resource.plural == "leases" and node:
            self._node_restriction.write_lease(node, obj)
        elif resource.plural == "csinodes" and node:
            self._node_restriction.create_csi_node(node, obj)
        elif resource.plural == "services":
            await self._allocation.create(obj, dry_run=ctx.dry_run)

    async def created(self, resource: Resource, obj: Object) -> None:
        """A new object with nothing wrong in itself: what plug-ins refuse that only look."""
        if resource.plural == "pods":
            _runtime_class.check(obj, await self._runtime_class(obj["spec"].get("runtimeClassName")))
        elif resource.plural == "certificatesigningrequests":
            _certificates.check(obj)

    async def _runtime_class(self, name: str | None) -> Object | None:
        return await self.lookups.get(f"/registry/runtimeclasses/{name}") if name else None

    async def create_token(self, ctx: Context, spec: Object) -> None:
        """A request for an account's token."""
        if ctx.user.node:
            target = ctx.target
            await self._node_restriction.create_token(ctx.user.node, target.namespace, target.name, spec)

    async def evict(self, ctx: Context) -> None:
        """A request that a pod goes."""
        if ctx.user.node:
            await self._node_restriction.evict_pod(ctx.user.node, ctx.target.namespace, ctx.target.name)

    async def update(
        self, ctx: Context, resource: Resource, new: Object, old: Object, subresource: str
    ) -> None:
        """A change: `new` may be changed in place."""
        if resource.plural == "services" and not subresource:
            await self._allocation.update(new, old, dry_run=ctx.dry_run)
        if resource.group == RBAC:
            self._escalation.check(ctx, resource.plural, new, old)
        node = ctx.user.node
        if not node:
            return
        if resource.plural == "nodes":
            self._node_restriction.update_node(node, new, old)
        elif resource.plural == "pods" and subresource == "status":
            self._node_restriction.update_pod_status(node, new, old)
        elif resource.plural == "leases":
            self._node_restriction.write_lease(node, new)

    async def delete(self, ctx: Context, resource: Resource, name: str, old: Object | None) -> None:
        """A removal."""
        if resource.plural == "namespaces" and name in IMMORTAL_NAMESPACES:
            raise status.forbidden("", "namespaces", name, "this namespace may not be deleted")
        if ctx.user.node and resource.plural == "pods" and old is not None:
            self._node_restriction.delete_pod(ctx.user.node, old)

    async def _account(self, namespace: str, name: str) -> Object | None:
        """A service account; the one that every namespace gets may be still on its way."""
        resource = core("serviceaccounts")
        key = resource.key(namespace, name)
        found = await self.lookups.get(key)
        if found is None and name == "default":
            async with self._hub.subscribe(key, self._hub.revision) as (_, changes):
                found = await self.lookups.get(key)
                if found is None and await changes.take(DEFAULT_ACCOUNT_SECONDS):
                    found = await self.lookups.get(key)
        return found

    async def _namespace_exists(self, resource: Resource, obj: Object) -> None:
        """NamespaceLifecycle: nothing is created in a namespace that is missing or going."""
        if not resource.namespaced:
            return
        namespace = obj["metadata"]["namespace"]
        found = await self.lookups.get(core("namespaces").key("", namespace))
        if found is None:
            raise status.not_found("", "namespaces", namespace)
        if "deletionTimestamp" in found["metadata"]:
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

    async def _priority(self, pod: Object) -> None:
        """Priority: the class's number goes into the pod."""
        spec = pod["spec"]
        value, policy = 0, "PreemptLowerPriority"
        if class_name := spec.get("priorityClassName"):
            found = await self.lookups.get(f"/registry/priorityclasses/{class_name}")
            if found is None:
                why = f"no PriorityClass with name {class_name} was found"
                raise status.forbidden("", "pods", pod["metadata"].get("name", ""), why)
            value, policy = found["value"], found.get("preemptionPolicy", policy)
        if spec.get("priority") not in (None, value):
            why = (
                f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; "
                "priority "
                f"admission controller computed {value} from the given PriorityClass name"
            )
            raise status.forbidden("", "pods", pod["metadata"].get("name", ""), why)
        spec["priority"] = value
        if spec.get("preemptionPolicy") not in (None, policy):
            why = (
                f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in "
                f"pod spec; priority admission controller computed {policy} from the given PriorityClass name"
            )
            raise status.forbidden("", "pods", pod["metadata"].get("name", ""), why)
        spec["preemptionPolicy"] = policy


def _taint_until_ready(node: Object) -> None:
    """TaintNodesByCondition: nothing is put on a new node before a controller has seen it ready."""
    taint, taints = {"key": NOT_READY, "effect": "NoSchedule"}, node["spec"].get("taints") or []
    if not any(taint.items() <= other.items() for other in taints):
        node["spec"]["taints"] = [*taints, taint]


def _tolerate_short_outages(pod: Object, tolerated: Mapping[str, int]) -> None:
    """DefaultTolerationSeconds: a node may be gone for a while before its pods are."""
    tolerations = pod["spec"].get("tolerations") or []
    for key, seconds in tolerated.items():
        if not any(
            t.get("key", "") in (key, "") and t.get("effect", "") in ("NoExecute", "") for t in tolerations
        ):
            tolerations.append(
                {
                    "key": key,
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": seconds,
                }
            )
    pod["spec"]["tolerations"] = tolerations
