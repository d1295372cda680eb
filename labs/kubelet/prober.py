"""One probe, once (`pkg/probe`): exec, httpGet, tcpSocket, grpc. `lifecycle` uses the same for hooks.

What cannot be tried at all (no such port, no such container), or breaks off in the middle of an answer, is an
error and says nothing of the container.
"""

import asyncio
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from cri_api.v1 import api_pb2 as api

from labs.golang import dialerrors
from labs.golang.httpresponse import BodyError
from labs.kubelet.cri import CriError
from labs.kubelet.http_get import MAX_BODY, PROBE, HttpFailure, http_get
from labs.kubelet.pod.model import Action, Container, Exec, Grpc, HttpGet, TcpSocket

if TYPE_CHECKING:
    import grpc


class Execer(Protocol):
    async def exec_sync(
        self, container: str, command: tuple[str, ...], timeout: int
    ) -> api.ExecSyncResponse: ...


class Outcome(Enum):
    SUCCESS = "success"
    #: Counts as success; said in an event.
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Result:
    """What a probe found, and what it has to say."""

    outcome: Outcome
    output: str = ""

    @property
    def good(self) -> bool:
        return self.outcome is not Outcome.FAILURE


class ProbeError(Exception):
    """The probe could not be tried to its end; the container is neither well nor unwell by it.

    `state` is what an event calls the result that is thrown away.
    """

    def __init__(self, text: str, state: str = "unknown") -> None:
        super().__init__(text)
        self.state = state


async def probe(
    runtime: Execer, container_id: str, container: Container, action: Action, ip: str, timeout: int
) -> Result:
    """Try `action` once within `timeout` seconds. Raises ProbeError."""
    match action:
        case Exec(command):
            code, output, errors = await execute(runtime, container_id, command, timeout)
            return Result(Outcome.SUCCESS if code == 0 else Outcome.FAILURE, (output + errors)[:MAX_BODY])
        case HttpGet():
            return await _http(action, container, action.host or ip, timeout)
        case TcpSocket(port, host):
            return await _tcp(host or ip, port, container, timeout)
        case Grpc(port, service):
            return await _grpc(f"{ip}:{port}", service, timeout)
    raise ProbeError(f"missing probe handler for {container.name}")


async def execute(
    runtime: Execer, container_id: str, command: tuple[str, ...], timeout: int
) -> tuple[int, str, str]:
    """Exit status, output and errors of a command in a container; -1 when it took too long.

    Raises ProbeError.
    """
    try:
        reply = await runtime.exec_sync(container_id, command, timeout)
    except CriError as error:
        if error.code == "DeadlineExceeded":
            return -1, f'command timed out: "{" ".join(command)}" timed out after {timeout}s', ""
        raise ProbeError(str(error)) from None
    output, errors = (each.decode(errors="replace") for each in (reply.stdout, reply.stderr))
    return reply.exit_code, output, errors


def port_of(port: int | str, container: Container) -> int:
    """A port's number; names are the container's ports'. Raises ProbeError."""
    if isinstance(port, int):
        return port
    for candidate in container.ports:
        if candidate.get("name") == port:
            return int(candidate["containerPort"])
    if port.isdigit():
        return int(port)
    raise ProbeError(f"couldn't find port: {port}")


async def _tcp(host: str, port: int | str, container: Container, timeout: int) -> Result:
    number = port_of(port, container)
    address = f"{host}:{number}"
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, number)
    except TimeoutError:
        return Result(Outcome.FAILURE, f"dial tcp {address}: i/o timeout")
    except OSError as error:
        return Result(Outcome.FAILURE, dialerrors.dial(error, host, number))
    writer.close()
    return Result(Outcome.SUCCESS)


async def _http(action: HttpGet, container: Container, host: str, timeout: int) -> Result:
    port = port_of(action.port, container)
    try:
        answer = await http_get(action, host, port, PROBE, timeout)
    except HttpFailure as failure:
        return Result(Outcome.FAILURE, str(failure))
    except BodyError as error:
        raise ProbeError(str(error), "failure") from None
    if 300 <= answer.status < 400:
        return Result(Outcome.WARNING, f"Probe terminated redirects, Response body: {answer.body}")
    if 200 <= answer.status < 300:
        return Result(Outcome.SUCCESS, answer.body)
    return Result(Outcome.FAILURE, f"HTTP probe failed with statuscode: {answer.status}")


async def _grpc(address: str, service: str, timeout: int) -> Result:
    """The health protocol of gRPC: `grpc.health.v1.Health/Check`."""
    import grpc

    options = [("grpc.enable_http_proxy", 0), ("grpc.primary_user_agent", PROBE.user_agent)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check", _health_request, _health_status)
        try:
            async with asyncio.timeout(timeout):
                await channel.channel_ready()
        except TimeoutError:
            why = "context deadline exceeded"
            text = f'timeout: failed to connect service "{address}" within {timeout}s: {why}'
            return Result(Outcome.FAILURE, text)
        try:
            status = await check(service, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            return Result(Outcome.FAILURE, _grpc_failure(error, timeout))
    if status != 1:
        words = {0: "UNKNOWN", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
        shown = words.get(status, str(status))
        return Result(Outcome.FAILURE, f'service unhealthy (responded with "{shown}")')
    return Result(Outcome.SUCCESS, "service healthy")


def _health_request(service: str) -> bytes:
    """HealthCheckRequest: field 1 is the service's name."""
    name = service.encode()
    return b"\x0a" + bytes([len(name)]) + name if name else b""


def _health_status(message: bytes) -> int:
    """HealthCheckResponse: field 1 is the status, 0 when left out."""
    return message[1] if message[:1] == b"\x08" else 0


def _grpc_failure(error: "grpc.aio.AioRpcError", timeout: int) -> str:
    name, details = error.code().name, error.details() or ""
    if name == "UNIMPLEMENTED":
        protocol = "the grpc health protocol (grpc.health.v1.Health)"
        return f"error: this server does not implement {protocol}: {details}"
    if name == "DEADLINE_EXCEEDED":
        return f"timeout: health rpc did not complete within {timeout}s"
    code = "".join(word.capitalize() for word in name.split("_"))
    return f"error: health rpc probe failed: rpc error: code = {code} desc = {details}"
