"""The scheduler's own picture of nodes and pods, ahead of the API by the pods it has just placed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from labs.controlplane.client import Informer

from . import events
from .nodeinfo import NodeInfo, PodInfo, Snapshot

Object = dict[str, Any]


def is_terminal(pod: Object) -> bool:
    """Whether the pod has ended: it needs no room any more."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


class Cache:
    """Nodes with their pods. `moved` is told of every change that may make room for somebody."""

    def __init__(self, nodes: Informer, namespaces: Informer, moved: Callable[[str], None]) -> None:
        self._nodes = nodes
        self._namespaces = namespaces
        self._moved = moved
        #: Pods that have a node, by UID.
        self._pods: dict[str, tuple[str, PodInfo]] = {}
        self._assumed: set[str] = set()

    def snapshot(self) -> Snapshot:
        """How things are now."""
        infos = {node["metadata"]["name"]: NodeInfo(node) for node in self._nodes.store}
        for uid, (name, pod) in self._pods.items():
            if name in infos:
                infos[name].pods[uid] = pod
        spaces = {
            space["metadata"]["name"]: space["metadata"].get("labels") or {}
            for space in self._namespaces.store
        }
        return Snapshot(infos, spaces)

    # -- pods
    def assume(self, pod: PodInfo, node: str) -> None:
        """The pod is on its way to a node."""
        self._pods[pod.uid] = (node, pod)
        self._assumed.add(pod.uid)

    def forget(self, pod: PodInfo) -> None:
        """The pod did not get to its node after all."""
        if pod.uid in self._assumed:
            self._assumed.discard(pod.uid)
            self._pods.pop(pod.uid, None)
            self._moved(events.POD_DELETED)

    def put(self, pod: Object) -> None:
        """The API says that the pod has a node."""
        info = PodInfo(pod)
        known = self._pods.get(info.uid)
        self._pods[info.uid] = (pod["spec"]["nodeName"], info)
        self._assumed.discard(info.uid)
        if known is None:
            self._moved(events.POD_ADDED)
        elif known[1].labels != info.labels:
            self._moved(events.POD_LABELS)

    def remove(self, pod: Object) -> None:
        """The API says that the pod has gone, or has ended."""
        uid = pod["metadata"]["uid"]
        self._assumed.discard(uid)
        if self._pods.pop(uid, None) is not None:
            self._moved(events.POD_DELETED)

    def __contains__(self, uid: str) -> bool:
        return uid in self._pods

    # -- nodes
    def node_added(self, _: Object) -> None:
        """A node has come."""
        self._moved(events.NODE_ADDED)

    def node_changed(self, old: Object, new: Object) -> None:
        """Tell of what matters; a heartbeat does not."""
        before, now = old.get("spec", {}), new.get("spec", {})
        if before.get("taints") != now.get("taints") or bool(before.get("unschedulable")) != bool(
            now.get("unschedulable")
        ):
            self._moved(events.NODE_TAINTS)
        if _labels(old) != _labels(new):
            self._moved(events.NODE_LABELS)
        if _allocatable(old) != _allocatable(new):
            self._moved(events.NODE_ALLOCATABLE)


def _labels(obj: Object) -> Mapping[str, str]:
    return obj["metadata"].get("labels") or {}


def _allocatable(node: Object) -> Mapping[str, str]:
    return (node.get("status") or {}).get("allocatable") or {}
