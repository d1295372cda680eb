"""The commands on pods' sandboxes: pods, inspectp, stopp, rmp."""

import time
from argparse import Namespace
from typing import Any

from labs.tools.crictl.connection import Connection, cri
from labs.tools.crictl.containers import labels, matches, print_pairs, with_info
from labs.tools.crictl.errors import CrictlError
from labs.tools.crictl.render import ago, document, go_time, in_order, rfc3339, short, show, table

_STATES = {"ready": cri.SANDBOX_READY, "notready": cri.SANDBOX_NOTREADY}


def pods(connection: Connection, options: Namespace) -> None:
    try:
        found = _listed(connection, options)
        if options.output != "table":
            items = [document(each, nested=True) for each in found]
            show({"items": in_order(items) if options.output == "yaml" else items}, options.output)
            return
    except CrictlError as failure:
        raise CrictlError(f"listing pod sandboxes: {failure}") from failure
    if options.quiet:
        print("".join(f"{each.id}\n" for each in found), end="")
    elif options.verbose:
        for each in found:
            _print_verbose(each)
    else:
        print(_table(found, full=options.no_trunc), end="")


def _listed(connection: Connection, options: Namespace) -> list[Any]:
    wanted = cri.PodSandboxFilter(id=options.id or "", label_selector=labels(options.label))
    if options.state:
        if options.state.lower() not in _STATES:
            raise CrictlError("list pod sandboxes: --state should be ready or notready")
        wanted.state.state = _STATES[options.state.lower()]
    try:
        found = connection.runtime("ListPodSandbox", cri.ListPodSandboxRequest(filter=wanted)).items
    except CrictlError as failure:
        raise CrictlError(f"list pod sandboxes: {failure}") from failure
    found = sorted(found, key=lambda each: each.created_at, reverse=True)
    found = [
        each
        for each in found
        if matches(options.name, each.metadata.name) and matches(options.namespace, each.metadata.namespace)
    ]
    limit = 1 if options.latest else options.last or 0
    return found[:limit] if limit else found


def _state(sandbox: Any) -> str:
    return "Ready" if sandbox.state == cri.SANDBOX_READY else "NotReady"


def _table(found: list[Any], *, full: bool) -> str:
    now = time.time_ns()
    rows = [("POD ID", "CREATED", "STATE", "NAME", "NAMESPACE", "ATTEMPT", "RUNTIME")]
    rows += [
        (
            each.id if full else short(each.id),
            ago(each.created_at, now),
            _state(each),
            each.metadata.name,
            each.metadata.namespace,
            str(each.metadata.attempt),
            each.runtime_handler or "(default)",
        )
        for each in found
    ]
    return table(rows)


def _print_verbose(sandbox: Any) -> None:
    print(f"ID: {sandbox.id}")
    print(f"Name: {sandbox.metadata.name}")
    print(f"UID: {sandbox.metadata.uid}")
    print(f"Namespace: {sandbox.metadata.namespace}")
    if sandbox.metadata.attempt:
        print(f"Attempt: {sandbox.metadata.attempt}")
    print(f"Status: {_state(sandbox)}")
    print(f"Created: {go_time(sandbox.created_at)}")
    print_pairs("Labels", sandbox.labels)
    print_pairs("Annotations", sandbox.annotations)
    print(f"Runtime: {sandbox.runtime_handler or '(default)'}")
    print()


def inspect(connection: Connection, options: Namespace) -> None:
    for identity in options.ids:
        request = cri.PodSandboxStatusRequest(pod_sandbox_id=identity, verbose=not options.quiet)
        try:
            answer = connection.runtime("PodSandboxStatus", request)
        except CrictlError as failure:
            raise CrictlError(
                f"get the status of pod sandboxes: get pod sandbox status: {failure}"
            ) from failure
        if options.output == "table":
            _print_status(answer.status)
            continue
        status = document(answer.status)
        status["createdAt"] = rfc3339(answer.status.created_at)
        show(in_order(with_info({"status": status}, answer.info)), options.output)


def _print_status(status: Any) -> None:
    print(f"ID: {status.id}")
    print(f"Name: {status.metadata.name}")
    print(f"UID: {status.metadata.uid}")
    print(f"Namespace: {status.metadata.namespace}")
    print(f"Attempt: {status.metadata.attempt}")
    print(f"Status: {cri.PodSandboxState.Name(status.state)}")
    print(f"Created: {go_time(status.created_at)}")
    addresses = [status.network.ip, *(each.ip for each in status.network.additional_ips)]
    if addresses[0]:
        print(f"IP Addresses: {', '.join(addresses)}")
    print_pairs("Labels", status.labels)
    print_pairs("Annotations", status.annotations)


def stop(connection: Connection, options: Namespace) -> None:
    for identity in options.ids:
        try:
            connection.runtime("StopPodSandbox", cri.StopPodSandboxRequest(pod_sandbox_id=identity))
        except CrictlError as failure:
            raise CrictlError(f'stopping the pod sandbox "{identity}": {failure}') from failure
        print(f"Stopped sandbox {identity}")


def remove(connection: Connection, options: Namespace) -> None:
    ids = options.ids
    if options.all:
        ids = [each.id for each in connection.runtime("ListPodSandbox", cri.ListPodSandboxRequest()).items]
    for identity in ids:
        status = connection.runtime(
            "PodSandboxStatus", cri.PodSandboxStatusRequest(pod_sandbox_id=identity)
        ).status
        if status.state == cri.SANDBOX_READY:
            if not options.force:
                raise CrictlError(f'pod sandbox "{identity}" is running, please stop it first')
            connection.runtime("StopPodSandbox", cri.StopPodSandboxRequest(pod_sandbox_id=identity))
        connection.runtime("RemovePodSandbox", cri.RemovePodSandboxRequest(pod_sandbox_id=identity))
        print(f"Removed sandbox {identity}")
