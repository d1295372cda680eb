"""Making and removing pods for an owner, with the events that tell of it (`RealPodControl`)."""

from __future__ import annotations

from copy import deepcopy

from labs.controlplane.client import ApiError, Client
from labs.controlplane.client.events import NORMAL, WARNING, EventRecorder

from .kinds import PODS
from .objects import Object


class PodControl:
    """Acts as one controller."""

    def __init__(self, client: Client, recorder: EventRecorder) -> None:
        self._client = client
        self._recorder = recorder

    async def create(
        self,
        owner: Object,
        reference: Object,
        template: Object,
        *,
        base: str = "",
        finalizers: tuple[str, ...] = (),
    ) -> None:
        """Make a pod of a template; its name begins with `base`, or the owner's name. Raises `ApiError`."""
        metadata = {
            part: deepcopy(value)
            for part, value in (template.get("metadata") or {}).items()
            if part in ("labels", "annotations", "finalizers") and value
        }
        if finalizers:
            metadata["finalizers"] = [*metadata.get("finalizers", []), *finalizers]
        namespace = owner["metadata"]["namespace"]
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                **metadata,
                "generateName": base or f"{owner['metadata']['name']}-",
                "ownerReferences": [reference],
            },
            "spec": deepcopy(template["spec"]),
        }
        try:
            created = await self._client.create(PODS, namespace, pod)
        except ApiError as error:
            if not is_terminating(error):
                self._recorder.event(owner, WARNING, "FailedCreate", f"Error creating: {error}")
            raise
        self._recorder.event(owner, NORMAL, "SuccessfulCreate", f"Created pod: {created['metadata']['name']}")

    async def delete(self, owner: Object, pod: Object) -> None:
        """Delete a pod. Raises `ApiError`, also when it is gone already."""
        metadata = pod["metadata"]
        try:
            await self._client.delete(PODS, metadata["namespace"], metadata["name"])
        except ApiError as error:
            if not error.not_found:
                self._recorder.event(owner, WARNING, "FailedDelete", f"Error deleting: {error}")
            raise
        self._recorder.event(owner, NORMAL, "SuccessfulDelete", f"Deleted pod: {metadata['name']}")


def is_terminating(error: ApiError) -> bool:
    """Whether something could not be made because its namespace is going."""
    causes = error.details.get("causes") or []
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)
