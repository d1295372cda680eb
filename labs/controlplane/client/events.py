"""Events as client-go's two recorders write them: counted core/v1 ones and events.k8s.io/v1 series.

Recording never waits: one task sends what was recorded, in order, and gives up on what the server refuses.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

from labs.controlplane import klog

from . import timestamps
from .resources import CORE_EVENTS, EVENTS
from .rest import STRATEGIC_MERGE_PATCH, ApiError, Client, Object

Key = TypeVar("Key")
Value = TypeVar("Value")
#: A request that is made later.
Write = Callable[[], Awaitable[Any]]

NORMAL, WARNING = "Normal", "Warning"
KEPT = 1000
TRIES = 12
RETRY_SECONDS = 10.0
#: core/v1: as many events of one object and reason within ten minutes are told apart by their messages.
SIMILAR, SIMILAR_SECONDS = 10, 600.0
#: core/v1: of one source and object so many at once, then one every five minutes.
BURST, REFILL_SECONDS = 25, 300.0
#: events.k8s.io/v1: what happens again within six minutes is one series.
SERIES_SECONDS = 360.0


def reference(obj: Object, field_path: str = "") -> Object:
    """An ObjectReference to `obj`."""
    metadata = obj["metadata"]
    found = {
        "apiVersion": obj.get("apiVersion", ""),
        "fieldPath": field_path,
        "kind": obj.get("kind", ""),
        "name": metadata["name"],
        "namespace": metadata.get("namespace", ""),
        "resourceVersion": metadata.get("resourceVersion", ""),
        "uid": metadata.get("uid", ""),
    }
    return {key: value for key, value in found.items() if value}


def _name_of(regarding: Object, at: datetime) -> str:
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return f"{regarding['name']}.{since // timedelta(microseconds=1) * 1000:x}"


@dataclass
class _Known:
    """A core/v1 event that was sent, and how often it has happened."""

    event: Object
    sent: bool = False


class Recorder(Protocol):
    """Who writes what a scheduler has done."""

    async def run(self) -> None: ...

    def act(
        self, obj: Object, kind: str, reason: str, action: str, note: str, *, related: Object | None = None
    ) -> None: ...


class _Sender:
    """The requests that recording leads to, one after the other."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._queue: deque[Write] = deque(maxlen=KEPT)
        self._ready = asyncio.Event()

    def put(self, request: Write) -> None:
        self._queue.append(request)
        self._ready.set()

    async def run(self) -> None:
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._queue:
                await self._send(self._queue.popleft())

    async def _send(self, request: Write) -> None:
        for _ in range(TRIES):
            try:
                await request()
            except ApiError as error:
                if error.code:
                    klog.error("event.go:359", "Server rejected event (will not retry!)", err=error)
                    return
                klog.error("event.go:368", "Unable to write event (may retry after sleeping)", err=error)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return


@dataclass
class _Bucket:
    tokens: float
    at: float


@dataclass
class _Similar:
    messages: set[str]
    at: float


class EventRecorder:
    """core/v1 events of one component (`tools/record`): repetitions raise a count."""

    def __init__(
        self,
        client: Client,
        component: str,
        host: str = "",
        *,
        logged: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sender = _Sender(client)
        self._component, self._host, self._logged = component, host, logged
        self._clock = clock
        self._known: OrderedDict[tuple[str, ...], _Known] = OrderedDict()
        self._similar: OrderedDict[tuple[str, ...], _Similar] = OrderedDict()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._last = datetime.fromtimestamp(0, UTC)

    async def run(self) -> None:
        """Send for as long as the component runs."""
        await self._sender.run()

    def named(self, component: str) -> EventRecorder:
        """Another component's recorder, sending through the same task."""
        other = EventRecorder(
            self._sender.client, component, self._host, logged=self._logged, clock=self._clock
        )
        other._sender = self._sender
        return other

    def event(self, obj: Object, kind: str, reason: str, message: str, *, field_path: str = "") -> None:
        """Something happened to `obj`; `kind` is Normal or Warning."""
        involved = reference(obj, field_path)
        namespace = involved.get("namespace") or "default"
        if self._logged:
            klog.info(
                "event.go:389", "Event occurred",
                object="/".join(p for p in (involved.get("namespace"), involved["name"]) if p),
                fieldPath=field_path, kind=involved.get("kind", ""),
                apiVersion=involved.get("apiVersion", ""), type=kind, reason=reason, message=message,
            )  # fmt: skip
        about = (namespace, involved.get("kind", ""), involved["name"], involved.get("uid", ""), field_path)
        if not self._allowed("/".join(about)):
            return
        message, distinct = self._aggregate((*about, kind, reason), message)
        self._count((*about, kind, reason, distinct), involved, namespace, kind, reason, message)

    def act(
        self, obj: Object, kind: str, reason: str, action: str, note: str, *, related: Object | None = None
    ) -> None:
        """`SeriesRecorder.act` where the API has no events.k8s.io: core/v1 knows no action."""
        self.event(obj, kind, reason, note)

    def _allowed(self, about: str) -> bool:
        """Whether this many events of one object are still let through."""
        now = self._clock()
        bucket = self._buckets.setdefault(about, _Bucket(float(BURST), now))
        bucket.tokens = min(float(BURST), bucket.tokens + (now - bucket.at) / REFILL_SECONDS)
        bucket.at = now
        _bound(self._buckets, about)
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    def _aggregate(self, about: tuple[str, ...], message: str) -> tuple[str, str]:
        """The message to write, and what tells its event from similar ones."""
        now = self._clock()
        similar = self._similar.get(about)
        if similar is None or now - similar.at > SIMILAR_SECONDS:
            similar = self._similar[about] = _Similar(set(), now)
        similar.at = now
        similar.messages.add(message)
        _bound(self._similar, about)
        if len(similar.messages) < SIMILAR:
            return message, message
        similar.messages = set(list(similar.messages)[:SIMILAR])
        return f"(combined from similar events): {message}", ""

    def _count(
        self,
        key: tuple[str, ...],
        involved: Object,
        namespace: str,
        kind: str,
        reason: str,
        message: str,
    ) -> None:
        self._last = at = max(datetime.now(UTC), self._last + timedelta(microseconds=1))
        known = self._known.get(key)
        if known is None:
            source = {"component": self._component} | ({"host": self._host} if self._host else {})
            known = self._known[key] = _Known(
                {
                    "apiVersion": "v1",
                    "kind": "Event",
                    "metadata": {"name": _name_of(involved, at), "namespace": namespace},
                    "involvedObject": involved,
                    "reason": reason,
                    "source": source,
                    "firstTimestamp": timestamps.time_of(at),
                    "count": 0,
                    "type": kind,
                    "eventTime": None,
                    "reportingComponent": self._component,
                    "reportingInstance": self._host,
                }
            )
        known.event |= {
            "count": known.event["count"] + 1,
            "lastTimestamp": timestamps.time_of(at),
            "message": message,
        }
        _bound(self._known, key)
        self._sender.put(lambda: self._write(known))

    async def _write(self, known: _Known) -> None:
        event, metadata = dict(known.event), known.event["metadata"]
        if known.sent:
            patch = {part: event[part] for part in ("count", "lastTimestamp", "message")}
            try:
                await self._sender.client.patch(
                    CORE_EVENTS, metadata["namespace"], metadata["name"], patch, kind=STRATEGIC_MERGE_PATCH
                )
            except ApiError as error:
                if not error.not_found:
                    raise
            else:
                return
        await self._sender.client.create(CORE_EVENTS, metadata["namespace"], event)
        known.sent = True


@dataclass
class _Series:
    event: Object
    seen: float
    count: int = 1


class SeriesRecorder:
    """events.k8s.io/v1 events of one controller (`tools/events`): repetitions become a series."""

    def __init__(
        self, client: Client, controller: str, instance: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sender = _Sender(client)
        self._controller, self._instance = controller, instance
        self._clock = clock
        self._series: OrderedDict[tuple[str, ...], _Series] = OrderedDict()
        self._last = datetime.fromtimestamp(0, UTC)

    async def run(self) -> None:
        """Send for as long as the component runs."""
        await self._sender.run()

    def act(
        self, obj: Object, kind: str, reason: str, action: str, note: str, *, related: Object | None = None
    ) -> None:
        """`action` was taken about `obj`, with this outcome."""
        regarding = reference(obj)
        namespace = regarding.get("namespace") or "default"
        key = (
            *(namespace, regarding.get("kind", ""), regarding["name"], regarding.get("uid", "")),
            *(kind, reason, action, (related or {}).get("metadata", {}).get("uid", "")),
        )
        now = self._clock()
        series = self._series.get(key)
        if series is not None and now - series.seen < SERIES_SECONDS:
            self._again(series, now)
            return
        self._last = at = max(datetime.now(UTC), self._last + timedelta(microseconds=1))
        event = {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"name": _name_of(regarding, at), "namespace": namespace},
            "eventTime": timestamps.micro_time_of(at),
            "reportingController": self._controller,
            "reportingInstance": self._instance,
            "action": action,
            "reason": reason,
            "regarding": regarding,
            "note": note,
            "type": kind,
        } | ({"related": reference(related)} if related else {})
        series = self._series[key] = _Series(event, now)
        _bound(self._series, key)
        self._sender.put(lambda: self._create(series))

    def _again(self, series: _Series, now: float) -> None:
        """The second time makes the series known; the further ones are told by the next refresh."""
        series.count += 1
        series.seen = now
        if series.count == 2:
            self._sender.put(lambda: self._patch(series))

    async def _create(self, series: _Series) -> None:
        namespace = series.event["metadata"]["namespace"]
        await self._sender.client.create(EVENTS, namespace, dict(series.event))

    async def _patch(self, series: _Series) -> None:
        metadata = series.event["metadata"]
        patch = {"series": {"count": series.count, "lastObservedTime": timestamps.micro_now()}}
        await self._sender.client.patch(
            EVENTS, metadata["namespace"], metadata["name"], patch, kind=STRATEGIC_MERGE_PATCH
        )


def _bound(cache: OrderedDict[Key, Value], key: Key) -> None:
    """`key` is the last used one; what was not used for long is forgotten."""
    cache.move_to_end(key)
    if len(cache) > KEPT:
        cache.popitem(last=False)
