"""Collects what has lost its owners (`pkg/controller/garbagecollector/garbagecollector.go`)."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from labs.controlplane import klog
from labs.controlplane.client import (
    STRATEGIC_MERGE_PATCH,
    ApiError,
    Handler,
    Informer,
    Resource,
)
from labs.controlplane.client.events import WARNING

from ..context import ControllerContext
from ..controller import Controller
from ..discovery import discover
from ..objects import Object, uid_of
from .decisions import Delete, Owner, Release, decide
from .graph import FOREGROUND, ORPHAN, Graph, Node, Reference, Work

#: Kinds that nobody owns and that come and go by themselves (`DefaultIgnoredResources`).
IGNORED = frozenset((("", "events"), ("events.k8s.io", "events")))
#: How often new kinds are looked for.
DISCOVERY_SECONDS = 30.0
#: How often a finalizer is tried to be taken off an object that others write, too (`retry.DefaultBackoff`).
CONFLICTS = 5
_DELETES = "delete:"
_ORPHANS = "orphan:"


class GarbageCollector(Controller):
    """The loop; keys are UIDs of objects that may have to go, or of owners whose dependents are let go."""

    name = "garbage-collector-controller"
    account = "generic-garbage-collector"
    source = "garbagecollector.go:412"
    started = ("garbagecollector.go:141", '"Starting controller" controller="garbagecollector"')
    workers = 20

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._graph = Graph()
        self._resources: dict[tuple[str, str], Resource] = {}
        self._recorder = context.recorder.named("garbage-collector-controller")

    async def run(self) -> None:
        """Follow all kinds and collect."""
        await self.start()
        while not self._resources:
            try:
                await self._monitor()
            except ApiError as error:
                klog.error("garbagecollector.go:161", "Unhandled Error", err=error, logger="UnhandledError")
                await asyncio.sleep(1.0)
        klog.info("garbagecollector.go:166", '"Garbage collector: all resource monitors have synced"')
        klog.info("garbagecollector.go:169", '"Proceeding to collect garbage"')
        async with asyncio.TaskGroup() as group:
            group.create_task(self._discover_for_ever())
            group.create_task(self.queue.work(self.sync, self.complain, self.workers))

    async def _discover_for_ever(self) -> None:
        while True:
            await asyncio.sleep(DISCOVERY_SECONDS)
            try:
                await self._monitor()
            except ApiError as error:
                klog.error("garbagecollector.go:183", "Unhandled Error", err=error, logger="UnhandledError")

    async def _monitor(self) -> None:
        """Watch the kinds that are new, and wait until they are known."""
        new: list[Informer] = []
        for found in await discover(self.client):
            resource = found.resource
            about = (resource.api_version, resource.kind)
            wanted = {"delete", "list", "watch"} <= found.verbs
            if wanted and about not in self._resources and (resource.group, resource.plural) not in IGNORED:
                informer = self.context.informers.of(resource)
                informer.subscribe(
                    Handler(partial(self._see, resource), partial(self._see_again, resource), self._forget)
                )
                self._resources[about] = resource
                new.append(informer)
        self.context.informers.start()
        for informer in new:
            await informer.wait()

    # -- what happened
    def _see(self, resource: Resource, obj: Object) -> None:
        self._put(self._graph.observe(obj, resource.api_version, resource.kind))

    def _see_again(self, resource: Resource, _: Object, obj: Object) -> None:
        self._see(resource, obj)

    def _forget(self, obj: Object) -> None:
        self._put(self._graph.forget(uid_of(obj)))

    def _put(self, work: Work) -> None:
        for uid in work.orphan:
            self.queue.add(_ORPHANS + uid)
        for uid in work.delete:
            self.queue.add(_DELETES + uid)

    def complain(self, key: str, error: Exception) -> None:
        """In the words of `attemptToDeleteWorker`."""
        node = self._graph.get(key.partition(":")[2])
        if node is None:
            return
        r = node.reference
        item = f"[{r.api_version}/{r.kind}, namespace: {r.namespace}, name: {r.name}, uid: {r.uid}]"
        klog.error(
            self.source, "Unhandled Error", err=f"error syncing item {item}: {error}", logger="UnhandledError"
        )

    # -- what to do
    async def sync(self, key: str) -> None:
        uid = key.partition(":")[2]
        node = self._graph.get(uid)
        if node is None:
            return
        if key.startswith(_ORPHANS):
            await self._orphan(node)
        else:
            await self._attempt(node)

    async def _attempt(self, node: Node) -> None:
        """Delete an object if its owners are gone (`attemptToDeleteItem`)."""
        uid = node.reference.uid
        if node.going and not node.deletes_dependents:
            return
        latest = await self._get(node.reference)
        if latest is None or uid_of(latest) != uid:
            self._put(self._graph.forget(uid))
            return
        if node.deletes_dependents:
            await self._wait_for_dependents(node, latest)
            return
        references = latest["metadata"].get("ownerReferences") or []
        owners = {owner["uid"]: await self._standing(node, owner) for owner in references}
        dependents = self._graph.dependents(node)
        match decide(latest, owners, [dependent.deletes_dependents for dependent in dependents]):
            case Release(uids):
                kept = [{"$patch": "delete", "uid": owner} for owner in uids]
                await self._patch(node.reference, {"metadata": {"uid": uid, "ownerReferences": kept}})
            case Delete(policy, unblock):
                if unblock:
                    await self._unblock(latest, node.reference)
                await self._delete(latest, node.reference, policy)

    async def _standing(self, node: Node, owner: Object) -> Owner:
        """Whether an owner is there; the graph knows those that it sees, the API server all."""
        known = self._graph.get(owner["uid"])
        if known is not None and known.seen:
            if known.reference.namespace not in ("", node.reference.namespace):
                self._complain_of_namespace(node, owner)
                return Owner.DANGLING
            blocks = bool(owner.get("blockOwnerDeletion"))
            return Owner.WAITING if known.deletes_dependents and blocks else Owner.SOLID
        resource = self._resources.get((owner["apiVersion"], owner["kind"]))
        if resource is None:
            raise ApiError(0, f"unable to get REST mapping for {owner['apiVersion']}/{owner['kind']}.")
        if resource.namespaced and not node.reference.namespace:
            self._complain_of_namespace(node, owner)
            return Owner.DANGLING
        reference = Reference(
            owner["apiVersion"], owner["kind"], node.reference.namespace, owner["name"], owner["uid"]
        )
        found = await self._get(reference)
        if found is None or uid_of(found) != owner["uid"]:
            return Owner.DANGLING
        going = "deletionTimestamp" in found["metadata"]
        waits = going and FOREGROUND in (found["metadata"].get("finalizers") or [])
        return Owner.WAITING if waits and owner.get("blockOwnerDeletion") else Owner.SOLID

    def _complain_of_namespace(self, node: Node, owner: Object) -> None:
        """Owners are looked for in the dependent's own namespace only."""
        reference = node.reference
        involved: Object = {
            "apiVersion": reference.api_version,
            "kind": reference.kind,
            "metadata": {"name": reference.name, "namespace": reference.namespace, "uid": reference.uid},
        }
        where = (
            f"in namespace {reference.namespace!r}".replace("'", '"')
            if reference.namespace
            else "cluster-scoped"
        )
        name = (
            f"{owner['apiVersion']}/{owner['kind']}, namespace: {reference.namespace}, name: {owner['name']}"
        )
        text = f"ownerRef [{name}, uid: {owner['uid']}] does not exist {where}"
        self._recorder.event(involved, WARNING, "OwnerRefInvalidNamespace", text)

    async def _wait_for_dependents(self, node: Node, latest: Object) -> None:
        """Foreground deletion: dependents that block go first, then the finalizer."""
        blocking = self._graph.blocking(node)
        if not blocking:
            await self._remove_finalizer(node.reference, latest, FOREGROUND)
            return
        for dependent in blocking:
            if not dependent.going:
                self.queue.add(_DELETES + dependent.reference.uid)

    async def _orphan(self, owner: Node) -> None:
        """Let all dependents go, then the owner itself (`attemptToOrphanWorker`)."""
        uid = owner.reference.uid
        for dependent in self._graph.dependents(owner):
            gone = [{"$patch": "delete", "uid": uid}]
            patch = {"metadata": {"uid": dependent.reference.uid, "ownerReferences": gone}}
            await self._patch(dependent.reference, patch)
        latest = await self._get(owner.reference)
        if latest is not None and uid_of(latest) == uid:
            await self._remove_finalizer(owner.reference, latest, ORPHAN)

    # -- requests
    def _resource(self, reference: Reference) -> Resource:
        resource = self._resources.get((reference.api_version, reference.kind))
        if resource is None:
            raise ApiError(0, f"unable to get REST mapping for {reference.api_version}/{reference.kind}.")
        return resource

    async def _get(self, reference: Reference) -> Object | None:
        resource = self._resource(reference)
        namespace = reference.namespace if resource.namespaced else ""
        try:
            return await self.client.get(resource, namespace, reference.name)
        except ApiError as error:
            if error.not_found:
                return None
            raise

    async def _patch(self, reference: Reference, patch: dict[str, Any]) -> None:
        try:
            await self.client.patch(
                self._resource(reference),
                reference.namespace,
                reference.name,
                patch,
                kind=STRATEGIC_MERGE_PATCH,
            )
        except ApiError as error:
            if not error.not_found:
                raise

    async def _unblock(self, latest: Object, reference: Reference) -> None:
        owners = latest["metadata"].get("ownerReferences") or []
        freed = [{"uid": owner["uid"], "blockOwnerDeletion": False} for owner in owners]
        await self._patch(reference, {"metadata": {"uid": reference.uid, "ownerReferences": freed}})

    async def _remove_finalizer(self, reference: Reference, obj: Object, finalizer: str) -> None:
        """Take a finalizer off; whoever writes the object meanwhile is let go first."""
        latest: Object | None = obj
        for left in reversed(range(CONFLICTS)):
            if latest is None or uid_of(latest) != reference.uid:
                return
            finalizers = [name for name in latest["metadata"].get("finalizers") or [] if name != finalizer]
            metadata = {
                "resourceVersion": latest["metadata"]["resourceVersion"],
                "$setElementOrder/finalizers": finalizers,
                "$deleteFromPrimitiveList/finalizers": [finalizer],
            }
            try:
                await self._patch(reference, {"metadata": metadata})
            except ApiError as error:
                if not error.conflict or not left:
                    raise
                latest = await self._get(reference)
            else:
                return

    async def _delete(self, latest: Object, reference: Reference, policy: str) -> None:
        wanted = {"uid": reference.uid}
        owners = latest["metadata"].get("ownerReferences") or []
        if not any(owner.get("blockOwnerDeletion") for owner in owners) or policy != "Foreground":
            # Whoever gives the object another owner meanwhile keeps it.
            wanted["resourceVersion"] = latest["metadata"]["resourceVersion"]
        options = {"preconditions": wanted, "propagationPolicy": policy}
        try:
            await self.client.delete(self._resource(reference), reference.namespace, reference.name, options)
        except ApiError as error:
            if error.not_found:
                self._put(self._graph.forget(reference.uid))
                return
            raise
