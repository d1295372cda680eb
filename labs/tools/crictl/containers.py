"""The commands on containers: ps, inspect, logs, exec, stop, rm, stats."""

import json
import re
import time
from argparse import Namespace
from typing import Any

from labs.tools.crictl import logs
from labs.tools.crictl.connection import Connection, cri
from labs.tools.crictl.errors import CrictlError
from labs.tools.crictl.render import ago, document, in_order, rfc3339, short, show, size, table

_STATES = {
    "created": cri.CONTAINER_CREATED,
    "running": cri.CONTAINER_RUNNING,
    "exited": cri.CONTAINER_EXITED,
    "unknown": cri.CONTAINER_UNKNOWN,
}
_LABEL = "io.kubernetes"


def state_name(state: Any) -> str:
    return str(cri.ContainerState.Name(state)).removeprefix("CONTAINER_").title()


def listed(connection: Connection, options: Namespace) -> list[Any]:
    """The containers that a command's filter flags mean, newest first."""
    wanted = cri.ContainerFilter(
        id=options.id or "", pod_sandbox_id=options.pod or "", label_selector=labels(options.label)
    )
    everything = options.all or options.last is not None or options.latest
    if options.state:
        if options.state.lower() not in _STATES:
            raise CrictlError("list containers: --state should be one of created, running, exited or unknown")
        wanted.state.state = _STATES[options.state.lower()]
    elif not everything:
        wanted.state.state = cri.CONTAINER_RUNNING
    try:
        found = connection.runtime("ListContainers", cri.ListContainersRequest(filter=wanted)).containers
    except CrictlError as failure:
        raise CrictlError(f"list containers: {failure}") from failure
    found = sorted(found, key=lambda each: each.created_at, reverse=True)
    found = [
        each
        for each in found
        if matches(options.name, each.metadata.name)
        and matches(options.namespace, each.labels.get(f"{_LABEL}.pod.namespace", ""))
        and _of_image(connection, options.image, each)
    ]
    limit = 1 if options.latest else options.last or 0
    return found[:limit] if limit else found


def labels(pairs: list[str]) -> dict[str, str]:
    parsed = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise CrictlError(f'incorrectly specified label "{pair}": expected key=value')
        parsed[key] = value
    return parsed


def matches(pattern: str | None, text: str) -> bool:
    """Whether a name filter, a regular expression, fits anywhere; none fits all."""
    try:
        return not pattern or re.search(pattern, text) is not None
    except re.error as wrong:
        raise CrictlError(f"error parsing regexp: {wrong}: `{pattern}`") from wrong


def _of_image(connection: Connection, wanted: str | None, container: Any) -> bool:
    if not wanted:
        return True
    request = cri.ImageStatusRequest(image=cri.ImageSpec(image=wanted))
    return bool(connection.images("ImageStatus", request).image.id == container.image_ref)


def ps(connection: Connection, options: Namespace) -> None:
    try:
        found = listed(connection, options)
        if options.output != "table":
            show(
                {
                    "containers": [
                        _in_yaml_order(document(each, nested=True), options.output) for each in found
                    ]
                },
                options.output,
            )
            return
    except CrictlError as failure:
        raise CrictlError(f"listing containers: {failure}") from failure
    now = time.time_ns()
    if options.quiet:
        print("".join(f"{each.id}\n" for each in found), end="")
    elif options.verbose:
        for each in found:
            _print_verbose(each, now)
    else:
        print(_table(connection, options, found, now), end="")


def _in_yaml_order(value: Any, format_: str) -> Any:
    return in_order(value) if format_ == "yaml" else value


def _table(connection: Connection, options: Namespace, found: list[Any], now: int) -> str:
    rows = [("CONTAINER", "IMAGE", "CREATED", "STATE", "NAME", "ATTEMPT", "POD ID", "POD", "NAMESPACE")]
    for each in found:
        image, identity, pod = each.image.image, each.id, each.pod_sandbox_id
        if options.resolve_image_path:
            status = connection.images("ImageStatus", cri.ImageStatusRequest(image=each.image)).image
            image = status.repo_tags[0] if status.repo_tags else image
        if not options.no_trunc:
            identity, pod = short(identity), short(pod)
            image = short(image) if image.startswith("sha256:") else image
        rows.append(
            (
                identity,
                image,
                ago(each.created_at, now),
                state_name(each.state),
                each.metadata.name,
                str(each.metadata.attempt),
                pod,
                each.labels.get(f"{_LABEL}.pod.name", "unknown"),
                each.labels.get(f"{_LABEL}.pod.namespace", "unknown"),
            )
        )
    return table(rows)


def _print_verbose(container: Any, now: int) -> None:
    print(f"ID: {container.id}")
    print(f"PodID: {container.pod_sandbox_id}")
    print(f"Namespace: {container.labels.get(f'{_LABEL}.pod.namespace', 'unknown')}")
    print(f"Name: {container.metadata.name}")
    print(f"Attempt: {container.metadata.attempt}")
    print(f"State: {state_name(container.state)}")
    print(f"Image: {container.image.image}")
    print(f"Created: {ago(container.created_at, now)}")
    print_pairs("Labels", container.labels)
    print_pairs("Annotations", container.annotations)
    print()


def print_pairs(title: str, pairs: Any) -> None:
    if pairs:
        print(f"{title}:")
        for key in sorted(pairs):
            print(f"\t{key} -> {pairs[key]}")


def inspect(connection: Connection, options: Namespace) -> None:
    """Status of containers, with the runtime's own view of each ("info") unless it shall be quiet."""
    for identity in options.ids:
        request = cri.ContainerStatusRequest(container_id=identity, verbose=not options.quiet)
        try:
            answer = connection.runtime("ContainerStatus", request)
        except CrictlError as failure:
            raise CrictlError(f"get the status of containers: get container status: {failure}") from failure
        if options.output == "table":
            _print_status(answer.status)
            continue
        status = document(answer.status)
        for name in ("created_at", "started_at", "finished_at"):
            status[_camel(name)] = rfc3339(getattr(answer.status, name))
        show(in_order(with_info({"status": status}, answer.info)), options.output)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def with_info(result: dict[str, Any], info: Any) -> dict[str, Any]:
    """A document with the runtime's own additions, each of which is JSON itself or plain text."""
    for key, value in info.items():
        try:
            result[key] = json.loads(value)
        except ValueError:
            result[key] = value
    return result


def _print_status(status: Any) -> None:
    now = time.time_ns()
    print(f"ID: {status.id}")
    if status.metadata.name:
        print(f"Name: {status.metadata.name}")
    if status.metadata.attempt:
        print(f"Attempt: {status.metadata.attempt}")
    print(f"State: {cri.ContainerState.Name(status.state)}")
    print(f"Created: {ago(status.created_at, now)}")
    if status.state != cri.CONTAINER_CREATED:
        print(f"Started: {ago(status.started_at, now)}")
    if status.state == cri.CONTAINER_EXITED:
        print(f"Finished: {ago(status.finished_at, now)}")
        print(f"Exit Code: {status.exit_code}")
    print_pairs("Labels", status.labels)
    print_pairs("Annotations", status.annotations)


def print_logs(connection: Connection, options: Namespace) -> None:
    status = _status(connection, options.id)
    path = status.log_path
    if options.previous:
        path = _previous(connection, status)
    if not path:
        raise CrictlError(f'the container "{options.id}" has no log')
    wanted = logs.Wanted(
        options.tail, options.since or "", options.timestamps, options.limit_bytes, options.stream or ""
    )

    def running() -> bool:
        return bool(_status(connection, status.id).state == cri.CONTAINER_RUNNING)

    logs.show(path, wanted, running if options.follow else None)


def _status(connection: Connection, identity: str) -> Any:
    return connection.runtime("ContainerStatus", cri.ContainerStatusRequest(container_id=identity)).status


def _previous(connection: Connection, status: Any) -> str:
    """The log of the container that this one replaced."""
    if status.metadata.attempt == 0:
        raise CrictlError(f'previous terminated container "{status.metadata.name}" not found')
    directory, _, _ = str(status.log_path).rpartition("/")
    return f"{directory}/{status.metadata.attempt - 1}.log"


def stop(connection: Connection, options: Namespace) -> None:
    for identity in options.ids:
        request = cri.StopContainerRequest(container_id=identity, timeout=options.timeout)
        try:
            connection.runtime("StopContainer", request)
        except CrictlError as failure:
            raise CrictlError(f'stopping the container "{identity}": {failure}') from failure
        print(identity)


def remove(connection: Connection, options: Namespace) -> None:
    ids = options.ids
    if options.all:
        ids = [
            each.id for each in connection.runtime("ListContainers", cri.ListContainersRequest()).containers
        ]
    for identity in ids:
        status = _status(connection, identity)
        if status.state == cri.CONTAINER_RUNNING:
            if not options.force:
                raise CrictlError(f'container "{identity}" is running, please stop it first')
            connection.runtime("StopContainer", cri.StopContainerRequest(container_id=identity, timeout=0))
        connection.runtime("RemoveContainer", cri.RemoveContainerRequest(container_id=identity))
        print(identity)


def stats(connection: Connection, options: Namespace) -> None:
    """Two looks, `seconds` apart: the processor's share is what was used in between."""
    wanted = cri.ContainerStatsFilter(
        id=options.id or "", pod_sandbox_id=options.pod or "", label_selector=labels(options.label)
    )
    request = cri.ListContainerStatsRequest(filter=wanted)
    first = {each.attributes.id: each for each in connection.runtime("ListContainerStats", request).stats}
    if options.output != "table":
        show(
            {
                "stats": [
                    _in_yaml_order(document(each, nested=True), options.output) for each in first.values()
                ]
            },
            options.output,
        )
        return
    time.sleep(options.seconds)
    rows = [("CONTAINER", "NAME", "CPU %", "MEM", "DISK", "INODES", "SWAP")]
    for each in sorted(
        connection.runtime("ListContainerStats", request).stats, key=lambda one: one.attributes.id
    ):
        before = first.get(each.attributes.id)
        layer = each.writable_layer
        rows.append(
            (
                short(each.attributes.id),
                each.attributes.metadata.name,
                f"{_share(before, each):.2f}",
                size(each.memory.working_set_bytes.value, 4),
                size(layer.used_bytes.value, 4),
                str(layer.inodes_used.value),
                size(each.swap.swap_usage_bytes.value, 4),
            )
        )
    print(table(rows), end="")


def _share(before: Any, after: Any) -> float:
    if before is None or after.cpu.timestamp <= before.cpu.timestamp:
        return 0.0
    used = after.cpu.usage_core_nano_seconds.value - before.cpu.usage_core_nano_seconds.value
    return float(used / (after.cpu.timestamp - before.cpu.timestamp) * 100)
