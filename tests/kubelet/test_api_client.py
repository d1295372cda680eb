"""How the kubelet meets an API server that is slow, or silent."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from labs.controlplane.http import Request, Response, serve
from labs.golang import dialerrors
from labs.golang.kubeconfig import RestConfig
from labs.kubelet import api_client
from labs.kubelet.api_client import ApiClient, ApiError, HeartbeatClient
from tests.controlplane import pki

LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    pki.write(folder)
    return folder


def client_of(certificates: Path, listener: socket.socket) -> ApiClient:
    """A client of whoever listens there."""
    authority, certificate, key = (
        (certificates / name).read_bytes() for name in ("ca.crt", "admin.crt", "admin.key")
    )
    server = f"https://localhost:{listener.getsockname()[1]}"
    return client_for(RestConfig(server, authority, certificate, key))


def client_for(config: RestConfig) -> ApiClient:
    return ApiClient(config, config.tls(pytest.fail))


def meeting(
    certificates: Path,
    answer: Callable[[Request], Awaitable[Response]],
    ask: Callable[[ApiClient], Awaitable[str]],
) -> str:
    """What the client has to say of a server that answers so."""

    async def scenario() -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / "apiserver.crt", certificates / "apiserver.key")
        listener = socket.create_server(("127.0.0.1", 0))
        port = str(listener.getsockname()[1])
        server = await serve(answer, listener, context=context)
        client = client_of(certificates, listener)
        try:
            said = await ask(client)
        finally:
            await client.close()
            await server.close(0)
        return said.replace(port, "PORT")

    return asyncio.run(asyncio.wait_for(scenario(), 60))


async def complaint(asked: Awaitable[object]) -> str:
    """In what words a request fails."""
    with pytest.raises(ApiError) as failed:
        await asked
    assert failed.value.status == 0
    return str(failed.value)


def test_a_heartbeat_is_given_up_when_the_next_one_is_due(certificates: Path) -> None:
    async def never(request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError(request.target)

    async def beat(client: ApiClient) -> str:
        return await complaint(HeartbeatClient(client, 0.05).request("PUT", LEASE, {}))

    assert meeting(certificates, never, beat) == (
        f'Put "https://localhost:PORT{LEASE}?timeout=0.05s": '
        "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    )


def test_all_else_takes_as_long_as_the_server_takes(certificates: Path) -> None:
    asked, given_up = asyncio.Event(), asyncio.Event()

    async def slow(request: Request) -> Response:
        if request.method == "GET":
            asked.set()
            await given_up.wait()
            return Response(504, b'{"metadata":{},"message":"Timeout: request did not complete"}')
        await asyncio.Event().wait()
        raise AssertionError(request.target)

    async def ask(client: ApiClient) -> str:
        waiting = asyncio.create_task(client.request("GET", "/api/v1/namespaces/a/pods/b"))
        await asked.wait()
        await complaint(HeartbeatClient(client, 0.05).request("PUT", LEASE, {}))
        given_up.set()
        with pytest.raises(ApiError) as failed:
            await waiting
        return f"{failed.value.status} {failed.value}"

    assert meeting(certificates, slow, ask) == (  # what names no kind is no Status
        "504 the server was unable to return a response in the time allotted, "
        "but may still be processing the request (get pods b)"
    )


def failure(certificates: Path, server: str, authority: bytes | None = None) -> str:
    """What the client says of a server that it cannot reach."""
    names = ("ca.crt", "admin.crt", "admin.key")
    known, certificate, key = ((certificates / name).read_bytes() for name in names)

    async def scenario() -> str:
        client = client_for(RestConfig(server, authority or known, certificate, key))
        try:
            return await complaint(client.request("GET", "/x"))
        finally:
            await client.close()

    said = asyncio.run(asyncio.wait_for(scenario(), 60))
    assert said.startswith(f'Get "{server}/x": ')
    return said.removeprefix(f'Get "{server}/x": ')


def test_a_port_where_nobody_listens_is_told_in_gos_words(certificates: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

        why = failure(certificates, f"https://127.0.0.1:{port}")

    assert why == f"dial tcp 127.0.0.1:{port}: connect: connection refused"


def test_a_name_that_nobody_knows_is_told_in_gos_words(certificates: Path) -> None:
    assert failure(certificates, "https://api.invalid:6443") == dialerrors.lookup("api.invalid")


def test_an_authority_of_another_cluster_is_told_in_gos_words(certificates: Path) -> None:
    other = (certificates / "etcd/ca.crt").read_bytes()

    async def ask(client: ApiClient) -> str:
        server = client._server
        return await asyncio.to_thread(failure, certificates, server, other)

    async def answer(_: Request) -> Response:
        return Response(200)

    why = meeting(certificates, answer, ask)

    assert why == "tls: failed to verify certificate: x509: certificate signed by unknown authority"


def test_a_server_that_speaks_no_tls_is_told_in_gos_words(certificates: Path) -> None:
    async def answer(_: Request) -> Response:
        return Response(200)

    async def scenario() -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        server = await serve(answer, listener, context=None)
        try:
            url = f"https://127.0.0.1:{listener.getsockname()[1]}"
            return await asyncio.to_thread(failure, certificates, url)
        finally:
            await server.close(0)

    assert asyncio.run(scenario()) == "http: server gave HTTP response to HTTPS client"


def test_a_server_that_shakes_no_hands_is_told_in_gos_words(
    certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_client, "HANDSHAKE_SECONDS", 0.05)

    async def scenario() -> str:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = client_of(certificates, listener)
            said = await complaint(client.request("DELETE", "/api/v1/namespaces/a/pods/b"))
            await client.close()
            return said.replace(str(listener.getsockname()[1]), "PORT")

    said = asyncio.run(asyncio.wait_for(scenario(), 60))

    path = "https://localhost:PORT/api/v1/namespaces/a/pods/b"
    assert said == f'Delete "{path}": net/http: TLS handshake timeout'
