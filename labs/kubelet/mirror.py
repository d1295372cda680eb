"""Mirror pods: the read-only reflections of static pods in the API (`pkg/kubelet/pod/mirror_client.go`).

What happens when a mirror is deleted, edited, refused or outlived is all in this file:

* deleted gracefully: the watch shows its deletionTimestamp; it is force-deleted, and made anew at once;
* force-deleted: nothing tells the kubelet to act; the pod's next sync (60-90 s) makes it anew;
* edited: stays as edited; only name, namespace and `config.mirror` are compared;
* refused by the API: logged, tried again at the next sync, the pod runs on;
* its pod is gone: deleted by housekeeping once the pod has stopped.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Set
from typing import Any, Protocol

from labs.kubelet import klog
from labs.kubelet.api_client import ApiError
from labs.kubelet.pod.identity import MIRROR_ANNOTATION
from labs.kubelet.pod.model import Pod

Json = dict[str, Any]
#: How many deletions are remembered.
TAKEN = 1000


class Api(Protocol):
    """What mirrors need of the API."""

    async def request(self, method: str, path: str, body: object = None, content_type: str = "") -> Json: ...


def mirror_of(pod: Pod, node_name: str, node_uid: str) -> Json:
    """The object that is sent to the API for a static pod."""
    metadata = pod.object["metadata"]
    annotations = {**metadata.get("annotations", {}), MIRROR_ANNOTATION: pod.config_hash}
    owner = {"apiVersion": "v1", "kind": "Node", "name": node_name, "uid": node_uid, "controller": True}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**metadata, "annotations": annotations, "ownerReferences": [owner]},
        "spec": pod.object["spec"],
        "status": {"phase": "Pending"},
    }


def is_mirror(obj: Mapping[str, Any]) -> bool:
    return MIRROR_ANNOTATION in (obj["metadata"].get("annotations") or {})


def full_name(obj: Mapping[str, Any]) -> str:
    """`name_namespace` of an API object."""
    return f"{obj['metadata']['name']}_{obj['metadata']['namespace']}"


def is_mirror_of(obj: Mapping[str, Any], pod: Pod) -> bool:
    """`IsMirrorPodOf`: name, namespace and hash; nothing else counts."""
    annotations = obj["metadata"].get("annotations") or {}
    return full_name(obj) == pod.full_name and annotations.get(MIRROR_ANNOTATION) == pod.config_hash


class Mirrors:
    """The node's mirror pods, as last seen, and the calls that make and remove them."""

    def __init__(self, api: Api, node_name: str, changed: Callable[[str], None]) -> None:
        self._api = api
        self._node_name = node_name
        self._node_uid = ""
        #: Called with the full name when a mirror that a static pod may care about changed.
        self._changed = changed
        self._known: dict[str, Json] = {}
        #: UIDs of objects that were deleted here, lately.
        self._taken: deque[str] = deque(maxlen=TAKEN)
        self._locks: dict[str, asyncio.Lock] = {}

    def node_is(self, uid: str) -> None:
        """The node's UID in the API; empty while it is not registered."""
        self._node_uid = uid

    def get(self, pod: Pod) -> Json | None:
        """The pod's mirror, unless it is another pod's or going away."""
        mirror = self._known.get(pod.full_name)
        if mirror is None or not is_mirror_of(mirror, pod) or "deletionTimestamp" in mirror["metadata"]:
            return None
        return mirror

    def outdated(self, pod: Pod) -> bool:
        """Whether the API shows something else under this pod's name."""
        mirror = self._known.get(pod.full_name)
        return mirror is not None and not is_mirror_of(mirror, pod)

    def remember(self, obj: Json) -> None:
        """An answer of the API that is newer than what the watch has shown."""
        self._known[full_name(obj)] = obj

    def on_event(self, kind: str, obj: Json) -> None:
        """One event of the watch over this node's pods."""
        if not is_mirror(obj):
            return
        name = full_name(obj)
        known = self._known.get(name)
        if kind == "DELETED":
            self._forget(obj)
            return
        if known is not None and resource_version(known) > resource_version(obj):
            return
        self._known[name] = obj
        self._changed(name)

    def seen(self, pod: Pod) -> Json | None:
        """Whatever the API shows under this pod's name, as far as the watch has told."""
        return self._known.get(pod.full_name)

    async def reconcile(self, pod: Pod, seen: Json | None) -> bool:
        """Make the API show this pod; True when a mirror was created now.

        `seen` is what was there when this became due. It decides even when it has gone meanwhile: so a
        forced delete, which the watch shows as a mark and a removal, is answered to its mark.
        """
        async with self._locks.setdefault(pod.full_name, asyncio.Lock()):
            mirror = self._known.get(pod.full_name, seen)
            if mirror is not None and mirror["metadata"]["uid"] in self._taken:
                mirror = None
            if mirror is None:
                if await self._create(pod):
                    return True
                # after a restart the watch may show another pod's mirror only while this one is asked for
                mirror = self._known.get(pod.full_name)
                if mirror is None:
                    return False
            if is_mirror_of(mirror, pod) and "deletionTimestamp" not in mirror["metadata"]:
                return False
            uid = mirror["metadata"]["uid"]
            klog.info("kubelet.go:3497", "Trying to delete pod", pod=pod.ref, podUID=uid)
            if not await self._delete(mirror):
                return False
            klog.info("kubelet.go:3503", "Deleted mirror pod as it didn't match the static Pod", pod=pod.ref)
            return await self._create(pod)

    async def _create(self, pod: Pod) -> bool:
        if not self._node_uid:
            why = f'node "{self._node_name}" not found'
            message = "No need to create a mirror pod, since failed to get node info from the cluster"
            klog.error("kubelet.go:3510", message, why, node=self._node_name)
            return False
        klog.info("kubelet.go:3514", "Creating a mirror pod for static pod", pod=pod.ref)
        body = mirror_of(pod, self._node_name, self._node_uid)
        try:
            created = await self._api.request("POST", f"/api/v1/namespaces/{pod.namespace}/pods", body)
        except ApiError as error:
            klog.error("kubelet.go:3516", "Failed creating a mirror pod", error, pod=pod.ref)
            return False
        self._known[pod.full_name] = created
        return True

    async def _delete(self, mirror: Json) -> bool:
        """Force-delete exactly this object; True when that was done here.

        An object that somebody else's forced delete has taken meanwhile counts as not done, as upstream:
        the mirror is then missed only at the pod's next sync.
        """
        metadata = mirror["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        options = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": metadata["uid"]},
        }
        try:
            await self._api.request("DELETE", path, options)
        except ApiError as error:
            if error.status not in (404, 409):
                where = f"{metadata['namespace']}/{metadata['name']}"
                klog.error("mirror_client.go:139", "Failed deleting a mirror pod", error, pod=where)
                return False
            self._forget(mirror)
            return False
        self._forget(mirror)
        self._taken.append(metadata["uid"])
        return True

    def _forget(self, mirror: Json) -> None:
        known = self._known.get(full_name(mirror))
        if known is not None and known["metadata"]["uid"] == mirror["metadata"]["uid"]:
            del self._known[full_name(mirror)]

    async def remove_orphans(self, wanted: Callable[[], Set[str]]) -> None:
        """Delete every mirror whose pod is neither configured nor still stopping, as `wanted` tells."""
        for name in self._known.keys() - wanted():
            mirror = self._known.get(name)
            if mirror is not None and name not in wanted():
                async with self._locks.setdefault(name, asyncio.Lock()):
                    await self._delete(mirror)
        names = wanted()
        self._locks = {
            n: lock for n, lock in self._locks.items() if lock.locked() or n in self._known or n in names
        }


def resource_version(obj: Mapping[str, Any]) -> int:
    """Which of two states of an object is the later one; 0 where it says nothing."""
    version = obj["metadata"].get("resourceVersion") or ""
    return int(version) if version.isdigit() else 0
