"""Requests for objects: `client-go`'s rest and typed clients, with dicts for objects."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from labs.controlplane import klog
from labs.controlplane.nethttp import Failure, Pool
from labs.golang import genericresponse
from labs.golang.kubeconfig import KubeconfigError, RestConfig

Object = dict[str, Any]
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
#: How long a request other than a watch may take.
REQUEST_SECONDS = 30.0


class ApiError(Exception):
    """The API server said no, or was not there (`code` 0)."""

    def __init__(self, code: int, message: str, reason: str = "", details: Object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.details = details or {}

    @property
    def not_found(self) -> bool:
        return self.code == 404

    @property
    def conflict(self) -> bool:
        """Somebody else was faster (409), also in creating it."""
        return self.code == 409


@dataclass(frozen=True)
class Resource:
    """A kind and where its objects are."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL's path of all objects, of those of a namespace, of one, or of a part of one."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/" + "/".join(quote(part) for part in parts)


class Tokens(Protocol):
    """Where the bearer tokens of a user come from who has more than one in a day."""

    async def token(self) -> str:
        """The token to use now. Raises `ApiError`."""

    def reject(self, token: str) -> None:
        """The API server does not take this one."""


def _not_loaded(error: KubeconfigError) -> None:
    logger = "tls-transport-cache.UnhandledError"
    klog.error("cert_rotation.go:172", "Loading client cert failed", err=error, logger=logger)


class Client:
    """One user's requests to the API server; every method raises `ApiError`."""

    def __init__(
        self,
        config: RestConfig,
        user_agent: str,
        *,
        pool: Pool | None = None,
        tokens: Tokens | None = None,
    ) -> None:
        self.config = config
        self.user_agent = user_agent
        if pool is None:
            context = config.tls(_not_loaded)  # which judges the address, too
            pool = Pool(config.host, config.port, context)
        self._pool = pool
        self._tokens = tokens

    def named(self, suffix: str, tokens: Tokens | None = None) -> Client:
        """The same user, or the one of `tokens`, known to the audit log by another User-Agent.

        Connections are shared.
        """
        agent = f"{self.user_agent}/{suffix}"
        return Client(self.config, agent, pool=self._pool, tokens=tokens or self._tokens)

    async def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """One object."""
        return await self.request("GET", resource.path(namespace, name))

    async def list(self, resource: Resource, namespace: str = "", **query: str) -> Object:
        """All objects, as a List."""
        return await self.request("GET", resource.path(namespace), query=query)

    async def create(
        self, resource: Resource, namespace: str, obj: Object, *, name: str = "", subresource: str = ""
    ) -> Object:
        """Create an object, or act on one by a subresource such as `binding`."""
        return await self.request("POST", resource.path(namespace, name, subresource), obj)

    async def update(self, resource: Resource, obj: Object, *, subresource: str = "") -> Object:
        """Replace an object by its new state."""
        metadata = obj["metadata"]
        path = resource.path(metadata.get("namespace", ""), metadata["name"], subresource)
        return await self.request("PUT", path, obj)

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Object,
        *,
        kind: str = MERGE_PATCH,
        subresource: str = "",
        query: Mapping[str, str] | None = None,
    ) -> Object:
        """Change parts of an object; `kind` is the patch's content type."""
        path = resource.path(namespace, name, subresource)
        return await self.request("PATCH", path, patch, content_type=kind, query=query)

    async def delete(
        self, resource: Resource, namespace: str, name: str, options: Object | None = None
    ) -> Object:
        """Delete an object; `options` is a DeleteOptions."""
        return await self.request("DELETE", resource.path(namespace, name), options)

    async def request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        *,
        content_type: str = JSON,
        query: Mapping[str, str] | None = None,
        timeout: float = REQUEST_SECONDS,
    ) -> Object:
        """One request of any kind; the decoded answer."""
        target = f"{path}?{urlencode(query)}" if query else path
        data = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
        token = await self._token()
        status, payload = await self._send(method, target, token, data, content_type, timeout)
        if status == 401 and self._tokens is not None:
            self._tokens.reject(token)
            token = await self._token()
            status, payload = await self._send(method, target, token, data, content_type, timeout)
        return _decode(method, target, status, payload)

    async def _send(
        self, method: str, target: str, token: str, data: bytes, content_type: str, timeout: float
    ) -> tuple[int, bytes]:
        headers = self._headers(token) | ({"Content-Type": content_type} if data else {})
        try:
            async with asyncio.timeout(timeout), self._pool.request(method, target, headers, data) as answer:
                return answer.status, await answer.read()
        except TimeoutError:
            why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            raise self._unreachable(method, target, why) from None
        except Failure as failure:
            raise self._unreachable(method, target, str(failure)) from None

    async def watch(self, path: str, query: Mapping[str, str]) -> AsyncIterator[Object]:
        """The events of a watch until the server ends it."""
        target = f"{path}?{urlencode({**query, 'watch': 'true'})}"
        headers = self._headers(await self._token())
        try:
            async with self._pool.request("GET", target, headers) as answer:
                if answer.status != 200:
                    _decode("GET", target, answer.status, await answer.read())
                rest = b""
                async for chunk in answer.chunks():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        yield json.loads(line)
        except Failure as failure:
            raise self._unreachable("GET", target, str(failure)) from None

    def close(self) -> None:
        """Let go of the kept connections."""
        self._pool.close()

    async def _token(self) -> str:
        return await self._tokens.token() if self._tokens else self.config.token

    def _headers(self, token: str) -> dict[str, str]:
        headers = {"Accept": JSON, "User-Agent": self.user_agent}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return headers

    def _unreachable(self, method: str, target: str, why: str) -> ApiError:
        return ApiError(0, f'{method.capitalize()} "{self.config.server}{target}": {why}')


def _decode(method: str, target: str, status: int, payload: bytes) -> Object:
    try:
        document = json.loads(payload) if payload else {}
    except ValueError:
        document = None
    if status < 400 and isinstance(document, dict):
        return document
    told = document if isinstance(document, dict) and document.get("kind") == "Status" else {}
    if message := told.get("message"):
        raise ApiError(status, str(message), str(told.get("reason") or ""), told.get("details"))
    reason, message = genericresponse.refusal(method, target, status, payload)
    raise ApiError(status, message, reason)
