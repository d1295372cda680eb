"""`/exec`, `/attach`, `/portForward` and `/run`: into a container, by the runtime's streaming URL.

The runtime is asked for a URL, and the client's connection is joined with one to it; what the client speaks
and the runtime need not, `labs.streaming.proxy` translates.
"""

from typing import TYPE_CHECKING

from labs.kubelet.cri import CriError
from labs.kubelet.pod.model import Pod
from labs.kubelet.runtime_status import ContainerState, State
from labs.kubelet.server.web import JSON, Exchange, Refused, Response

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from labs.kubelet.kubelet import Kubelet


def answer(kubelet: "Kubelet", exchange: Exchange, parts: list[str]) -> "Awaitable[Response | None]":
    """`exec`, `attach` or `run`: /VERB/NAMESPACE/POD[/UID]/CONTAINER."""
    verb, namespace, name, *_, container = parts
    if verb == "run":
        return _run(kubelet, exchange, namespace, name, container)
    return _stream(kubelet, exchange, verb, (namespace, name), container)


def _pod(kubelet: "Kubelet", namespace: str, name: str, uid: str = "") -> Pod:
    pod = kubelet.pod_by_name(namespace, name)
    if pod is None:
        raise Refused(404, "pod does not exist")
    if uid and pod.uid != uid:
        raise Refused(404, "pod not found")
    return pod


def _running(kubelet: "Kubelet", pod: Pod, container: str) -> ContainerState:
    status = kubelet.syncer.runtime_statuses.get(pod.uid)
    newest = status.newest(container) if status else None
    if newest is None or newest.state is not State.RUNNING:
        raise Refused(500, f'container not found ("{container}")')
    return newest


def _failed(error: CriError) -> Refused:
    return Refused(404 if error.not_found else 500, str(error))


async def _run(kubelet: "Kubelet", exchange: Exchange, namespace: str, name: str, container: str) -> Response:
    """A command to its end: what it has printed. For legacy reasons its words are parted by spaces."""
    running = _running(kubelet, _pod(kubelet, namespace, name), container)
    command = exchange.argument("cmd").split(" ")
    try:
        result = await kubelet.cri.exec_sync(running.id, tuple(command), 0)
    except CriError as error:
        raise Refused(500, str(error)) from None
    if result.exit_code:
        said = result.stderr.decode(errors="replace")
        raise Refused(500, f"command '{' '.join(command)}' exited with {result.exit_code}: {said}")
    return Response(200, result.stdout + result.stderr, JSON)


async def _stream(
    kubelet: "Kubelet", exchange: Exchange, verb: str, where: tuple[str, str], container: str
) -> None:
    from labs.streaming import proxy, remotecommand

    tty, stdin, stdout, stderr = (
        exchange.argument(name) == "1" for name in ("tty", "input", "output", "error")
    )
    stderr = stderr and not tty
    if not (stdin or stdout or stderr):
        raise Refused(400, "you must specify at least 1 of stdin, stdout, stderr")
    running = _running(kubelet, _pod(kubelet, *where), container)
    streams = {"stdin": stdin, "stdout": stdout, "stderr": stderr, "tty": tty}
    try:
        if verb == "exec":
            url = await kubelet.cri.exec(running.id, exchange.query.get("command", []), **streams)
        else:
            url = await kubelet.cri.attach(running.id, **streams)
    except CriError as error:
        raise _failed(error) from None
    _require_upgrade(exchange)
    names = remotecommand.wanted(**streams)
    await proxy.command(exchange.head, exchange.connection, url, names)


async def port_forward(kubelet: "Kubelet", exchange: Exchange, parts: list[str]) -> None:
    """/portForward/NAMESPACE/POD[/UID]."""
    from labs.streaming import proxy

    pod = _pod(kubelet, *parts[1:])
    status = kubelet.syncer.runtime_statuses.get(pod.uid)
    if status is None or not status.sandboxes:
        raise Refused(500, f'pod not found ("{pod.full_name}")')
    try:
        url = await kubelet.cri.port_forward(status.sandboxes[0].id)
    except CriError as error:
        raise _failed(error) from None
    _require_upgrade(exchange)
    await proxy.ports(exchange.head, exchange.connection, url)


def _require_upgrade(exchange: Exchange) -> None:
    if "upgrade" not in exchange.head.headers.get("connection", "").lower():
        raise Refused(500, "Upgrade request required\n")
