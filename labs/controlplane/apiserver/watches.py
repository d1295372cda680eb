"""A client's watch: the hub's changes, selected and shown as this client wants them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

from labs.controlplane.http import Response
from labs.core.field import forbidden

from . import codec, events, request_options, status
from .context import Context
from .representation import Representation
from .resources import Resource
from .selectors import Predicate
from .storage import Object, Storage
from .watching import Event, Hub, Subscription

#: A watch without a timeout of its own ends between these, as `--min-request-timeout` has it by default.
MIN_SECONDS, MAX_SECONDS = 1800.0, 3600.0
BOOKMARK_SECONDS = 60.0
#: How long a client may have to wait for changes that the store has and the hub has not.
CATCH_UP_SECONDS = 3.0
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class Watches:
    """Opens watches."""

    def __init__(self, storage: Storage, hub: Hub) -> None:
        self._storage = storage
        self._hub = hub

    async def open(
        self, ctx: Context, resource: Resource, shown: Representation, keep: Predicate | None
    ) -> Response:
        """The stream of a watch. What is wrong with the request is said before the stream begins."""
        request = ctx.request
        version = request_options.version(request.argument("resourceVersion"))
        initial = version == 0 or request.flag("sendInitialEvents")
        if request.flag("sendInitialEvents") and request.argument("resourceVersionMatch") != "NotOlderThan":
            error = forbidden(
                "resourceVersionMatch",
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            )
            raise status.invalid_object("meta.k8s.io", "ListOptions", "", [error])
        seconds = request_options.integer(request.argument("timeoutSeconds"))
        limit = float(seconds) if seconds > 0 else random.uniform(MIN_SECONDS, MAX_SECONDS)
        stream = _Stream(ctx, resource, shown, keep, limit)
        prefix = resource.key_prefix(ctx.target.namespace)
        body = self._run(stream, prefix, version, initial=initial)
        # The first step sets everything up: a refusal is raised here and not into the stream.
        first = await anext(body)
        headers = {"Cache-Control": "no-cache, private", "Content-Type": "application/json"}
        return Response(200, _prepend(first, body), headers)

    async def _run(
        self, stream: _Stream, prefix: str, version: int, *, initial: bool
    ) -> AsyncIterator[bytes]:
        present: list[Object] = []
        if initial:
            page = await self._storage.list(prefix)
            version, present = page.revision, [stored.object for stored in page.items]
        elif version > self._hub.revision and not await self._hub.wait_for(version, CATCH_UP_SECONDS):
            current = await self._storage.revision()
            if version > current:
                raise status.version_too_large(version, current)
        async with self._hub.subscribe(prefix, version) as (past, subscription):
            yield b"".join(stream.initial(present, version))
            reached = version
            for event in past:
                reached = event.revision
                yield stream.line(event)
            async for chunk in self._follow(stream, subscription, reached):
                yield chunk

    async def _follow(
        self, stream: _Stream, subscription: Subscription, reached: int
    ) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        end = loop.time() + stream.limit
        while (left := end - loop.time()) > 0:
            try:
                changes = await subscription.take(min(left, BOOKMARK_SECONDS))
            except EOFError:
                yield stream.error(status.expired("too old resource version"))
                return
            if changes:
                lines = b"".join(stream.line(event) for event in changes if event.revision > reached)
                if lines:
                    yield lines
            elif stream.bookmarks:
                yield stream.bookmark(max(reached, self._hub.revision))


class _Stream:
    """How one client sees changes."""

    def __init__(
        self, ctx: Context, resource: Resource, shown: Representation, keep: Predicate | None, limit: float
    ) -> None:
        self.limit = limit
        self.bookmarks = ctx.request.flag("allowWatchBookmarks")
        self._send_initial = ctx.request.flag("sendInitialEvents")
        self._resource = resource
        self._shown = shown
        self._keep = keep
        self._headings_sent = False

    def initial(self, present: list[Object], version: int) -> list[bytes]:
        """What is there already, for a client that did not list before."""
        lines = []
        for obj in present:
            visible = self._visible(obj)
            if visible is not None:
                lines.append(self._line("ADDED", visible))
        if self._send_initial and self.bookmarks:
            lines.append(self.bookmark(version, annotations={INITIAL_EVENTS_END: "true"}))
        return lines

    def line(self, event: Event) -> bytes:
        """A change as this client sees it, which may be not at all."""
        after = self._visible(event.after)
        before = self._visible(event.before)
        if after is None and before is None:
            return b""
        if after is None:
            kind, obj = "DELETED", before
        else:
            kind, obj = ("MODIFIED" if before is not None else "ADDED"), after
        assert obj is not None
        headings = self._shown.shape == "Table" and not self._headings_sent
        if headings:
            return self._line(kind, obj)
        key = (kind, self._shown, self._resource.group)
        line = event.cache.get(key)
        if line is None:
            line = event.cache[key] = self._line(kind, obj)
        return line

    def bookmark(self, revision: int, annotations: dict[str, str] | None = None) -> bytes:
        """How far this watch has come."""
        metadata: dict[str, Any] = {"resourceVersion": str(revision), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = annotations
        resource = self._resource
        obj = {"kind": resource.kind, "apiVersion": resource.group_version, "metadata": metadata}
        return codec.dump({"type": "BOOKMARK", "object": obj})

    def error(self, error: status.APIError) -> bytes:
        """The end of a watch that cannot go on."""
        return codec.dump({"type": "ERROR", "object": error.status()})

    def _visible(self, obj: Object | None) -> Object | None:
        if obj is None:
            return None
        if self._resource.group == "events.k8s.io":
            obj = events.from_core(obj)
        return obj if self._keep is None or self._keep(obj) else None

    def _line(self, kind: str, obj: Object) -> bytes:
        first = not self._headings_sent
        self._headings_sent = True
        return self._shown.event(self._resource, kind, obj, first=first)


async def _prepend(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        yield first
        async for chunk in rest:
            yield chunk
    finally:
        await rest.aclose()  # type: ignore[attr-defined]
