"""Keeps the number of a ReplicaSet's pods (`pkg/controller/replicaset/replica_set.go`)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from labs.controlplane.client import ApiError, Handler, by_owner
from labs.core.selectors import selects

from .. import adoption
from ..context import ControllerContext
from ..controller import Controller, slow_start
from ..expectations import Expectations
from ..kinds import PODS, REPLICA_SETS
from ..objects import (
    Object,
    controller_of,
    controller_reference,
    is_going,
    key_of,
    uid_of,
)
from ..podcontrol import PodControl, is_terminating
from ..pods import in_order_of_deletion, is_active
from . import status

#: So many pods are made or removed in one go.
BURST = 500


class ReplicaSetController(Controller):
    """The loop; keys are ReplicaSets'."""

    name = "replicaset-controller"
    account = "replicaset-controller"
    source = "replica_set.go:617"
    started = ("replica_set.go:285", '"Starting controller" name="replicaset"')

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._pods = self.informer(PODS)
        self._sets = self.informer(REPLICA_SETS)
        self._pods.store.add_index("owner", by_owner)
        self._sets.store.add_index("owner", by_owner)
        self._expected = Expectations()
        self._control = PodControl(self.client, context.recorder.named("replicaset-controller"))
        self._sets.subscribe(Handler(self._enqueue, lambda _, new: self._enqueue(new), self._removed))
        self._pods.subscribe(Handler(self._pod_added, self._pod_changed, self._pod_removed))

    # -- what happened
    def _enqueue(self, replica_set: Object) -> None:
        self.queue.add(key_of(replica_set))

    def _removed(self, replica_set: Object) -> None:
        self._expected.forget(key_of(replica_set))
        self._enqueue(replica_set)

    def _owner_of(self, pod: Object) -> Object | None:
        reference = controller_of(pod)
        if reference is None or reference["kind"] != "ReplicaSet":
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
            self._offer(pod)

    def _pod_changed(self, old: Object, new: Object) -> None:
        if is_going(new):
            self._pod_removed(new)
            return
        if (owner := self._owner_of(old)) and owner is not self._owner_of(new):
            self._enqueue(owner)
        if owner := self._owner_of(new):
            self._enqueue(owner)
        elif controller_of(new) is None:
            self._offer(new)

    def _pod_removed(self, pod: Object) -> None:
        if owner := self._owner_of(pod):
            self._expected.deleted(key_of(owner), uid_of(pod))
            self._enqueue(owner)

    def _offer(self, pod: Object) -> None:
        """An orphan may be adopted."""
        for replica_set in self._sets.store.index("namespace", pod["metadata"]["namespace"]):
            if selects(replica_set["spec"].get("selector"), pod["metadata"].get("labels")):
                self._enqueue(replica_set)

    # -- what to do
    async def sync(self, key: str) -> None:
        replica_set = self._sets.store.by_key(key)
        if replica_set is None:
            self._expected.forget(key)
            self.forget(key)
            return
        if self.is_stale(replica_set):
            return
        satisfied = self._expected.satisfied(key)
        pods = await self._claim(replica_set)
        failure: ApiError | None = None
        missing = int(replica_set["spec"].get("replicas", 1)) - sum(is_active(pod) for pod in pods)
        if satisfied and missing and not is_going(replica_set):
            failure = await self._manage(key, replica_set, pods, missing)
        await self._update_status(replica_set, pods, failure, missing)
        if failure:
            raise failure
        now = self.context.now()
        if (seconds := status.next_available(replica_set, pods, now)) is not None:
            self.queue.add_after(key, seconds)

    async def _claim(self, replica_set: Object) -> list[Object]:
        in_namespace = self._pods.store.index("namespace", replica_set["metadata"]["namespace"])
        pods = [pod for pod in in_namespace if is_active(pod) or controller_of(pod)]
        return await adoption.settle(self.client, REPLICA_SETS, replica_set, PODS, pods)

    async def _manage(
        self, key: str, replica_set: Object, pods: Sequence[Object], missing: int
    ) -> ApiError | None:
        if missing > 0:
            return await self._create(key, replica_set, min(missing, BURST))
        active = [pod for pod in pods if is_active(pod)]
        order = in_order_of_deletion(active, self._related(replica_set), self.context.now())
        return await self._delete(key, replica_set, order[: min(-missing, BURST)])

    async def _create(self, key: str, replica_set: Object, count: int) -> ApiError | None:
        self._expected.expect(key, creations=count)
        reference = controller_reference(replica_set, "apps/v1", "ReplicaSet")

        async def create() -> None:
            try:
                await self._control.create(replica_set, reference, replica_set["spec"]["template"])
            except ApiError as error:
                self._expected.created(key)
                if not is_terminating(error):
                    raise

        tried, failure = await slow_start([create] * count)
        self._expected.created(key, count - tried)
        return _api_error(failure)

    async def _delete(self, key: str, replica_set: Object, pods: Sequence[Object]) -> ApiError | None:
        self._expected.expect(key, deletions=[uid_of(pod) for pod in pods])

        async def delete(pod: Object) -> None:
            try:
                await self._control.delete(replica_set, pod)
            except ApiError as error:
                self._expected.deleted(key, uid_of(pod))
                if not error.not_found:
                    raise

        failure = None
        for pod in pods:
            _, error = await slow_start([partial(delete, pod)])
            failure = failure or error
        return _api_error(failure)

    def _related(self, replica_set: Object) -> list[Object]:
        """The pods of all ReplicaSets with the same owner."""
        owner = controller_of(replica_set)
        siblings = self._sets.store.index("owner", owner["uid"]) if owner else [replica_set]
        return [pod for rs in siblings for pod in self._pods.store.index("owner", uid_of(rs))]

    async def _update_status(
        self, replica_set: Object, pods: Sequence[Object], failure: ApiError | None, missing: int
    ) -> None:
        text = str(failure) if failure else ""
        new = status.calculate(replica_set, pods, text, missing, self.context.now())
        if new != (replica_set.get("status") or {}):
            await self.write_status(REPLICA_SETS, {**replica_set, "status": new})


def _api_error(failure: Exception | None) -> ApiError | None:
    """The API's refusal; any other exception is a fault of this program and goes on."""
    if failure is not None and not isinstance(failure, ApiError):
        raise failure
    return failure
