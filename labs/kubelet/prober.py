"""One probe, once (`pkg/probe`): exec, httpGet, tcpSocket, grpc. `lifecycle` uses the same for hooks.

What cannot be tried at all (no such port, no such container) is an error and says nothing of the container.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urljoin, urlsplit

from cri_api.v1 import api_pb2 as api

from labs.golang import dialerrors
from labs.kubelet.cri import CriError
from labs.kubelet.pod.model import Action, Container, Exec, Grpc, HttpGet, TcpSocket

if TYPE_CHECKING:
    import grpc

MAX_BODY = 10 * 1024
MAX_REDIRECTS = 10
REDIRECTS = (301, 302, 303, 307, 308)
USER_AGENT = "kube-probe/1.36"


class Execer(Protocol):
    async def exec_sync(
        self, container: str, command: tuple[str, ...], timeout: int
    ) -> api.ExecSyncResponse: ...


def resolve_port(port: int | str, container: Container) -> int:
    """A port's number; names are the container's ports'. Raises LookupError."""
    if isinstance(port, int):
        return port
    for candidate in container.ports:
        if candidate.get("name") == port:
            return int(candidate["containerPort"])
    if port.isdigit():
        return int(port)
    raise LookupError(f"couldn't find port: {port}")


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
    """The probe could not be tried; the container is neither well nor unwell by it."""


class HttpFailure(Exception):
    """No answer to an HTTP request, in Go's words."""


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


def _port(port: int | str, container: Container) -> int:
    try:
        return resolve_port(port, container)
    except LookupError as error:
        raise ProbeError(str(error)) from None


async def _tcp(host: str, port: int | str, container: Container, timeout: int) -> Result:
    number = _port(port, container)
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


@cache
def _unverified() -> ssl.SSLContext:
    """Probes do not check certificates (`InsecureSkipVerify`)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _http(action: HttpGet, container: Container, host: str, timeout: int) -> Result:
    try:
        status, body, elsewhere = await http_get(action, container, host, timeout)
    except HttpFailure as failure:
        return Result(Outcome.FAILURE, str(failure))
    if elsewhere:
        return Result(Outcome.WARNING, f"Probe terminated redirects, Response body: {body}")
    if 200 <= status < 400:
        return Result(Outcome.SUCCESS, body)
    return Result(Outcome.FAILURE, f"HTTP probe failed with statuscode: {status}")


async def http_get(action: HttpGet, container: Container, host: str, timeout: int) -> tuple[int, str, bool]:
    """Status and body of the answer, and whether it wanted to lead to another host.

    Redirects on the same host are followed. Raises HttpFailure, or ProbeError for a port without a number.
    """
    port = _port(action.port, container)
    path = action.path if action.path.startswith("/") else "/" + action.path
    url = first = f"{action.scheme.lower()}://{host}:{port}{path}"
    try:
        async with asyncio.timeout(timeout):
            for _ in range(MAX_REDIRECTS):
                status, body, location = await _get(action, url)
                if status not in REDIRECTS or not location:
                    return status, body, 300 <= status < 400
                url = urljoin(url, location)
                if urlsplit(url).hostname != urlsplit(first).hostname:
                    return status, body, True
    except TimeoutError:
        why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    except ssl.SSLError as error:
        why = dialerrors.handshake(error)
    except (asyncio.IncompleteReadError, ConnectionResetError, BrokenPipeError):
        why = "EOF"
    except OSError as error:
        why = dialerrors.dial(error, urlsplit(url).hostname or "", _port_of(url))
    else:
        why = "stopped after 10 redirects"
    raise HttpFailure(f'Get "{url}": {why}') from None


def _port_of(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


async def _get(action: HttpGet, url: str) -> tuple[int, str, str]:
    """Status, body and Location of one GET; the connection is not kept, as the real prober's is not."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", _port_of(url)
    context = _unverified() if parts.scheme == "https" else None
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        headers = {"Host": f"{host}:{port}", "User-Agent": USER_AGENT, "Accept": "*/*", "Connection": "close"}
        _override(headers, dict(action.headers))
        head = "".join(f"{k}: {v}\r\n" for k, v in headers.items() if v)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        writer.write(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
        await writer.drain()
        line = await reader.readuntil(b"\r\n")
        words = line.split()
        status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
        location = ""
        while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
            name, _, value = line.decode(errors="replace").partition(":")
            if name.strip().lower() == "location":
                location = value.strip()
        body = await reader.read(MAX_BODY)
        return status, body.decode(errors="replace"), location
    finally:
        writer.close()


def _override(headers: dict[str, str], own: Mapping[str, str]) -> None:
    for name, value in own.items():
        match = next((k for k in headers if k.lower() == name.lower()), name)
        headers[match] = value


async def _grpc(address: str, service: str, timeout: int) -> Result:
    """The health protocol of gRPC: `grpc.health.v1.Health/Check`."""
    import grpc

    options = [("grpc.enable_http_proxy", 0), ("grpc.primary_user_agent", USER_AGENT)]
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
