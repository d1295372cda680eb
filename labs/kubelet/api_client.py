"""The API server, as a kubelet uses it: JSON over HTTPS with the kubeconfig's client certificate.

The kubelet runs without it. A call that finds no server raises ApiError with status 0; `up` tells who waits
that the server has answered. aiohttp is imported on the first call, after the static pods have been started.
"""

import asyncio
import base64
import importlib
import json
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from labs import dialerrors
from labs.errors import LabsError
from labs.kubelet.hostfs import HostFs
from labs.kubelet.pod.decode import load_yaml
from labs.kubelet.pod.errors import ParseError

USER_AGENT = "kubelet/v1.36.2 (linux/amd64) kubernetes/8e16b12"
JSON = "application/json"
#: Go's default transport gives a handshake this long.
HANDSHAKE_SECONDS = 10


class KubeconfigError(LabsError):
    """The kubeconfig cannot be used."""


class ApiError(Exception):
    """The API server said no (`status` is HTTP's) or could not be reached (`status` 0)."""

    def __init__(self, status: int, message: str, reason: str = "") -> None:
        self.status = status
        self.reason = reason
        super().__init__(message)


@dataclass(frozen=True)
class Kubeconfig:
    """The current context of a kubeconfig file, PEM texts loaded."""

    server: str
    ca: bytes
    certificate: bytes
    key: bytes

    @classmethod
    def load(cls, fs: HostFs, path: str) -> "Kubeconfig":
        """Raises KubeconfigError."""
        try:
            document: Any = load_yaml(fs.read_bytes(path))
            context = _named(document["contexts"], document["current-context"])["context"]
            cluster = _named(document["clusters"], context["cluster"])["cluster"]
            user = _named(document["users"], context["user"])["user"]
            return cls(
                cluster["server"].rstrip("/"),
                _pem(fs, cluster, "certificate-authority"),
                _pem(fs, user, "client-certificate"),
                _pem(fs, user, "client-key"),
            )
        except (OSError, ParseError, KeyError, TypeError, ValueError, StopIteration) as error:
            raise KubeconfigError(
                f"unable to build a client from {path}: {error!r}; restore the kubeconfig"
            ) from None

    def context(self) -> ssl.SSLContext:
        """TLS towards the server. Raises ssl.SSLError for texts that are no PEM."""
        context = ssl.create_default_context(cadata=self.ca.decode())
        with tempfile.TemporaryDirectory() as folder:
            both = Path(folder) / "client.pem"
            both.touch(0o600)
            both.write_bytes(self.certificate + b"\n" + self.key)
            context.load_cert_chain(both)
        return context


def _named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(i for i in items if i["name"] == name)


def _pem(fs: HostFs, section: Mapping[str, str], name: str) -> bytes:
    if f"{name}-data" in section:
        return base64.b64decode(section[f"{name}-data"])
    return fs.read_bytes(section[name])


class ApiClient:
    """Requests and watches. Every method raises ApiError."""

    def __init__(self, kubeconfig: Kubeconfig) -> None:
        self._server = kubeconfig.server
        self._kubeconfig = kubeconfig
        self._session: Any = None
        self._starting = asyncio.Lock()
        self._up = asyncio.Event()

    async def up(self) -> None:
        """Wait until a call has been answered, whatever the answer was."""
        await self._up.wait()

    async def _http(self) -> Any:
        async with self._starting:
            if self._session is None:
                aiohttp = await asyncio.to_thread(importlib.import_module, "aiohttp")
                connector = aiohttp.TCPConnector(
                    ssl=self._kubeconfig.context(), limit=0, keepalive_timeout=60
                )
                self._session = aiohttp.ClientSession(
                    connector=connector,
                    headers={"User-Agent": USER_AGENT, "Accept": JSON},
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=HANDSHAKE_SECONDS),
                    auto_decompress=True,
                )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _unreachable(self, method: str, path: str, error: Exception) -> ApiError:
        """Go's words for a failed connection."""
        parts = urlsplit(self._server)
        verb = {"GET": "Get", "POST": "Post", "PUT": "Put", "PATCH": "Patch", "DELETE": "Delete"}[method]
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", error)
        if type(error).__name__ == "ConnectionTimeoutError":
            why = "net/http: TLS handshake timeout"
        elif isinstance(error, asyncio.TimeoutError):
            why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        elif type(error).__name__ == "ServerDisconnectedError":
            why = "EOF"
        elif isinstance(inner, ssl.SSLError):
            why = dialerrors.handshake(inner)
        elif isinstance(inner, socket.gaierror):
            why = dialerrors.lookup(host)
        elif isinstance(inner, OSError):
            why = dialerrors.dial(inner, host, port)
        else:
            why = str(error) or type(error).__name__
        return ApiError(0, f'{verb} "{self._server}{path}": {why}')

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,
        content_type: str = "",
        *,
        patience: float | None = None,
    ) -> dict[str, Any]:
        """One call; the decoded answer. The server decides how long it takes unless there is a `patience`."""
        session = await self._http()
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": content_type or JSON} if data is not None else {}
        import aiohttp

        url = f"{self._server}{path}"
        try:
            async with (
                asyncio.timeout(patience),
                session.request(method, url, data=data, headers=headers) as response,
            ):
                payload = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._up.clear()
            raise self._unreachable(method, path, error) from None
        self._up.set()
        return _answer(response.status, payload)

    async def watch(self, path: str) -> AsyncIterator[dict[str, Any]]:
        """The events of a watch until the server ends it."""
        session = await self._http()
        import aiohttp

        try:
            async with session.get(f"{self._server}{path}") as response:
                if response.status != 200:
                    _answer(response.status, await response.read())
                buffer = b""
                async for chunk in response.content.iter_any():
                    *lines, buffer = (buffer + chunk).split(b"\n")
                    for line in lines:
                        if line.strip():
                            yield json.loads(line)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise self._unreachable("GET", path, error) from None


class HeartbeatClient:
    """The API for a node's status and lease, given up after `patience` seconds: the next one is due then."""

    def __init__(self, client: ApiClient, patience: float) -> None:
        self._client = client
        self._patience = patience

    async def request(
        self, method: str, path: str, body: object = None, content_type: str = ""
    ) -> dict[str, Any]:
        """As the client's own; the server is told, too, how long is waited. Raises ApiError."""
        path += f"{'&' if '?' in path else '?'}timeout={self._patience:g}s"
        return await self._client.request(method, path, body, content_type, patience=self._patience)


def _answer(status: int, payload: bytes) -> dict[str, Any]:
    try:
        document = json.loads(payload) if payload else {}
    except ValueError:
        document = {"message": payload.decode(errors="replace").strip()}
    if not isinstance(document, dict):
        document = {"message": str(document)}
    if status >= 400:
        raise ApiError(status, document.get("message") or f"HTTP {status}", document.get("reason", ""))
    return document
