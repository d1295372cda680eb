"""The API server, as a kubelet uses it: JSON over HTTPS with the kubeconfig's client certificate.

The kubelet runs without it. A call that finds no server raises ApiError with status 0; `up` tells who waits
that the server has answered. aiohttp is imported on the first call, after the static pods have been started.
"""

import asyncio
import importlib
import json
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any

from labs.golang import dialerrors, genericresponse
from labs.golang.kubeconfig import RestConfig
from labs.tls import explain, no_default_authorities, note_refused

USER_AGENT = "kubelet/v1.36.2 (linux/amd64) kubernetes/8e16b12"
JSON = "application/json"
#: Go's default transport gives a handshake this long.
HANDSHAKE_SECONDS = 10


class ApiError(Exception):
    """The API server said no (`status` is HTTP's) or could not be reached (`status` 0)."""

    def __init__(self, status: int, message: str, reason: str = "") -> None:
        self.status = status
        self.reason = reason
        super().__init__(message)


class ApiClient:
    """Requests and watches. Every method raises ApiError."""

    def __init__(self, config: RestConfig, tls: ssl.SSLContext | None) -> None:
        self._server = config.server
        self._host, self._port, self._token = config.host, config.port, config.token
        self._tls = tls
        if tls is not None:
            note_refused(tls)
        self._session: Any = None
        self._starting = asyncio.Lock()
        self._up = asyncio.Event()

    async def up(self) -> None:
        """Wait until a call has been answered, whatever the answer was."""
        await self._up.wait()

    async def _http(self) -> Any:
        async with self._starting:
            if self._session is None:
                with no_default_authorities():
                    aiohttp = await asyncio.to_thread(importlib.import_module, "aiohttp")
                token = {"Authorization": f"Bearer {self._token}"} if self._token else {}
                self._session = aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(ssl=self._tls or False, limit=0, keepalive_timeout=60),
                    headers={"User-Agent": USER_AGENT, "Accept": JSON, **token},
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=HANDSHAKE_SECONDS),
                    auto_decompress=True,
                )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _unreachable(self, method: str, path: str, error: Exception) -> ApiError:
        """Go's words for a failed connection."""
        verb = {"GET": "Get", "POST": "Post", "PUT": "Put", "PATCH": "Patch", "DELETE": "Delete"}[method]
        inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", error)
        if type(error).__name__ == "ConnectionTimeoutError":
            why = "net/http: TLS handshake timeout"
        elif isinstance(error, asyncio.TimeoutError):
            why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        elif type(error).__name__ == "ServerDisconnectedError":
            why = "EOF"
        elif isinstance(inner, ssl.SSLError):
            why = explain(inner, self._tls, self._host)
        elif isinstance(inner, socket.gaierror):
            why = dialerrors.lookup(self._host)
        elif isinstance(inner, OSError):
            why = dialerrors.dial(inner, self._host, self._port)
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
        return _answer(method, path, response.status, payload)

    async def watch(self, path: str) -> AsyncIterator[dict[str, Any]]:
        """The events of a watch until the server ends it."""
        session = await self._http()
        import aiohttp

        try:
            async with session.get(f"{self._server}{path}") as response:
                if response.status != 200:
                    _answer("GET", path, response.status, await response.read())
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


def _answer(method: str, path: str, status: int, payload: bytes) -> dict[str, Any]:
    try:
        document = json.loads(payload) if payload else {}
    except ValueError:
        document = None
    if status < 400:
        return document if isinstance(document, dict) else {}
    told = document if isinstance(document, dict) and document.get("kind") == "Status" else {}
    if message := told.get("message"):
        raise ApiError(status, message, told.get("reason", ""))
    reason, message = genericresponse.refusal(method, path, status, payload)
    raise ApiError(status, message, reason)
