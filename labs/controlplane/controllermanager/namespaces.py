"""What becomes of a namespace that is deleted: its contents go first, then its finalizer, then itself.

Mirrors `pkg/controller/namespace/deletion/namespaced_resources_deleter.go`.
"""

from __future__ import annotations

from labs.controlplane import klog
from labs.controlplane.client import ApiError, Handler, Resource

from .context import ControllerContext
from .controller import Controller
from .discovery import discover
from .kinds import NAMESPACES, PODS
from .objects import Object, is_going, key_of, parse_time, stamp

FINALIZER = "kubernetes"
#: Contents that are still going are looked at again after about half of the time they have.
SECONDS_WITHOUT_PODS = 5.0

_TYPES = {
    "NamespaceDeletionDiscoveryFailure": ("ResourcesDiscovered", "All resources successfully discovered"),
    "NamespaceDeletionGroupVersionParsingFailure": (
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    "NamespaceDeletionContentFailure": (
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    "NamespaceContentRemaining": ("ContentRemoved", "All content successfully removed"),
    "NamespaceFinalizersRemaining": ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
}


class NamespaceController(Controller):
    """The loop; keys are namespaces' names."""

    name = "namespace-controller"
    account = "namespace-controller"
    source = "namespace_controller.go:163"
    started = ("namespace_controller.go:202", '"Starting namespace controller"')
    workers = 10

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._namespaces = self.informer(NAMESPACES)
        self._namespaces.subscribe(Handler(self._look, lambda _, new: self._look(new)))

    def _look(self, namespace: Object) -> None:
        if is_going(namespace):
            self.queue.add(key_of(namespace))

    async def sync(self, key: str) -> None:
        known = self._namespaces.store.by_key(key)
        if known is None or not is_going(known):
            return
        try:
            namespace = await self.client.get(NAMESPACES, "", key)
        except ApiError as error:
            if error.not_found:
                return
            raise
        if not is_going(namespace) or FINALIZER not in (namespace["spec"].get("finalizers") or []):
            return
        remaining = await self._empty(namespace)
        if remaining is None:
            await self._finalize(namespace)
            klog.info("namespace_controller.go:187", "Namespace has been deleted", namespace=key)
        else:
            self.queue.add_after(key, remaining)

    async def _empty(self, namespace: Object) -> float | None:
        """Delete what is in the namespace; seconds until it is worth another look, None when it is empty."""
        name = namespace["metadata"]["name"]
        counts: dict[Resource, int] = {}
        finalizers: dict[str, int] = {}
        failures: list[str] = []
        pods: list[Object] = []
        for found in await discover(self.client):
            if not found.resource.namespaced or not {"delete", "list"} <= found.verbs:
                continue
            try:
                await self._delete_all(found.resource, name, collection="deletecollection" in found.verbs)
                left = (await self.client.list(found.resource, name)).get("items") or []
            except ApiError as error:
                if error.not_found:
                    continue
                failures.append(str(error))
                continue
            if left:
                counts[found.resource] = len(left)
            if found.resource == PODS:
                pods = left
            for obj in left:
                for finalizer in obj["metadata"].get("finalizers") or []:
                    finalizers[finalizer] = finalizers.get(finalizer, 0) + 1
        if failures or counts:
            await self._tell(namespace, failures, counts, finalizers)
        if failures:
            raise ApiError(0, failures[0])
        if not counts:
            return None
        longest = max((self._seconds_left(pod) for pod in pods), default=SECONDS_WITHOUT_PODS * 2 - 2)
        return longest / 2 + 1

    async def _delete_all(self, resource: Resource, namespace: str, *, collection: bool) -> None:
        options = {"propagationPolicy": "Background"}
        if collection:
            await self.client.request("DELETE", resource.path(namespace), options)
            return
        for obj in (await self.client.list(resource, namespace)).get("items") or []:
            await self.client.delete(resource, namespace, obj["metadata"]["name"], options)

    def _seconds_left(self, pod: Object) -> float:
        end = parse_time(pod["metadata"].get("deletionTimestamp"))
        return max((end - self.context.now()).total_seconds(), 0.0) if end else 0.0

    async def _tell(
        self,
        namespace: Object,
        failures: list[str],
        counts: dict[Resource, int],
        finalizers: dict[str, int],
    ) -> None:
        """Why the namespace is still there, as conditions that `kubectl get namespace -o yaml` shows."""
        said = {}
        if failures:
            text = "Failed to delete all resource types, "
            said["NamespaceDeletionContentFailure"] = (
                "ContentDeletionFailed",
                f"{text}{len(failures)} remaining: {', '.join(sorted(failures))}",
            )
        if counts:
            listed = sorted(f"{r.plural}.{r.group} has {n} resource instances" for r, n in counts.items())
            said["NamespaceContentRemaining"] = (
                "SomeResourcesRemain",
                f"Some resources are remaining: {', '.join(listed)}",
            )
        if finalizers:
            listed = sorted(f"{name} in {count} resource instances" for name, count in finalizers.items())
            said["NamespaceFinalizersRemaining"] = (
                "SomeFinalizersRemain",
                f"Some content in the namespace has finalizers remaining: {', '.join(listed)}",
            )
        status = namespace.get("status") or {}
        old = {condition["type"]: condition for condition in status.get("conditions") or []}
        conditions = []
        for kind, well in _TYPES.items():
            value, (reason, message) = ("True", said[kind]) if kind in said else ("False", well)
            before = old.get(kind, {})
            since = stamp(self.context.now())
            if before.get("status") == value:
                since = before["lastTransitionTime"]
            conditions.append(
                {
                    "type": kind,
                    "status": value,
                    "lastTransitionTime": since,
                    "reason": reason,
                    "message": message,
                }
            )
        if conditions != list(old.values()):
            new = {**namespace, "status": {**status, "conditions": conditions}}
            await self.client.update(NAMESPACES, new, subresource="status")

    async def _finalize(self, namespace: Object) -> None:
        latest = await self.client.get(NAMESPACES, "", namespace["metadata"]["name"])
        left = [name for name in latest["spec"].get("finalizers") or [] if name != FINALIZER]
        new = {**latest, "spec": {**latest["spec"], "finalizers": left}}
        try:
            await self.client.update(NAMESPACES, new, subresource="finalize")
        except ApiError as error:
            if not error.not_found:
                raise
