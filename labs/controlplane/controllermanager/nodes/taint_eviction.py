"""Removes pods from nodes whose NoExecute taints they do not tolerate (`pkg/controller/tainteviction`)."""

from __future__ import annotations

from datetime import timedelta

from labs.controlplane import klog
from labs.controlplane.client import ApiError, Handler
from labs.controlplane.client.events import NORMAL
from labs.controlplane.helpers.taints import toleration_seconds

from ..context import ControllerContext
from ..controller import Controller
from ..kinds import NODES, PODS
from ..objects import Object, is_going, key_of, parse_time, stamp, uid_of
from ..pods import node_name


class TaintEvictionController(Controller):
    """The loop; keys are pods'."""

    name = "taint-eviction-controller"
    account = "node-controller"
    source = "taint_eviction.go:300"
    started = ("taint_eviction.go:283", '"Starting" controller="taint-eviction-controller"')

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._nodes = self.informer(NODES)
        self._pods = self.informer(PODS)
        self._pods.store.add_index("node", lambda pod: (node_name(pod),))
        self._recorder = context.recorder.named("taint-eviction-controller")
        #: Pods that go at a time, and that time.
        self._due: dict[str, object] = {}
        self._nodes.subscribe(Handler(self._node_seen, self._node_changed))
        self._pods.subscribe(Handler(self._pod_seen, lambda _, new: self._pod_seen(new), self._pod_removed))

    def _node_seen(self, node: Object) -> None:
        for pod in self._pods.store.index("node", node["metadata"]["name"]):
            self.queue.add(key_of(pod))

    def _node_changed(self, old: Object, new: Object) -> None:
        if (old["spec"].get("taints") or []) != (new["spec"].get("taints") or []):
            self._node_seen(new)

    def _pod_seen(self, pod: Object) -> None:
        if node_name(pod):
            self.queue.add(key_of(pod))

    def _pod_removed(self, pod: Object) -> None:
        self._due.pop(key_of(pod), None)

    async def sync(self, key: str) -> None:
        pod = self._pods.store.by_key(key)
        if pod is None or is_going(pod):
            self._due.pop(key, None)
            return
        node = self._nodes.store.by_key(node_name(pod))
        taints = [t for t in (node["spec"].get("taints") or []) if t["effect"] == "NoExecute"] if node else []
        seconds = toleration_seconds(taints, pod["spec"].get("tolerations") or []) if taints else None
        if seconds is None:
            if self._due.pop(key, None) is not None:
                self._recorder.event(pod, NORMAL, "TaintManagerEviction", f"Cancelling deletion of Pod {key}")
            return
        now = self.context.now()
        since = min((parse_time(t.get("timeAdded")) or now for t in taints), default=now)
        due = since + timedelta(seconds=seconds)
        if seconds and now < due:
            self._due[key] = due
            self.queue.add_after(key, (due - now).total_seconds())
            return
        self._due.pop(key, None)
        await self._evict(key, pod)

    async def _evict(self, key: str, pod: Object) -> None:
        klog.info("taint_eviction.go:113", "Deleting pod", controller="taint-eviction-controller", pod=key)
        self._recorder.event(pod, NORMAL, "TaintManagerEviction", f"Marking for deletion Pod {key}")
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint",
            "lastTransitionTime": stamp(self.context.now()),
        }
        patch = {"metadata": {"uid": uid_of(pod)}, "status": {"conditions": [condition]}}
        kind = "application/strategic-merge-patch+json"
        try:
            await self.client.patch(PODS, namespace, name, patch, kind=kind, subresource="status")
            await self.client.delete(PODS, namespace, name)
        except ApiError as error:
            if not error.not_found:
                raise
