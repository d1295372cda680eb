"""One probe, once (`pkg/probe`): exec, httpGet, tcpSocket. `lifecycle` uses the same for hooks.

A result is (success, output); what cannot be tried at all counts as a failure with the error as output,
as the kubelet's prober does after its retries.
"""

import asyncio
import errno
import os
import ssl
from collections.abc import Mapping
from functools import cache
from typing import Protocol

from cri_api.v1 import api_pb2 as api

from labs.kubelet.cri import CriError
from labs.kubelet.pod.model import Action, Container, Exec, HttpGet, TcpSocket

MAX_BODY = 10 * 1024
USER_AGENT = "kube-probe/1.36"
#: Go's words for what connect(2) says.
_DIAL = {
    errno.ECONNREFUSED: "connect: connection refused",
    errno.ENETUNREACH: "connect: network is unreachable",
    errno.EHOSTUNREACH: "connect: no route to host",
    errno.ETIMEDOUT: "connect: connection timed out",
}


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


async def probe(
    runtime: Execer, container_id: str, container: Container, action: Action, ip: str, timeout: int
) -> tuple[bool, str]:
    """Try `action` once within `timeout` seconds."""
    match action:
        case Exec(command):
            return await _exec(runtime, container_id, command, timeout)
        case HttpGet():
            return await _http(action, container, action.host or ip, timeout)
        case TcpSocket(port, host):
            return await _tcp(host or ip, port, container, timeout)


async def _exec(
    runtime: Execer, container_id: str, command: tuple[str, ...], timeout: int
) -> tuple[bool, str]:
    try:
        reply = await runtime.exec_sync(container_id, command, timeout)
    except CriError as error:
        if error.code == "DeadlineExceeded":
            return False, f'command timed out: "{" ".join(command)}" timed out after {timeout}s'
        return False, str(error)
    output = (reply.stdout + reply.stderr).decode(errors="replace")
    return reply.exit_code == 0, output[:MAX_BODY]


def _dial_error(error: OSError, address: str) -> str:
    why = _DIAL.get(error.errno or 0) or os.strerror(error.errno).lower() if error.errno else str(error)
    return f"dial tcp {address}: {why}"


async def _tcp(host: str, port: int | str, container: Container, timeout: int) -> tuple[bool, str]:
    try:
        number = resolve_port(port, container)
    except LookupError as error:
        return False, str(error)
    address = f"{host}:{number}"
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, number)
    except TimeoutError:
        return False, f"dial tcp {address}: i/o timeout"
    except OSError as error:
        return False, _dial_error(error, address)
    writer.close()
    return True, ""


@cache
def _unverified() -> ssl.SSLContext:
    """Probes do not check certificates (`InsecureSkipVerify`)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _http(action: HttpGet, container: Container, host: str, timeout: int) -> tuple[bool, str]:
    try:
        port = resolve_port(action.port, container)
    except LookupError as error:
        return False, str(error)
    path = action.path if action.path.startswith("/") else "/" + action.path
    url = f"{action.scheme.lower()}://{host}:{port}{path}"
    try:
        async with asyncio.timeout(timeout):
            status, body = await _get(action, host, port, path)
    except TimeoutError:
        return (
            False,
            f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)',
        )
    except ssl.SSLError as error:
        return False, f'Get "{url}": {error.reason or error}'
    except (asyncio.IncompleteReadError, ConnectionResetError, BrokenPipeError):
        return False, f'Get "{url}": EOF'
    except OSError as error:
        return False, f'Get "{url}": {_dial_error(error, f"{host}:{port}")}'
    if 200 <= status < 400:
        return True, body
    return False, f"HTTP probe failed with statuscode: {status}"


async def _get(action: HttpGet, host: str, port: int, path: str) -> tuple[int, str]:
    """Status and body of one GET; the connection is not kept, as the real prober's is not."""
    context = _unverified() if action.scheme == "HTTPS" else None
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        headers = {"Host": f"{host}:{port}", "User-Agent": USER_AGENT, "Accept": "*/*", "Connection": "close"}
        _override(headers, dict(action.headers))
        head = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
        writer.write(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
        await writer.drain()
        line = await reader.readuntil(b"\r\n")
        words = line.split()
        status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
        rest = await reader.read(MAX_BODY)
        return status, rest.partition(b"\r\n\r\n")[2].decode(errors="replace")
    finally:
        writer.close()


def _override(headers: dict[str, str], own: Mapping[str, str]) -> None:
    for name, value in own.items():
        match = next((k for k in headers if k.lower() == name.lower()), name)
        headers[match] = value
