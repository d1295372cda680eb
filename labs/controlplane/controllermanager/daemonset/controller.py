"""Keeps a DaemonSet's pod on every node it is for (`pkg/controller/daemon/daemon_controller.go`)."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from functools import partial

from labs.controlplane.client import ApiError, Handler, by_owner
from labs.controlplane.client.events import NORMAL, WARNING
from labs.core.selectors import selects

from .. import adoption
from ..context import ControllerContext
from ..controller import Controller, slow_start
from ..expectations import Expectations
from ..kinds import CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS
from ..objects import (
    Object,
    controller_of,
    controller_reference,
    created,
    is_empty_selector,
    is_going,
    key_of,
    uid_of,
)
from ..podcontrol import PodControl, is_terminating
from ..pods import available_in
from . import history, placement

BURST = 250
#: How long to wait before a failed pod is replaced again: doubled each time (`failedPodsBackoff`).
FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 900.0


class DaemonSetController(Controller):
    """The loop; keys are DaemonSets'."""

    name = "daemonset-controller"
    account = "daemon-set-controller"
    source = "daemon_controller.go:422"
    started = ("daemon_controller.go:370", '"Starting daemon sets controller"')
    workers = 2

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._sets = self.informer(DAEMON_SETS)
        self._revisions = self.informer(CONTROLLER_REVISIONS)
        self._pods = self.informer(PODS)
        self._nodes = self.informer(NODES)
        self._pods.store.add_index("owner", by_owner)
        self._expected = Expectations()
        self._failed: dict[str, tuple[float, float]] = {}
        self._recorder = context.recorder.named("daemonset-controller")
        self._control = PodControl(self.client, self._recorder)
        self._sets.subscribe(Handler(self._enqueue, lambda _, new: self._enqueue(new), self._removed))
        self._pods.subscribe(Handler(self._pod_added, self._pod_changed, self._pod_removed))
        self._nodes.subscribe(Handler(self._all, self._node_changed, self._all))

    # -- what happened
    def _enqueue(self, daemon_set: Object) -> None:
        self.queue.add(key_of(daemon_set))

    def _removed(self, daemon_set: Object) -> None:
        self._expected.forget(key_of(daemon_set))
        self._enqueue(daemon_set)

    def _all(self, _: Object) -> None:
        for daemon_set in self._sets.store:
            self._enqueue(daemon_set)

    def _node_changed(self, old: Object, new: Object) -> None:
        """Heartbeats change a node without changing what runs on it."""
        if any(old[part].get(name) != new[part].get(name) for part, name in
               (("metadata", "labels"), ("spec", "taints"), ("spec", "unschedulable"))):  # fmt: skip
            self._all(new)

    def _owner_of(self, pod: Object) -> Object | None:
        reference = controller_of(pod)
        if reference is None or reference["kind"] != "DaemonSet":
            return None
        owner = self._sets.store.get(pod["metadata"]["namespace"], reference["name"])
        return owner if owner and uid_of(owner) == reference["uid"] else None

    def _pod_added(self, pod: Object) -> None:
        if is_going(pod):
            self._pod_removed(pod)
        elif owner := self._owner_of(pod):
            self._expected.created(key_of(owner))
            self._enqueue(owner)
        elif controller_of(pod) is None:
            for daemon_set in self._sets.store.index("namespace", pod["metadata"]["namespace"]):
                if selects(daemon_set["spec"].get("selector"), pod["metadata"].get("labels")):
                    self._enqueue(daemon_set)

    def _pod_changed(self, old: Object, new: Object) -> None:
        if is_going(new):
            self._pod_removed(new)
        elif owner := self._owner_of(new) or self._owner_of(old):
            self._enqueue(owner)

    def _pod_removed(self, pod: Object) -> None:
        if owner := self._owner_of(pod):
            self._expected.deleted(key_of(owner), uid_of(pod))
            self._enqueue(owner)

    # -- what to do
    async def sync(self, key: str) -> None:
        found = self._sets.store.by_key(key)
        if found is None:
            self._expected.forget(key)
            self.forget(key)
            return
        if self.is_stale(found):
            return
        daemon_set = deepcopy(found)
        if is_empty_selector(daemon_set["spec"].get("selector")):
            text = "This daemon set is selecting all pods. A non-empty selector is required."
            self._recorder.event(daemon_set, WARNING, "SelectingAll", text)
            return
        if is_going(daemon_set):
            return
        nodes = sorted(self._nodes.store, key=created)
        current, old = await self._history(daemon_set)
        hash_ = history.hash_of(current)
        template = placement.pod_template(daemon_set, hash_)
        if self._expected.satisfied(key):
            pods = await self._claim(daemon_set)
            plan = placement.plan(
                daemon_set, template, nodes, placement.by_node(pods), hash_, self.context.now()
            )
            await self._carry_out(key, daemon_set, template, plan)
            strategy = (daemon_set["spec"].get("updateStrategy") or {}).get("type", "RollingUpdate")
            if self._expected.satisfied(key) and strategy == "RollingUpdate":
                by_node = placement.by_node(await self._claim(daemon_set))
                plan = placement.rolling_update(
                    daemon_set, template, nodes, by_node, hash_, self.context.now()
                )
                await self._carry_out(key, daemon_set, template, plan)
            for revision in history.to_forget(daemon_set, old, pods):
                await self._delete_revision(revision)
        await self._update_status(key, daemon_set, template, nodes, hash_)

    async def _claim(self, daemon_set: Object) -> list[Object]:
        in_namespace = self._pods.store.index("namespace", daemon_set["metadata"]["namespace"])
        return await adoption.settle(self.client, DAEMON_SETS, daemon_set, PODS, in_namespace)

    # -- revisions
    async def _history(self, daemon_set: Object) -> tuple[Object, list[Object]]:
        """The revision of the present template, made or renumbered if need be, and the others."""
        namespace = daemon_set["metadata"]["namespace"]
        in_namespace = self._revisions.store.index("namespace", namespace)
        known = await adoption.settle(
            self.client, DAEMON_SETS, daemon_set, CONTROLLER_REVISIONS, in_namespace
        )
        same = history.find_current(daemon_set, known)
        old = [r for r in known if r not in same]
        number = history.next_number(old)
        if not same:
            return await self._create_revision(daemon_set, number), old
        *duplicates, current = same
        for revision in duplicates:
            await self._delete_revision(revision)
        if int(current["revision"]) < number:
            current = await self.client.update(CONTROLLER_REVISIONS, {**current, "revision": number})
        return current, old

    async def _create_revision(self, daemon_set: Object, number: int) -> Object:
        collisions = (daemon_set.get("status") or {}).get("collisionCount")
        wanted = history.new_revision(daemon_set, number, collisions)
        namespace, name = wanted["metadata"]["namespace"], wanted["metadata"]["name"]
        try:
            return await self.client.create(CONTROLLER_REVISIONS, namespace, wanted)
        except ApiError as error:
            if error.code != 409:
                raise
            found = await self.client.get(CONTROLLER_REVISIONS, namespace, name)
            if found.get("data") == wanted["data"]:
                return found
            status = {**(daemon_set.get("status") or {}), "collisionCount": int(collisions or 0) + 1}
            await self.write_status(DAEMON_SETS, {**daemon_set, "status": status})
            raise

    async def _delete_revision(self, revision: Object) -> None:
        metadata = revision["metadata"]
        try:
            await self.client.delete(CONTROLLER_REVISIONS, metadata["namespace"], metadata["name"])
        except ApiError as error:
            if not error.not_found:
                raise

    # -- pods
    async def _carry_out(self, key: str, daemon_set: Object, template: Object, plan: placement.Plan) -> None:
        """Make and remove pods (`syncNodes`). Raises the first refusal."""
        for pod in plan.failed:
            if wait := self._backoff(key, placement.target_node(pod)):
                plan.delete.remove(pod)
                self.queue.add_after(key, wait)
            else:
                self._tell(daemon_set, pod, WARNING, "FailedDaemonPod", "failed", "kill")
        for pod in plan.succeeded:
            self._tell(daemon_set, pod, NORMAL, "SucceededDaemonPod", "succeeded", "delete")
        create, delete = plan.create_on[:BURST], plan.delete[:BURST]
        if not create and not delete:
            return
        self._expected.expect(key, len(create), [uid_of(pod) for pod in delete])
        reference = controller_reference(daemon_set, "apps/v1", "DaemonSet")

        async def make(node: str) -> None:
            try:
                await self._control.create(daemon_set, reference, placement.bound_to(template, node))
            except ApiError as error:
                self._expected.created(key)
                if not is_terminating(error):
                    raise

        async def remove(pod: Object) -> None:
            try:
                await self._control.delete(daemon_set, pod)
            except ApiError as error:
                self._expected.deleted(key, uid_of(pod))
                if not error.not_found:
                    raise

        tried, failure = await slow_start([partial(make, node) for node in create])
        self._expected.created(key, len(create) - tried)
        for pod in delete:
            _, error = await slow_start([partial(remove, pod)])
            failure = failure or error
        if failure is not None:
            raise failure

    def _tell(self, daemon_set: Object, pod: Object, kind: str, reason: str, how: str, what: str) -> None:
        metadata = pod["metadata"]
        where = f"{metadata['namespace']}/{metadata['name']} on node {placement.target_node(pod)}"
        self._recorder.event(
            daemon_set, kind, reason, f"Found {how} daemon pod {where}, will try to {what} it"
        )

    def _backoff(self, key: str, node: str) -> float:
        """Seconds until a failed pod on this node may be replaced; 0 when now."""
        now = self.context.now().timestamp()
        about = f"{key}/{node}"
        last, wait = self._failed.get(about, (0.0, 0.0))
        if now - last < wait:
            return wait - (now - last)
        longer = FIRST_BACKOFF if now - last > 2 * LONGEST_BACKOFF else min(wait * 2, LONGEST_BACKOFF)
        self._failed[about] = (now, longer)
        return 0.0

    # -- status
    async def _update_status(
        self, key: str, daemon_set: Object, template: Object, nodes: Sequence[Object], hash_: str
    ) -> None:
        now = self.context.now()
        pods = self._pods.store.index("owner", uid_of(daemon_set))
        new = placement.status(daemon_set, template, nodes, placement.by_node(pods), hash_, now)
        if new != (daemon_set.get("status") or {}):
            await self.write_status(DAEMON_SETS, {**daemon_set, "status": new})
        seconds = int(daemon_set["spec"].get("minReadySeconds", 0))
        waits = [available_in(pod, seconds, now) for pod in pods]
        if soon := min((wait.total_seconds() for wait in waits if wait), default=None):
            self.queue.add_after(key, soon)
