"""Runs a Job's pods and counts them (`pkg/controller/job/job_controller.go`)."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from functools import partial

from labs.controlplane.client import STRATEGIC_MERGE_PATCH, ApiError, Handler, by_owner
from labs.controlplane.client.events import NORMAL, WARNING

from .. import adoption
from ..context import ControllerContext
from ..controller import Controller, slow_start
from ..expectations import Expectations
from ..kinds import JOBS, PODS
from ..objects import Object, controller_of, controller_reference, is_going, key_of, stamp, uid_of
from ..podcontrol import PodControl, is_terminating
from ..pods import is_finished as has_ended
from . import semantics
from .semantics import COMPLETE, CRITERIA_MET, FAILED, FAILURE_TARGET, SUSPENDED, TRACKING

BURST = 500


class JobController(Controller):
    """The loop; keys are Jobs'."""

    name = "job-controller"
    account = "job-controller"
    source = "job_controller.go:603"
    started = ("job_controller.go:336", '"Starting job controller"')

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._jobs = self.informer(JOBS)
        self._pods = self.informer(PODS)
        self._pods.store.add_index("owner", by_owner)
        self._expected = Expectations()
        #: Pods whose finalizer is off, though the informer may not say so yet.
        self._untracked: set[str] = set()
        self._recorder = context.recorder.named("job-controller")
        self._control = PodControl(self.client, self._recorder)
        self._jobs.subscribe(Handler(self._enqueue, lambda _, new: self._enqueue(new), self._removed))
        self._pods.subscribe(Handler(self._pod_added, self._pod_changed, self._pod_removed))

    # -- what happened
    def _enqueue(self, job: Object) -> None:
        self.queue.add(key_of(job))

    def _removed(self, job: Object) -> None:
        """Pods that outlive their Job must not wait to be counted."""
        self._expected.forget(key_of(job))
        for pod in self._pods.store.index("owner", uid_of(job)):
            if semantics.is_tracked(pod):
                self.queue.add(f"orphan:{key_of(pod)}")

    def _owner_of(self, pod: Object) -> Object | None:
        reference = controller_of(pod)
        if reference is None or reference["kind"] != "Job":
            return None
        owner = self._jobs.store.get(pod["metadata"]["namespace"], reference["name"])
        return owner if owner and uid_of(owner) == reference["uid"] else None

    def _pod_added(self, pod: Object) -> None:
        if owner := self._owner_of(pod):
            self._expected.created(key_of(owner))
        self._pod_changed(pod, pod)

    def _pod_changed(self, _: Object, pod: Object) -> None:
        owner = self._owner_of(pod)
        if owner is not None:
            if is_going(pod):
                self._expected.deleted(key_of(owner), uid_of(pod))
            self._enqueue(owner)
        elif semantics.is_tracked(pod) and self._jobs.synced:
            self.queue.add(f"orphan:{key_of(pod)}")

    def _pod_removed(self, pod: Object) -> None:
        self._untracked.discard(uid_of(pod))
        if owner := self._owner_of(pod):
            self._expected.deleted(key_of(owner), uid_of(pod))
            self._enqueue(owner)

    # -- what to do
    async def sync(self, key: str) -> None:
        if key.startswith("orphan:"):
            await self._untrack_orphan(key.removeprefix("orphan:"))
            return
        found = self._jobs.store.by_key(key)
        if found is None:
            self._expected.forget(key)
            self.forget(key)
            return
        if self.is_stale(found):
            return
        job = deepcopy(found)
        in_namespace = self._pods.store.index("namespace", job["metadata"]["namespace"])
        pods = [
            self._as_untracked(p) for p in await adoption.settle(self.client, JOBS, job, PODS, in_namespace)
        ]
        if semantics.is_finished(job):
            for pod in pods:
                await self._untrack(pod)
            return
        status = job.setdefault("status", {})
        before = deepcopy(status)
        if not status.get("startTime") and not semantics.is_suspended(job):
            status["startTime"] = stamp(self.context.now())
        satisfied = self._expected.satisfied(key)
        counted = semantics.count(job, pods)
        verdict = semantics.verdict(job, pods, counted, self.context.now())
        active, stopped = len(counted.active), 0
        failure: Exception | None = None
        if verdict and verdict[0] == FAILURE_TARGET:
            stopped = await self._stop(key, job, counted.active)
        elif verdict is None and satisfied and not is_going(job):
            started, stopped, failure = await self._manage(key, job, pods, counted)
            active += started
        self._note_suspension(job)
        if verdict:
            self._condition(job, verdict[0], "True", *verdict[1:])
        status |= {"ready": counted.ready, "terminating": counted.terminating + stopped}
        if active - stopped:
            status["active"] = active - stopped
        else:
            status.pop("active", None)
        await self._track(job, before, pods, counted)
        if failure:
            raise failure
        left = semantics.seconds_to_deadline(job, self.context.now())
        if left is not None and verdict is None:
            self.queue.add_after(key, max(left, 0.05))

    async def _manage(
        self, key: str, job: Object, pods: Sequence[Object], counted: semantics.Count
    ) -> tuple[int, int, Exception | None]:
        """Start or stop pods; returns how many of each, and the first refusal."""
        wanted = semantics.wanted_active(job, counted)
        if surplus := semantics.to_stop(counted, wanted):
            return 0, await self._stop(key, job, surplus), None
        missing = min(semantics.to_start(job, counted, wanted), BURST)
        if not missing:
            return 0, 0, None
        if wait := semantics.backoff_seconds(pods, self.context.now()):
            self.queue.add_after(key, wait)
            return 0, 0, None
        indexes: list[int | None] = [None] * missing
        if semantics.is_indexed(job):
            indexes = [*semantics.free_indexes(job, counted, missing)]
        self._expected.expect(key, creations=len(indexes))
        reference = controller_reference(job, "batch/v1", "Job")

        async def start(index: int | None) -> None:
            base = "" if index is None else f"{job['metadata']['name']}-{index}-"
            template = _indexed(job, index)
            try:
                await self._control.create(job, reference, template, base=base, finalizers=(TRACKING,))
            except ApiError as error:
                self._expected.created(key)
                if not is_terminating(error):
                    raise

        tried, failure = await slow_start([partial(start, index) for index in indexes])
        self._expected.created(key, len(indexes) - tried)
        return tried - (failure is not None), 0, failure

    async def _stop(self, key: str, job: Object, pods: Sequence[Object]) -> int:
        """Delete pods at work; returns how many."""
        self._expected.expect(key, deletions=[uid_of(pod) for pod in pods])
        for pod in pods:
            try:
                await self._control.delete(job, pod)
            except ApiError as error:
                self._expected.deleted(key, uid_of(pod))
                if not error.not_found:
                    raise
        return len(pods)

    # -- status
    def _note_suspension(self, job: Object) -> None:
        now = stamp(self.context.now())
        if semantics.is_suspended(job):
            if self._condition(job, SUSPENDED, "True", "JobSuspended", "Job suspended"):
                job["status"].pop("startTime", None)
                self._recorder.event(job, NORMAL, "Suspended", "Job suspended")
        elif semantics.is_true(job, SUSPENDED):
            self._condition(job, SUSPENDED, "False", "JobResumed", "Job resumed")
            job["status"]["startTime"] = now
            self._recorder.event(job, NORMAL, "Resumed", "Job resumed")

    def _condition(self, job: Object, kind: str, value: str, reason: str, message: str) -> bool:
        """Set a condition; False when it is so already."""
        conditions = job["status"].setdefault("conditions", [])
        if any((c["type"], c["status"]) == (kind, value) for c in conditions):
            return False
        now = stamp(self.context.now())
        new = {
            "type": kind,
            "status": value,
            "lastProbeTime": now,
            "lastTransitionTime": now,
            "reason": reason,
            "message": message,
        }
        job["status"]["conditions"] = [c for c in conditions if c["type"] != kind] + [new]
        return True

    async def _track(
        self, job: Object, before: Object, pods: Sequence[Object], counted: semantics.Count
    ) -> None:
        """Count ended pods for good: note them, take their finalizer off, then move them to the counts.

        A status that was written and a finalizer that was not are told apart by this after a crash, so that
        no pod is counted twice or never (`trackJobStatusAndRemoveFinalizers`).
        """
        status = job["status"]
        noted = status.setdefault("uncountedTerminatedPods", {})
        for name, new in (("succeeded", counted.new_succeeded), ("failed", counted.new_failed)):
            # Of an indexed Job the indexes count what has succeeded.
            if new and not (name == "succeeded" and semantics.is_indexed(job)):
                noted[name] = [*noted.get(name, []), *(uid_of(pod) for pod in new)]
        if noted:
            job = await self._write(job, before)
            before = deepcopy(job["status"])
            status = job["status"]
            noted = status.get("uncountedTerminatedPods") or {}
        for pod in pods:
            if has_ended(pod) or semantics.has_failed(pod, job):
                await self._untrack(pod)
        for name in ("succeeded", "failed"):
            if done := noted.get(name):
                status[name] = int(status.get(name, 0)) + len(done)
        status["uncountedTerminatedPods"] = {}
        if semantics.is_indexed(job) and counted.indexes:
            status["succeeded"] = len(counted.indexes)
            status["completedIndexes"] = semantics.format_indexes(counted.indexes)
        ended = self._finish(job)
        await self._write(job, before)
        if ended:
            self._recorder.event(job, *ended)

    def _finish(self, job: Object) -> tuple[str, str, str] | None:
        """The last condition, once the one that announces it holds and no pod is left; and its event."""
        if job["status"].get("active") or job["status"].get("terminating"):
            return None
        for announced, final in ((FAILURE_TARGET, FAILED), (CRITERIA_MET, COMPLETE)):
            said = next((c for c in job["status"].get("conditions") or [] if c["type"] == announced), None)
            if said is None or not self._condition(job, final, "True", said["reason"], said["message"]):
                continue
            if final == COMPLETE:
                job["status"]["completionTime"] = stamp(self.context.now())
                return NORMAL, "Completed", "Job completed"
            return WARNING, said["reason"], said["message"]
        return None

    async def _write(self, job: Object, before: Object) -> Object:
        if job["status"] == before:
            return job
        return await self.write_status(JOBS, job)

    # -- finalizers
    def _as_untracked(self, pod: Object) -> Object:
        if uid_of(pod) not in self._untracked:
            return pod
        if not semantics.is_tracked(pod):
            self._untracked.discard(uid_of(pod))
            return pod
        finalizers = [name for name in pod["metadata"]["finalizers"] if name != TRACKING]
        return {**pod, "metadata": {**pod["metadata"], "finalizers": finalizers}}

    async def _untrack(self, pod: Object) -> None:
        if not semantics.is_tracked(pod):
            return
        metadata = pod["metadata"]
        patch = {"metadata": {"uid": uid_of(pod), "$deleteFromPrimitiveList/finalizers": [TRACKING]}}
        try:
            await self.client.patch(
                PODS, metadata["namespace"], metadata["name"], patch, kind=STRATEGIC_MERGE_PATCH
            )
        except ApiError as error:
            if error.code not in (404, 409, 422):
                raise
        self._untracked.add(uid_of(pod))

    async def _untrack_orphan(self, key: str) -> None:
        pod = self._pods.store.by_key(key)
        if pod is not None and self._owner_of(pod) is None:
            await self._untrack(pod)


def _indexed(job: Object, index: int | None) -> Object:
    """The template of a pod that does one part of the work, told which (`addCompletionIndexEnvVariables`)."""
    template: Object = job["spec"]["template"]
    if index is None:
        return template
    template = deepcopy(template)
    metadata, spec = template.setdefault("metadata", {}), template["spec"]
    metadata["annotations"] = {**(metadata.get("annotations") or {}), semantics.INDEX: str(index)}
    metadata["labels"] = {**(metadata.get("labels") or {}), semantics.INDEX: str(index)}
    spec["hostname"] = f"{job['metadata']['name']}-{index}"
    source = {"fieldRef": {"fieldPath": f"metadata.labels['{semantics.INDEX}']"}}
    for container in [*(spec.get("initContainers") or []), *spec["containers"]]:
        env = container.setdefault("env", [])
        if not any(variable["name"] == "JOB_COMPLETION_INDEX" for variable in env):
            env.append({"name": "JOB_COMPLETION_INDEX", "valueFrom": source})
    return template
