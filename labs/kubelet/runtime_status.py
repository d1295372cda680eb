"""What the runtime has of one pod, as values (`pkg/kubelet/container/runtime.go`, PodStatus).

Read from CRI by `read_pod_status`; the pure functions of `actions` and `status` decide on it.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Protocol

from cri_api.v1 import api_pb2 as api

from labs.kubelet.cri import CriError

POD_NAME = "io.kubernetes.pod.name"
POD_NAMESPACE = "io.kubernetes.pod.namespace"
POD_UID = "io.kubernetes.pod.uid"
CONTAINER_NAME = "io.kubernetes.container.name"
CONTAINER_HASH = "io.kubernetes.container.hash"
RESTART_COUNT = "io.kubernetes.container.restartCount"
TERMINATION_PATH = "io.kubernetes.container.terminationMessagePath"
TERMINATION_POLICY = "io.kubernetes.container.terminationMessagePolicy"
GRACE_PERIOD = "io.kubernetes.pod.terminationGracePeriod"
PORTS = "io.kubernetes.container.ports"

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class State(Enum):
    """A container's state in CRI."""

    CREATED = api.CONTAINER_CREATED
    RUNNING = api.CONTAINER_RUNNING
    EXITED = api.CONTAINER_EXITED
    UNKNOWN = api.CONTAINER_UNKNOWN


@dataclass(frozen=True)
class ContainerState:
    id: str
    name: str
    state: State
    image: str
    image_ref: str
    hash: str
    restart_count: int
    created_at: datetime
    started_at: datetime
    finished_at: datetime
    exit_code: int
    reason: str
    message: str
    #: Where the container's termination message lies on the node.
    termination_file: str
    termination_policy: str
    log_path: str
    #: `uid`, `gid` and `supplementalGroups`, where the runtime tells.
    user: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SandboxState:
    id: str
    ready: bool
    created_at: datetime
    attempt: int
    ips: tuple[str, ...]
    host_network: bool


@dataclass(frozen=True)
class PodStatus:
    """Sandboxes and containers of one pod UID, newest first."""

    uid: str
    name: str = ""
    namespace: str = ""
    sandboxes: tuple[SandboxState, ...] = ()
    containers: tuple[ContainerState, ...] = field(default=())

    def newest(self, container: str) -> ContainerState | None:
        """The latest generation of a container."""
        return next((c for c in self.containers if c.name == container), None)

    def generations(self, container: str) -> list[ContainerState]:
        return [c for c in self.containers if c.name == container]

    @property
    def running(self) -> list[ContainerState]:
        return [c for c in self.containers if c.state is State.RUNNING]

    @property
    def ips(self) -> tuple[str, ...]:
        """The addresses of the newest sandbox, while it is ready."""
        return self.sandboxes[0].ips if self.sandboxes and self.sandboxes[0].ready else ()


def moment(nanoseconds: int) -> datetime:
    """A CRI timestamp."""
    return EPOCH + timedelta(microseconds=nanoseconds // 1000)


def container_state(status: api.ContainerStatus) -> ContainerState:
    """The value of one CRI container status."""
    path = status.annotations.get(TERMINATION_PATH, "")
    file = next((m.host_path for m in status.mounts if m.container_path == path), "")
    return ContainerState(
        status.id,
        status.labels.get(CONTAINER_NAME, status.metadata.name),
        State(status.state),
        status.image.image or status.image_ref,
        status.image_ref,
        status.annotations.get(CONTAINER_HASH, ""),
        int(status.annotations.get(RESTART_COUNT, "0") or 0),
        moment(status.created_at),
        moment(status.started_at),
        moment(status.finished_at),
        status.exit_code,
        status.reason,
        status.message,
        file,
        status.annotations.get(TERMINATION_POLICY, ""),
        status.log_path,
        _user(status),
    )


def _user(status: api.ContainerStatus) -> dict[str, Any]:
    if not status.user.HasField("linux"):
        return {}
    linux = status.user.linux
    return {"gid": linux.gid, "supplementalGroups": list(linux.supplemental_groups), "uid": linux.uid}


def sandbox_state(status: api.PodSandboxStatus) -> SandboxState:
    """The value of one CRI sandbox status."""
    network = status.network
    ips = tuple(ip for ip in (network.ip, *(a.ip for a in network.additional_ips)) if ip)
    return SandboxState(
        status.id,
        status.state == api.SANDBOX_READY,
        moment(status.created_at),
        status.metadata.attempt,
        ips,
        status.linux.namespaces.options.network == api.NODE,
    )


class Reader(Protocol):
    """What reading a pod's status needs of the runtime."""

    async def list_sandboxes(self, labels: dict[str, str] | None = None) -> list[api.PodSandbox]: ...
    async def list_containers(self, labels: dict[str, str] | None = None) -> list[api.Container]: ...
    async def sandbox_status(self, sandbox: str) -> api.PodSandboxStatus: ...
    async def container_status(self, container: str) -> api.ContainerStatus: ...


async def read_pod_status(cri: Reader, uid: str) -> PodStatus:
    """All that the runtime has of this UID. Raises CriError; what vanishes meanwhile is left out."""
    labels = {POD_UID: uid}
    listed_sandboxes, listed_containers = await asyncio.gather(
        cri.list_sandboxes(labels), cri.list_containers(labels)
    )
    found = await asyncio.gather(
        *(cri.sandbox_status(s.id) for s in listed_sandboxes),
        *(cri.container_status(c.id) for c in listed_containers),
        return_exceptions=True,
    )
    sandboxes: list[SandboxState] = []
    containers: list[ContainerState] = []
    for item in found:
        if isinstance(item, CriError) and item.not_found:
            continue
        if isinstance(item, BaseException):
            raise item
        if isinstance(item, api.PodSandboxStatus):
            sandboxes.append(sandbox_state(item))
        elif isinstance(item, api.ContainerStatus):
            containers.append(container_state(item))
    first = listed_sandboxes[0].metadata if listed_sandboxes else None
    return PodStatus(
        uid,
        first.name if first else "",
        first.namespace if first else "",
        tuple(sorted(sandboxes, key=lambda s: s.created_at, reverse=True)),
        tuple(sorted(containers, key=lambda c: c.created_at, reverse=True)),
    )
