"""Records as CRI messages, and CRI filters over records."""

import time
from typing import Any

from cri_api.v1 import api_pb2 as cri

from labs.runtime.images import Image
from labs.runtime.records import Container, Sandbox


def sandbox_item(sandbox: Sandbox) -> Any:
    return cri.PodSandbox(
        id=sandbox.id,
        metadata=sandbox.config.metadata,
        state=sandbox.state,
        created_at=sandbox.created_at,
        labels=dict(sandbox.config.labels),
        annotations=dict(sandbox.config.annotations),
        runtime_handler=sandbox.runtime_handler,
    )


def sandbox_status(sandbox: Sandbox) -> Any:
    return cri.PodSandboxStatus(
        id=sandbox.id,
        metadata=sandbox.config.metadata,
        state=sandbox.state,
        created_at=sandbox.created_at,
        network=cri.PodSandboxNetworkStatus(ip=sandbox.ip if sandbox.ready else ""),
        linux=cri.LinuxPodSandboxStatus(namespaces=cri.Namespace(options=sandbox.namespaces)),
        labels=dict(sandbox.config.labels),
        annotations=dict(sandbox.config.annotations),
        runtime_handler=sandbox.runtime_handler,
    )


def container_item(container: Container) -> Any:
    return cri.Container(
        id=container.id,
        pod_sandbox_id=container.sandbox_id,
        metadata=container.config.metadata,
        image=container.config.image,
        image_ref=container.image_id,
        image_id=container.image_id,
        state=container.state,
        created_at=container.created_at,
        labels=dict(container.config.labels),
        annotations=dict(container.config.annotations),
    )


def container_status(container: Container) -> Any:
    return cri.ContainerStatus(
        id=container.id,
        metadata=container.config.metadata,
        state=container.state,
        created_at=container.created_at,
        started_at=container.started_at,
        finished_at=container.finished_at,
        exit_code=container.exit_code,
        image=cri.ImageSpec(image=container.image_name),
        image_ref=container.image_id,
        image_id=container.image_id,
        reason=container.reason,
        message=container.message,
        labels=dict(container.config.labels),
        annotations=dict(container.config.annotations),
        mounts=container.config.mounts,
        log_path=container.log_path,
        resources=cri.ContainerResources(linux=container.config.linux.resources),
    )


def image(image_: Image, size: int) -> Any:
    user = image_.user.partition(":")[0]
    return cri.Image(
        id=image_.id,
        repo_tags=list(image_.names),
        repo_digests=[image_.digest],
        size=size,
        uid=cri.Int64Value(value=int(user or 0)) if (user or "0").isdigit() else None,
        username="" if (user or "0").isdigit() else user,
        spec=cri.ImageSpec(image=image_.names[0]),
        pinned="pause" in image_.names[0],
    )


def sandbox_matches(sandbox: Sandbox, wanted: Any) -> bool:
    """Whether a PodSandboxFilter lets it through, its labels apart."""
    return sandbox.id.startswith(wanted.id) and (
        not wanted.HasField("state") or sandbox.state == wanted.state.state
    )


def container_matches(container: Container, wanted: Any) -> bool:
    """Whether a ContainerFilter lets it through, its labels apart."""
    return (
        container.id.startswith(wanted.id)
        and container.sandbox_id.startswith(wanted.pod_sandbox_id)
        and (not wanted.HasField("state") or container.state == wanted.state.state)
    )


def stats_match(container: Container, wanted: Any) -> bool:
    """Whether a ContainerStatsFilter lets it through, its labels apart."""
    return container.id.startswith(wanted.id) and container.sandbox_id.startswith(wanted.pod_sandbox_id)


def event(kind: Any, container: Container, sandbox: Sandbox | None, all_of_pod: list[Container]) -> Any:
    """What GetContainerEvents streams."""
    return cri.ContainerEventResponse(
        container_id=container.id,
        container_event_type=kind,
        created_at=time.time_ns(),
        pod_sandbox_status=sandbox_status(sandbox) if sandbox else None,
        containers_statuses=[container_status(each) for each in all_of_pod],
    )
