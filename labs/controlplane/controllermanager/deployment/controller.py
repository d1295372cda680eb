"""Brings a Deployment's ReplicaSets to what it wants.

Mirrors `pkg/controller/deployment/deployment_controller.go`, `sync.go`, `rolling.go` and `recreate.go`.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

from labs.controlplane.client import ApiError, Handler, by_owner
from labs.controlplane.client.events import NORMAL, WARNING
from labs.core.selectors import selects

from .. import adoption
from ..context import ControllerContext
from ..controller import Controller
from ..kinds import DEPLOYMENTS, PODS, REPLICA_SETS
from ..objects import (
    Object,
    annotation,
    controller_of,
    find_condition,
    is_empty_selector,
    is_going,
    key_of,
    uid_of,
)
from ..podcontrol import is_terminating
from ..pods import is_finished
from . import revisions, scaling, status


class DeploymentController(Controller):
    """The loop; keys are Deployments'."""

    name = "deployment-controller"
    account = "deployment-controller"
    source = "deployment_controller.go:531"
    started = ("deployment_controller.go:180", '"Starting controller" controller="deployment"')

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._deployments = self.informer(DEPLOYMENTS)
        self._sets = self.informer(REPLICA_SETS)
        self._pods = self.informer(PODS)
        self._sets.store.add_index("owner", by_owner)
        self._pods.store.add_index("owner", by_owner)
        self._recorder = context.recorder.named("deployment-controller")
        self._deployments.subscribe(Handler(self._enqueue, lambda _, new: self._enqueue(new), self._enqueue))
        self._sets.subscribe(Handler(self._set_seen, self._set_changed, self._set_seen))
        self._pods.subscribe(Handler(on_delete=self._pod_removed))

    # -- what happened
    def _enqueue(self, deployment: Object) -> None:
        self.queue.add(key_of(deployment))

    def _owner_of(self, replica_set: Object) -> Object | None:
        reference = controller_of(replica_set)
        if reference is None or reference["kind"] != "Deployment":
            return None
        owner = self._deployments.store.get(replica_set["metadata"]["namespace"], reference["name"])
        return owner if owner and uid_of(owner) == reference["uid"] else None

    def _set_seen(self, replica_set: Object) -> None:
        if owner := self._owner_of(replica_set):
            self._enqueue(owner)
        elif controller_of(replica_set) is None:
            for deployment in self._deployments.store.index(
                "namespace", replica_set["metadata"]["namespace"]
            ):
                if selects(deployment["spec"].get("selector"), replica_set["metadata"].get("labels")):
                    self._enqueue(deployment)

    def _set_changed(self, old: Object, new: Object) -> None:
        if (owner := self._owner_of(old)) is not None and owner is not self._owner_of(new):
            self._enqueue(owner)
        self._set_seen(new)

    def _pod_removed(self, pod: Object) -> None:
        """A Recreate rollout goes on when the last old pod has gone."""
        reference = controller_of(pod)
        if reference is None or reference["kind"] != "ReplicaSet":
            return
        replica_set = self._sets.store.get(pod["metadata"]["namespace"], reference["name"])
        owner = self._owner_of(replica_set) if replica_set else None
        if owner is not None and not scaling.is_rolling(owner):
            sets = self._sets.store.index("owner", uid_of(owner))
            if not any(self._pods.store.index("owner", uid_of(rs)) for rs in sets):
                self._enqueue(owner)

    # -- what to do
    async def sync(self, key: str) -> None:
        found = self._deployments.store.by_key(key)
        if found is None:
            self.forget(key)
            return
        if self.is_stale(found):
            return
        deployment = deepcopy(found)
        if is_empty_selector(deployment["spec"].get("selector")):
            text = "This deployment is selecting all pods. A non-empty selector is required."
            self._recorder.event(deployment, WARNING, "SelectingAll", text)
            return
        sets = await self._claim(deployment)
        if is_going(deployment):
            old, new = _split(deployment, sets)
            await self._write_status(
                deployment, status.calculate(deployment, new, _all(old, new), self.context.now())
            )
            return
        deployment = await self._note_pause(deployment)
        if deployment["spec"].get("paused") or revisions.is_scaling_event(deployment, sets):
            await self._resize(deployment, sets)
        elif scaling.is_rolling(deployment):
            await self._roll(deployment, sets)
        else:
            await self._recreate(deployment, sets)

    async def _claim(self, deployment: Object) -> list[Object]:
        in_namespace = self._sets.store.index("namespace", deployment["metadata"]["namespace"])
        return await adoption.settle(self.client, DEPLOYMENTS, deployment, REPLICA_SETS, in_namespace)

    async def _note_pause(self, deployment: Object) -> Object:
        found = status.paused_condition(deployment, self.context.now())
        if found is None:
            return deployment
        conditions = status.with_condition((deployment.get("status") or {}).get("conditions") or [], found)
        new = {**deployment, "status": {**(deployment.get("status") or {}), "conditions": conditions}}
        return await self.write_status(DEPLOYMENTS, new)

    async def _resize(self, deployment: Object, sets: Sequence[Object]) -> None:
        deployment, new, old = await self._revisions(deployment, sets, create=False)
        new, old = await self._scale(deployment, new, old, scaling.resized(deployment, new, old))
        if deployment["spec"].get("paused"):
            await self._forget(deployment, old)
        await self._write_status(
            deployment, status.calculate(deployment, new, _all(old, new), self.context.now())
        )

    async def _roll(self, deployment: Object, sets: Sequence[Object]) -> None:
        deployment, new, old = await self._revisions(deployment, sets, create=True)
        if new is None:
            return
        steps = scaling.rolling_step(deployment, new, old)
        new, old = await self._scale(deployment, new, old, steps)
        if not steps and status.is_complete(deployment, deployment.get("status") or {}):
            await self._forget(deployment, old)
        await self._report(deployment, new, old)

    async def _recreate(self, deployment: Object, sets: Sequence[Object]) -> None:
        deployment, new, old = await self._revisions(deployment, sets, create=False)
        steps = scaling.all_down(old)
        if steps or self._old_pods_remain(old):
            new, old = await self._scale(deployment, new, old, steps)
            await self._report(deployment, new, old)
            return
        if new is None:
            deployment, new, old = await self._revisions(deployment, sets, create=True)
        if new is not None and scaling.size(new) != scaling.wanted(deployment):
            up = [scaling.Scale(new, scaling.wanted(deployment))]
            new, old = await self._scale(deployment, new, old, up)
        if status.is_complete(deployment, deployment.get("status") or {}):
            await self._forget(deployment, old)
        await self._report(deployment, new, old)

    def _old_pods_remain(self, old: Sequence[Object]) -> bool:
        if any(scaling.actual(rs) for rs in old):
            return True
        pods = (pod for rs in old for pod in self._pods.store.index("owner", uid_of(rs)))
        return any(not is_finished(pod) for pod in pods)

    # -- ReplicaSets
    async def _revisions(
        self, deployment: Object, sets: Sequence[Object], *, create: bool
    ) -> tuple[Object, Object | None, list[Object]]:
        """The Deployment, its new ReplicaSet, made if need be, and its old ones (`getNewReplicaSet`)."""
        old, new = _split(deployment, sets)
        revision = revisions.next_revision(old)
        if new is None:
            if create:
                deployment, new = await self._create(deployment, old, revision)
            return deployment, new, old
        changed = deepcopy(new)
        seconds = deployment["spec"].get("minReadySeconds", 0)
        updated = revisions.annotate_new(deployment, changed, revision, exists=True)
        if changed["spec"].get("minReadySeconds", 0) != seconds:
            changed["spec"]["minReadySeconds"], updated = seconds, True
        if updated:
            new = await self.client.update(REPLICA_SETS, changed)
        message = f'Found new replica set "{new["metadata"]["name"]}"'
        found = None if find_condition(deployment, status.PROGRESSING) else ("FoundNewReplicaSet", message)
        return await self._note_revision(deployment, annotation(new, revisions.REVISION), found), new, old

    async def _create(
        self, deployment: Object, old: Sequence[Object], revision: str
    ) -> tuple[Object, Object | None]:
        count = scaling.new_size(deployment, old, 0)
        wanted = revisions.new_replica_set(deployment, count, revision)
        name, namespace = wanted["metadata"]["name"], wanted["metadata"]["namespace"]
        try:
            new = await self.client.create(REPLICA_SETS, namespace, wanted)
        except ApiError as error:
            if error.code == 409:
                return await self._collided(deployment, name, error)
            if is_terminating(error):
                return deployment, None
            message = f'Failed to create new replica set "{name}": {error}'
            if status.has_deadline(deployment):
                await self._condition(deployment, "False", "ReplicaSetCreateError", message)
            self._recorder.event(deployment, WARNING, "ReplicaSetCreateError", message)
            raise
        if count:
            self._recorder.event(
                deployment, NORMAL, "ScalingReplicaSet", f"Scaled up replica set {name} from 0 to {count}"
            )
        created = ("NewReplicaSetCreated", f'Created new replica set "{name}"')
        return await self._note_revision(deployment, revision, created), new

    async def _collided(self, deployment: Object, name: str, error: ApiError) -> tuple[Object, Object | None]:
        """The name is taken: by this very ReplicaSet, not seen yet, or by another of the same hash."""
        found = await self.client.get(REPLICA_SETS, deployment["metadata"]["namespace"], name)
        reference = controller_of(found)
        if reference and reference["uid"] == uid_of(deployment) and revisions.find_new(deployment, [found]):
            return deployment, found
        old = deployment.get("status") or {}
        count = {**old, "collisionCount": int(old.get("collisionCount", 0)) + 1}
        await self.write_status(DEPLOYMENTS, {**deployment, "status": count})
        raise error

    async def _note_revision(
        self, deployment: Object, revision: str, found: tuple[str, str] | None
    ) -> Object:
        """Write the present revision, and what was found or made, onto the Deployment."""
        changed = deepcopy(deployment)
        annotations = changed["metadata"].setdefault("annotations", {})
        old = changed.get("status") or {}
        if found and status.has_deadline(deployment):
            new = status.condition(status.PROGRESSING, "True", *found, self.context.now())
            old = {**old, "conditions": status.with_condition(old.get("conditions") or [], new)}
        annotations[revisions.REVISION] = revision
        changed["status"] = old
        if changed["metadata"] == deployment["metadata"] and old == (deployment.get("status") or {}):
            return deployment
        return await self.write_status(DEPLOYMENTS, changed)

    async def _scale(
        self, deployment: Object, new: Object | None, old: Sequence[Object], steps: Sequence[scaling.Scale]
    ) -> tuple[Object | None, list[Object]]:
        """Give ReplicaSets their sizes; returns them as they are then."""
        now = {uid_of(rs): rs for rs in _all(old, new)}
        wanted = revisions.scale_annotations(deployment)
        for step in steps:
            rs = deepcopy(step.replica_set)
            before = scaling.size(rs)
            annotations = rs["metadata"].setdefault("annotations", {})
            if before == step.replicas and wanted.items() <= annotations.items():
                continue
            annotations |= wanted
            rs["spec"]["replicas"] = step.replicas
            now[uid_of(rs)] = await self.client.update(REPLICA_SETS, rs)
            if before != step.replicas:
                way = "up" if step.replicas > before else "down"
                message = (
                    f"Scaled {way} replica set {rs['metadata']['name']} from {before} to {step.replicas}"
                )
                self._recorder.event(deployment, NORMAL, "ScalingReplicaSet", message)
        return (now[uid_of(new)] if new else None), [now[uid_of(rs)] for rs in old]

    async def _forget(self, deployment: Object, old: Sequence[Object]) -> None:
        for rs in revisions.to_forget(deployment, old):
            metadata = rs["metadata"]
            try:
                await self.client.delete(REPLICA_SETS, metadata["namespace"], metadata["name"])
            except ApiError as error:
                if not error.not_found:
                    raise

    # -- status
    async def _report(self, deployment: Object, new: Object | None, old: Sequence[Object]) -> None:
        now = self.context.now()
        found = status.rollout(deployment, new, _all(old, new), now)
        await self._write_status(deployment, found)
        if (seconds := status.seconds_to_deadline(deployment, found, now)) is not None:
            self.queue.add_after(key_of(deployment), seconds)

    async def _condition(self, deployment: Object, value: str, reason: str, message: str) -> None:
        found = status.condition(status.PROGRESSING, value, reason, message, self.context.now())
        old = deployment.get("status") or {}
        conditions = status.with_condition(old.get("conditions") or [], found)
        if conditions != (old.get("conditions") or []):
            await self._write_status(deployment, {**old, "conditions": conditions})

    async def _write_status(self, deployment: Object, new: Object) -> None:
        if new != (deployment.get("status") or {}):
            await self.write_status(DEPLOYMENTS, {**deployment, "status": new})


def _all(old: Sequence[Object], new: Object | None) -> list[Object]:
    return [*old, *([new] if new is not None else [])]


def _split(deployment: Object, sets: Sequence[Object]) -> tuple[list[Object], Object | None]:
    new = revisions.find_new(deployment, sets)
    return [rs for rs in sets if rs is not new], new
