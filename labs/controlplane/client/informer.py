"""List, then watch: client-go's Reflector and SharedInformer over one store and any number of handlers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from labs.controlplane import klog

from .backoff import Backoff
from .rest import ApiError, Client, Object, Resource
from .store import IndexFunction, Store, key_of

#: A watch is opened anew after between one and two times this, as client-go asks.
WATCH_SECONDS = 300
#: So many objects are asked for at once, where the server does not give all.
PAGE = 500
#: How errors end that come when nobody listens, somebody has just stopped, or takes longer than we wait.
_AWAY = ("connect: connection refused", "connection reset by peer", "EOF", "while awaiting headers)")
FACTORY = "k8s.io/client-go/informers/factory.go:177"


def _ignore(*_: Any) -> None:
    """What a handler does about a change that it does not care for."""


@dataclass(frozen=True)
class Handler:
    """Who is told of changes. The calls are synchronous and short: they put keys into work queues."""

    on_add: Callable[[Object], None] = _ignore
    on_update: Callable[[Object, Object], None] = _ignore
    on_delete: Callable[[Object], None] = _ignore


class _Expired(Exception):
    """The watch cannot go on from where it was: list again."""


class Informer:
    """The objects of one kind, as the API server has them, some milliseconds later."""

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        namespace: str = "",
        selectors: Mapping[str, str] | None = None,
        indices: Mapping[str, IndexFunction] | None = None,
        reflector: str = FACTORY,
    ) -> None:
        self.resource = resource
        self.store = Store(indices)
        self._client = client
        self._path = resource.path(namespace)
        self._selectors = dict(selectors or {})
        self._reflector = reflector
        self._handlers: list[Handler] = []
        self._synced = asyncio.Event()
        self._version = ""

    @property
    def synced(self) -> bool:
        """Whether the first list has been read and told to all handlers."""
        return self._synced.is_set()

    async def wait(self) -> None:
        """Wait until `synced`."""
        await self._synced.wait()

    def subscribe(self, handler: Handler) -> None:
        """Tell `handler` of every change, beginning with what is there."""
        self._handlers.append(handler)
        for obj in self.store:
            handler.on_add(obj)

    async def run(self) -> None:
        """Follow the API server for ever. One that does not listen is waited for without a word."""
        # The control plane comes up as one: until the first answer it is asked oftener than client-go does.
        starting, backoff = Backoff(0.05, 0.4), Backoff(0.8, 30.0)
        version, answered = "0", False
        while True:
            try:
                await self._list(version)
                version, answered = "", True
                while True:
                    await self._follow(backoff)
            except _Expired:
                continue
            except ApiError as error:
                answered = answered or not _is_away(error)
                if error.code == 410:
                    continue  # a page of a list that is too old: from the beginning
                if not _is_away(error):
                    self._complain(f"failed to list {self._type}: {error}")
                await asyncio.sleep((backoff if answered else starting).next())

    async def _follow(self, backoff: Backoff) -> None:
        """One watch. A server that has gone is waited for; nothing was missed meanwhile."""
        try:
            await self._watch()
        except ApiError as error:
            if error.code == 410:
                raise _Expired from None
            if not _is_away(error):
                self._complain(f"failed to watch {self._type}: {error}")
            await asyncio.sleep(backoff.next())

    async def _list(self, version: str) -> None:
        page = {**self._selectors, "limit": str(PAGE)}
        query = {**page, "resourceVersion": version} if version else page
        found = set[str]()
        while query:
            answer = await self._client.request("GET", self._path, query=query)
            for obj in answer.get("items") or ():
                # items of a list do not carry what the list says of them
                obj.setdefault("apiVersion", self.resource.api_version)
                obj.setdefault("kind", self.resource.kind)
                found.add(key_of(obj))
                self._put(obj)
            more = answer["metadata"].get("continue")
            query = {**page, "continue": more} if more else {}
        self._version = answer["metadata"]["resourceVersion"]
        for key in self.store.keys() - found:
            self._remove(key)
        self._synced.set()

    async def _watch(self) -> None:
        seconds = int(WATCH_SECONDS * (1 + random.random()))
        query = {
            **self._selectors,
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(seconds),
        }
        async for event in self._client.watch(self._path, query):
            obj = event["object"]
            match event["type"]:
                case "ADDED" | "MODIFIED":
                    self._put(obj)
                case "DELETED":
                    self._remove(key_of(obj), obj)
                case "ERROR":
                    raise ApiError(int(obj.get("code") or 500), obj.get("message", ""), obj.get("reason", ""))
            self._version = obj["metadata"]["resourceVersion"]

    def _put(self, obj: Object) -> None:
        obj["metadata"].pop("managedFields", None)  # nobody here reads them, and they are most of an object
        old = self.store.put(obj)
        if old is None:
            for handler in self._handlers:
                handler.on_add(obj)
        elif old["metadata"].get("resourceVersion") != obj["metadata"].get("resourceVersion"):
            for handler in self._handlers:
                handler.on_update(old, obj)

    def _remove(self, key: str, last: Object | None = None) -> None:
        known = self.store.remove(key)
        if known is not None:
            for handler in self._handlers:
                handler.on_delete(last or known)

    @property
    def _type(self) -> str:
        return f"*{self.resource.version}.{self.resource.kind}"

    def _complain(self, message: str) -> None:
        klog.error(
            "reflector.go:227", "Failed to watch", err=message, logger="UnhandledError",
            reflector=self._reflector, type=self._type,
        )  # fmt: skip


def _is_away(error: ApiError) -> bool:
    """Whether it is one that client-go's reflector says nothing of."""
    return error.code == 0 and str(error).endswith(_AWAY)


class Informers:
    """One informer for each kind, made when it is first asked for (SharedInformerFactory)."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._shared: dict[Resource, Informer] = {}
        self._tasks: dict[Resource, asyncio.Task[None]] = {}
        self._asked: dict[Resource, Informer] = {}

    def scoped(self) -> Informers:
        """The same informers, for somebody who waits only for those that he asks for."""
        scope = Informers(self._client)
        scope._shared, scope._tasks = self._shared, self._tasks
        return scope

    def of(self, resource: Resource) -> Informer:
        """The informer of a kind; it begins at the next `start`."""
        informer = self._shared.get(resource) or Informer(self._client, resource)
        self._shared[resource] = self._asked[resource] = informer
        return informer

    def start(self) -> None:
        """Start the informers that do not run yet."""
        for resource, informer in self._shared.items():
            if resource not in self._tasks:
                self._tasks[resource] = asyncio.create_task(
                    informer.run(), name=f"informer {resource.plural}"
                )

    @property
    def synced(self) -> bool:
        """Whether all that were asked for are."""
        return all(informer.synced for informer in self._asked.values())

    async def wait(self) -> None:
        """Wait until all that were asked for are synced."""
        for informer in list(self._asked.values()):
            await informer.wait()
