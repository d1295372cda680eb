"""Keeps the status of PodDisruptionBudgets, by which evictions are allowed."""

from __future__ import annotations

from labs.controlplane.client import Handler, Resource
from labs.controlplane.client.events import NORMAL, WARNING
from labs.core.selectors import selects

from ..context import ControllerContext
from ..controller import Controller
from ..kinds import DEPLOYMENTS, PODS, REPLICA_SETS, STATEFUL_SETS
from ..kinds import POD_DISRUPTION_BUDGETS as BUDGETS
from ..objects import Object, controller_of, key_of, uid_of
from . import budget


class DisruptionController(Controller):
    """The loop; keys are budgets'."""

    name = "disruption-controller"
    account = "disruption-controller"
    source = "disruption.go:696"
    started = ("disruption.go:460", '"Starting disruption controller"')
    workers = 1

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._budgets = self.informer(BUDGETS)
        self._pods = self.informer(PODS)
        self._owners = {kind.kind: self.informer(kind) for kind in (REPLICA_SETS, DEPLOYMENTS, STATEFUL_SETS)}
        self._recorder = context.recorder.named("controllermanager")
        self._budgets.subscribe(Handler(self._enqueue, lambda _, new: self._enqueue(new)))
        self._pods.subscribe(Handler(self._pod_seen, self._pod_changed, self._pod_seen))
        for kind in (REPLICA_SETS, DEPLOYMENTS, STATEFUL_SETS):
            self._follow(kind)

    def _follow(self, kind: Resource) -> None:
        """Percentages are of the size that owners have."""

        def resized(old: Object, new: Object) -> None:
            if old["spec"].get("replicas") != new["spec"].get("replicas"):
                for one in self._budgets.store.index("namespace", new["metadata"]["namespace"]):
                    self._enqueue(one)

        self._owners[kind.kind].subscribe(Handler(on_update=resized))

    def _enqueue(self, one: Object) -> None:
        self.queue.add(key_of(one))

    def _pod_seen(self, pod: Object) -> None:
        for one in self._budgets.store.index("namespace", pod["metadata"]["namespace"]):
            if selects(one["spec"].get("selector"), pod["metadata"].get("labels")):
                self._enqueue(one)

    def _pod_changed(self, old: Object, new: Object) -> None:
        if old["metadata"].get("labels") != new["metadata"].get("labels"):
            self._pod_seen(old)
        self._pod_seen(new)

    def _scale(self, namespace: str, reference: Object) -> int | None:
        """The size that a controller, or whoever controls it, wants to have."""
        informer = self._owners.get(reference["kind"])
        owner = informer.store.get(namespace, reference["name"]) if informer else None
        if owner is None or uid_of(owner) != reference["uid"]:
            return None
        above = controller_of(owner)
        if above is not None and above["kind"] in self._owners:
            return self._scale(namespace, above)
        return int(owner["spec"].get("replicas", 1))

    async def sync(self, key: str) -> None:
        found = self._budgets.store.by_key(key)
        if found is None:
            self.forget(key)
            return
        if self.is_stale(found):
            return
        namespace = found["metadata"]["namespace"]
        selector = found["spec"].get("selector")
        in_namespace = self._pods.store.index("namespace", namespace)
        pods = [pod for pod in in_namespace if selects(selector, pod["metadata"].get("labels"))]
        now = self.context.now()
        try:
            new = budget.status(found, pods, lambda owner: self._scale(namespace, owner), now)
        except budget.Unscalable as error:
            text = f"Failed to calculate the number of expected pods: {error}"
            self._recorder.event(found, WARNING, "CalculateExpectedPodCountFailed", text)
            new = budget.failed(found, str(error), now)
        if not pods:
            self._recorder.event(found, NORMAL, "NoPods", "No matching pods found")
        if new != (found.get("status") or {}):
            await self.write_status(BUDGETS, {**found, "status": new})
        if new.get("disruptedPods"):
            self.queue.add_after(key, budget.EVICTION_TIMEOUT.total_seconds())
