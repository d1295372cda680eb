"""The API source: the pods that are bound to this node, mirrors aside (`pkg/kubelet/config/apiserver.go`).

Fed by the watch of the node's pods. Nothing is published before the first complete list, so that a kubelet
that has just started does not take a pod it has not heard of yet for one that is gone; while the API server
is away the last list stands.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from labs.core.defaults import default_pod
from labs.kubelet import klog
from labs.kubelet.mirror import resource_version
from labs.kubelet.pod.errors import ManifestError
from labs.kubelet.pod.model import Pod
from labs.kubelet.pod.schema import conform

Json = dict[str, Any]


def pod_from_api(obj: Mapping[str, Any]) -> Pod:
    """The pod an API object describes, fields this kubelet does not know left out. Raises ManifestError."""
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    pod = {"apiVersion": "v1", "kind": "Pod"} | conform(deepcopy({**obj, "metadata": metadata}), "Pod")
    default_pod(pod)
    return Pod.of(pod)


class ApiSource:
    """This node's API pods, as last seen; calls `publish` with all of them."""

    def __init__(self, publish: Callable[[list[Pod]], None], shown: Callable[[str], None]) -> None:
        self._publish = publish
        #: Called with the UID when the API shows something new of a pod, its status included.
        self._shown = shown
        self._objects: dict[str, Json] = {}
        self._pods: dict[str, Pod] = {}
        self._complete = False

    def listed(self) -> None:
        """Every pod of the API has been told of."""
        if not self._complete:
            self._complete = True
            self._publish(list(self._pods.values()))

    def on_event(self, kind: str, obj: Json) -> None:
        """One event of the watch over this node's pods that are no mirrors."""
        uid = obj["metadata"]["uid"]
        if kind == "DELETED":
            self._objects.pop(uid, None)
            self._tell(uid, self._pods.pop(uid, None) is not None)
        else:
            self._tell(uid, self._take(uid, obj))

    def _tell(self, uid: str, changed: bool) -> None:
        if changed and self._complete:
            self._publish(list(self._pods.values()))
        self._shown(uid)

    def _take(self, uid: str, obj: Json) -> bool:
        """Keep an object; whether it asks for something else than before."""
        before = self._objects.get(uid)
        if before is not None and resource_version(before) > resource_version(obj):
            return False
        self._objects[uid] = obj
        if before is not None and _wish(before) == _wish(obj):
            return False
        try:
            self._pods[uid] = pod_from_api(obj)
        except ManifestError as error:
            name = f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"
            klog.error("config.go:269", "Pod of the API cannot be read, ignoring", error, pod=name)
            return self._pods.pop(uid, None) is not None
        return True

    def get(self, pod: Pod) -> Json | None:
        """The API's object of this pod, as last seen."""
        return self._objects.get(pod.uid)

    def remember(self, obj: Json) -> None:
        """The server's answer to a change of ours, unless the watch has told of something newer."""
        uid = obj["metadata"]["uid"]
        before = self._objects.get(uid)
        if before is not None and resource_version(before) <= resource_version(obj):
            self._tell(uid, self._take(uid, obj))


def _wish(obj: Mapping[str, Any]) -> tuple[object, ...]:
    """What makes the kubelet act: everything but the status and the API's bookkeeping."""
    metadata = obj["metadata"]
    names = ("labels", "annotations", "deletionTimestamp", "deletionGracePeriodSeconds")
    return obj.get("spec"), *(metadata.get(name) for name in names)
