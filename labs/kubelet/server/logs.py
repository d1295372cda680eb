"""`/containerLogs/NAMESPACE/POD/CONTAINER`: what `kubectl logs` comes in by."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from labs.kubelet.container_logs import LogOptions, read_log
from labs.kubelet.hostfs import HostFs
from labs.kubelet.pod.model import Pod
from labs.kubelet.runtime_status import ContainerState, State
from labs.kubelet.server.web import Exchange, Refused, Response

if TYPE_CHECKING:
    from labs.kubelet.kubelet import Kubelet

_PULLING = ("ErrImagePull", "ImagePullBackOff")


async def of_container(
    kubelet: "Kubelet", fs: HostFs, exchange: Exchange, namespace: str, name: str, container: str
) -> Response:
    """A container's log."""
    options = _options(exchange)
    pod = kubelet.pod_by_name(namespace, name)
    if pod is None:
        raise Refused(404, f'pod "{name}" does not exist')
    if pod.container(container) is None:
        raise Refused(404, f'container "{container}" not found in pod "{name}"')
    generation = _generation(kubelet, pod, container, previous=exchange.argument("previous") == "true")
    path = kubelet.logs.path(pod, container, generation.restart_count)

    def running() -> bool:
        status = kubelet.syncer.runtime_statuses.get(pod.uid)
        newest = status.newest(container) if status else None
        return newest is not None and newest.id == generation.id and newest.state is State.RUNNING

    return Response(200, _text(fs, path, read_log(fs, path, options, running)), "")


async def _text(fs: HostFs, path: str, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        async for line in lines:
            yield line
    except OSError as error:
        yield f'failed to try resolving symlinks in path "{path}": {error.strerror}\n'.encode()


def _generation(kubelet: "Kubelet", pod: Pod, container: str, *, previous: bool) -> ContainerState:
    """The container whose log is meant (`validateContainerLogStatus`)."""
    status = kubelet.syncer.runtime_statuses.get(pod.uid)
    generations = status.generations(container) if status else []
    if previous:
        dead = [c for c in generations if c.state is State.EXITED]
        running = generations and generations[0].state is not State.EXITED
        wanted = dead[:1] if running else dead[1:2] or dead[:1]
        if not wanted:
            raise Refused(400, f'previous terminated container "{container}" in pod "{pod.name}" not found')
        return wanted[0]
    if generations:
        return generations[0]
    entries: Any = kubelet.syncer.status_of(pod).get("containerStatuses", ())
    waiting: dict[str, str] = next(
        (e["state"].get("waiting", {}) for e in entries if e["name"] == container), {}
    )
    reason = waiting.get("reason", "ContainerCreating")
    why = "trying and failing to pull image" if reason in _PULLING else f"waiting to start: {reason}"
    raise Refused(400, f'container "{container}" in pod "{pod.name}" is {why}')


def _options(exchange: Exchange) -> LogOptions:
    """Raises Refused for what `PodLogOptions` does not allow."""

    def number(name: str, least: int) -> int | None:
        given = exchange.argument(name)
        if not given:
            return None
        try:
            value = int(given)
        except ValueError:
            raise Refused(400, '{"message": "Unable to decode query."}') from None
        if value < least:
            raise Refused(422, '{"message": "Invalid request."}')
        return value

    seconds, moment = number("sinceSeconds", 1), exchange.argument("sinceTime")
    if seconds is not None and moment:
        raise Refused(422, '{"message": "Invalid request."}')
    since = datetime.now(UTC) - timedelta(seconds=seconds) if seconds is not None else None
    if moment:
        try:
            since = datetime.fromisoformat(moment)
        except ValueError:
            raise Refused(400, '{"message": "Unable to decode query."}') from None
    return LogOptions(
        exchange.argument("follow") == "true",
        number("tail", 0) if exchange.argument("tail") not in ("", "all") else number("tailLines", 0),
        since,
        exchange.argument("timestamps") == "true",
        number("limitBytes", 1),
    )
