"""Whether a container's image is there, pulled if the policy says so (`images/image_manager.go`)."""

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from cri_api.v1 import api_pb2 as api

from labs.kubelet import klog
from labs.kubelet.backoff import Backoff
from labs.kubelet.cri import CriError
from labs.kubelet.events import NORMAL, WARNING, EventRecorder
from labs.kubelet.image_name import ImageNameError, with_tag
from labs.kubelet.pod.model import Container, Pod
from labs.kubelet.sync_errors import StartError

PRESENT = 'Container image "{}" already present on machine and can be accessed by the pod'


@dataclass(frozen=True)
class Image:
    """An image as the runtime has it, and the user it runs as: a number, or a name if there is one."""

    id: str
    user: int = 0
    user_name: str = ""

    @classmethod
    def of(cls, image: api.Image) -> "Image":
        if image.HasField("uid"):
            return cls(image.id, image.uid.value)
        return cls(image.id, 0, image.username)


class ImageService(Protocol):
    """What pulling needs of the runtime."""

    async def image_status(self, image: str) -> api.Image | None: ...
    async def pull_image(self, image: str, sandbox_config: api.PodSandboxConfig) -> str: ...


class ImageManager:
    """Pulls one image at a time, as `serializeImagePulls` asks, with a back-off per image and pod."""

    def __init__(self, cri: ImageService, events: EventRecorder, backoff: Backoff, parallel: bool) -> None:
        self._cri = cri
        self._events = events
        self._backoff = backoff
        self._turn: AbstractAsyncContextManager[None] = nullcontext() if parallel else asyncio.Lock()
        self._failed_at: dict[str, tuple[float, str]] = {}

    async def ensure(self, pod: Pod, container: Container, sandbox: api.PodSandboxConfig) -> Image:
        """The image in the runtime. Raises StartError."""
        try:
            name = with_tag(container.image)
        except ImageNameError as error:
            message = f'Failed to apply default image tag "{container.image}": {error}'
            self._events.pod(pod, WARNING, "InspectFailed", message, container)
            raise StartError(container.name, "InvalidImageName", message) from None
        try:
            image = await self._cri.image_status(name)
        except CriError as error:
            message = f'Failed to inspect image "{container.image}": {error}'
            self._events.pod(pod, WARNING, "InspectFailed", message, container)
            raise StartError(container.name, "ImageInspectError", message) from None
        if image is not None and container.pull_policy != "Always":
            self._events.pod(pod, NORMAL, "Pulled", PRESENT.format(container.image), container)
            return Image.of(image)
        if container.pull_policy == "Never":
            message = f'Container image "{container.image}" is not present with pull policy of Never'
            self._events.pod(pod, WARNING, "ErrImageNeverPull", message, container)
            raise StartError(container.name, "ErrImageNeverPull", message)
        return await self._pull(pod, container, name, sandbox)

    async def _pull(
        self, pod: Pod, container: Container, tagged: str, sandbox: api.PodSandboxConfig
    ) -> Image:
        name, key = container.image, f"{pod.uid}_{container.image}"
        loop = asyncio.get_running_loop()
        failed_at, why = self._failed_at.get(key, (0.0, ""))
        if why and self._backoff.remaining(key, failed_at):
            message = f'Back-off pulling image "{name}"'
            self._events.pod(pod, NORMAL, "BackOff", message, container)
            raise StartError(container.name, "ImagePullBackOff", f"{message}: ErrImagePull: {why}")
        self._events.pod(pod, NORMAL, "Pulling", f'Pulling image "{name}"', container)
        try:
            async with self._turn:
                started = loop.time()
                reference = await self._cri.pull_image(tagged, sandbox)
        except CriError as error:
            klog.error("remote_image.go:250", "PullImage from image service failed", error, image=name)
            klog.error("kuberuntime_image.go:43", "Failed to pull image", error.details, image=name)
            message = f'Failed to pull image "{name}": {error.details}'
            self._events.pod(pod, WARNING, "Failed", message, container)
            self._backoff.next(key, loop.time())
            self._failed_at[key] = (loop.time(), error.details)
            raise StartError(container.name, "ErrImagePull", error.details) from None
        self._failed_at.pop(key, None)
        took = f"{int((loop.time() - started) * 1000)}ms"
        message = f'Successfully pulled image "{name}" in {took} ({took} including waiting).'
        image = await self._cri.image_status(tagged)
        size = image.size if image else 0
        self._events.pod(pod, NORMAL, "Pulled", f"{message} Image size: {size} bytes.", container)
        return Image.of(image) if image else Image(reference)

    def forget(self, uid: str) -> None:
        """A pod is gone."""
        self._failed_at = {k: v for k, v in self._failed_at.items() if not k.startswith(f"{uid}_")}
