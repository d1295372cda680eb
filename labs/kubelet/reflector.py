"""List, then watch, then again: a local copy of a few objects (`client-go/tools/cache/reflector.go`).

Reconnects quietly while nothing listens where the API server should be. The handler hears of every object in
a list as `ADDED` and of every object missing from it as `DELETED`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Protocol
from urllib.parse import quote

from labs.kubelet import klog
from labs.kubelet.api_client import ApiError

FIRST_RETRY, LAST_RETRY = 0.2, 5.0
Handler = Callable[[str, dict[str, Any]], None]


class WatchApi(Protocol):
    """What watching needs of the API."""

    async def request(
        self, method: str, path: str, body: object = None, content_type: str = ""
    ) -> dict[str, Any]: ...
    def watch(self, path: str) -> AsyncIterator[dict[str, Any]]: ...


class Reflector:
    """Keeps `handler` told of the objects at `path` that match the field selector."""

    def __init__(
        self,
        api: WatchApi,
        path: str,
        kind: str,
        field_selector: str,
        handler: Handler,
        listed: Callable[[], None] = lambda: None,
    ) -> None:
        self._api = api
        self._kind = kind
        self._query = f"{path}?fieldSelector={quote(field_selector)}"
        self._handler = handler
        #: Called when the handler has heard of everything there is.
        self._listed = listed
        self._known: dict[str, dict[str, Any]] = {}

    async def run(self) -> None:
        """Until cancelled."""
        delay = FIRST_RETRY
        while True:
            try:
                version = await self._listed_to()
                delay = FIRST_RETRY
                await self._watch(version)
            except ApiError:
                await asyncio.sleep(delay)
                delay = min(delay * 2, LAST_RETRY)

    async def _listed_to(self) -> str:
        try:
            return await self._list()
        except ApiError as error:
            if error.status or not str(error).endswith("connect: connection refused"):
                klog.error(
                    "reflector.go:227", "Failed to watch", f"failed to list *v1.{self._kind}: {error}",
                    logger="UnhandledError", reflector="k8s.io/client-go/informers/factory.go:177",
                    type=f"*v1.{self._kind}",
                )  # fmt: skip
            raise

    async def _list(self) -> str:
        answer = await self._api.request("GET", self._query)
        items = {_key(item): item for item in answer.get("items", ())}
        for key in [k for k in self._known if k not in items]:
            self._handler("DELETED", self._known.pop(key))
        for key, item in items.items():
            if self._known.get(key) != item:
                self._known[key] = item
                self._handler("ADDED", item)
        self._listed()
        return str(answer.get("metadata", {}).get("resourceVersion", ""))

    async def _watch(self, version: str) -> None:
        query = f"{self._query}&watch=true&allowWatchBookmarks=true&resourceVersion={version}"
        async for event in self._api.watch(query):
            kind, item = event.get("type", ""), event.get("object", {})
            if kind in ("ADDED", "MODIFIED"):
                self._known[_key(item)] = item
            elif kind == "DELETED":
                self._known.pop(_key(item), None)
            elif kind == "ERROR":
                raise ApiError(int(item.get("code", 410)), item.get("message", "watch ended"))
            else:
                continue
            self._handler(kind, item)


def _key(item: Mapping[str, Any]) -> str:
    metadata = item["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}/{metadata.get('uid', '')}"
