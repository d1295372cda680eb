"""A kubelet on a runtime in memory, whose API is served on a real port."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labs.kubelet.hostfs import HostFs
from labs.kubelet.kubelet import Kubelet
from labs.kubelet.server import web
from labs.kubelet.server.clients import server_context
from labs.kubelet.server.routes import KubeletServer
from labs.nodes.pki import CLIENT, Authority
from labs.streaming.http import Headers
from tests.kubelet.node import Node, manifest
from tests.kubelet.node import node as running_node

CA = "/etc/kubernetes/pki/ca.crt"
OPEN = {"anonymous_auth": True, "authorization_mode": "AlwaysAllow"}


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    kind: str
    text: str
    headers: Headers


@dataclass
class Served:
    """The node, and the port of its kubelet's API."""

    node: Node
    kubelet: Kubelet
    port: int
    folder: Path

    @property
    def pod(self) -> str:
        """The name of the static pod."""
        return f"web-{self.node.name}"

    async def ask(
        self,
        path: str,
        method: str = "GET",
        *,
        client: str | None = None,
        headers: dict[str, str] | None = None,
        plain: bool = False,
    ) -> Answer:
        """One request over a connection of its own, by the client whose certificate has that file's name."""
        tls = None if plain else self.trusting(client)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=tls)
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *_lines(headers or {"Connection": "close"})]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        data = await reader.read()
        writer.close()
        return _parsed(data)

    def trusting(self, client: str | None = None) -> ssl.SSLContext:
        """A client that looks at no server's certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if client is not None:
            context.load_cert_chain(self.folder / f"{client}.crt", self.folder / f"{client}.key")
        return context


def _lines(headers: dict[str, str]) -> list[str]:
    return [f"{name}: {value}" for name, value in headers.items()]


def _parsed(data: bytes) -> Answer:
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body, rest = b"", body
        while (size := int(rest.partition(b"\r\n")[0], 16)) > 0:
            rest = rest.partition(b"\r\n")[2]
            body, rest = body + rest[:size], rest[size + 2 :]
    return Answer(int(first.split()[1]), headers.get("content-type", ""), body.decode(), headers)


@asynccontextmanager
async def served(
    root: Path, api: Any = None, *, secure: bool = True, **settings: Any
) -> AsyncIterator[Served]:
    """A node with one running static pod `web`, and its kubelet's API.

    `api` answers reviews. Certificates of the users jane (group dev) and mallory (another authority's) are in
    a folder beside the node.
    """
    folder = root / "clients"
    folder.mkdir()
    authority, foreign = Authority.create("kubernetes"), Authority.create("kubernetes")
    authority.issue("jane", [CLIENT], organization="dev").write(folder, "jane")
    foreign.issue("mallory", [CLIENT], organization="system:masters").write(folder, "mallory")
    settings = {"client_ca_file": CA, **settings}
    (root / "node").mkdir()
    async with running_node(root / "node", api=False, **settings) as node:
        pki = root / "node/etc/kubernetes/pki"
        pki.mkdir(parents=True)
        (pki / "ca.crt").write_bytes(authority.certificate_pem)
        node.runtime.printed = (b"out\n", b"err\n")
        node.put("web.yaml", manifest())
        await node.runs()
        assert node.kubelet is not None
        kubelet = node.kubelet
        await node.until(lambda: any(s.running for s in kubelet.syncer.runtime_statuses.values()))
        kubelet.api = api
        fs = HostFs(str(root / "node"))
        server = KubeletServer(kubelet, fs, secure=secure)
        context = server_context(kubelet, fs) if secure else None
        listening = await web.listen(server.handle, "127.0.0.1", 0, context)
        try:
            yield Served(node, kubelet, listening.sockets[0].getsockname()[1], folder)
        finally:
            listening.close()
