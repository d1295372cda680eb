"""Removes finished Jobs when their time is up (`pkg/controller/ttlafterfinished`)."""

from __future__ import annotations

from labs.controlplane.client import ApiError, Handler

from ..context import ControllerContext
from ..controller import Controller
from ..kinds import JOBS
from ..objects import Object, key_of, uid_of
from .semantics import seconds_to_removal


class TTLAfterFinishedController(Controller):
    """The loop; keys are Jobs'."""

    name = "ttl-after-finished-controller"
    account = "ttl-after-finished-controller"
    source = "ttlafterfinished_controller.go:183"
    started = ("ttlafterfinished_controller.go:112", '"Starting TTL after finished controller"')

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._jobs = self.informer(JOBS)
        self._jobs.subscribe(Handler(self._look, lambda _, new: self._look(new)))

    def _look(self, job: Object) -> None:
        seconds = seconds_to_removal(job, self.context.now())
        if seconds is not None:
            self.queue.add_after(key_of(job), seconds)

    async def sync(self, key: str) -> None:
        job = self._jobs.store.by_key(key)
        if job is None:
            return
        seconds = seconds_to_removal(job, self.context.now())
        if seconds is None:
            return
        if seconds > 0:
            self.queue.add_after(key, seconds)
            return
        metadata = job["metadata"]
        options = {"propagationPolicy": "Foreground", "preconditions": {"uid": uid_of(job)}}
        try:
            await self.client.delete(JOBS, metadata["namespace"], metadata["name"], options)
        except ApiError as error:
            if not (error.not_found or error.conflict):
                raise
