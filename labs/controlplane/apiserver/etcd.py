"""etcd's v3 API in its JSON form: `/v3/kv/range`, `/v3/kv/txn`, `/v3/watch` on the client port, over TLS.

The gRPC clients for Python cost the API server more than etcd itself takes to start, and the
packaged asyncio one cannot present a client certificate. The JSON gateway is part of every etcd 3.x.
Requests carry no Accept header: with one, etcd logs a warning per request that it ignores the
certificate's common name.
"""

from __future__ import annotations

import asyncio
import json
import posixpath
import ssl
import time
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from labs.controlplane import klog
from labs.controlplane.http import Client, ConnectionFailed, Reply
from labs.golang.quoting import quote

#: How long to wait before asking an etcd that does not answer once more.
RETRY_SECONDS = 0.05
#: A server that stays away is logged this often.
QUIET_SECONDS = 1.0
#: Codes of gRPC; the last is that of an etcd that is too busy, or has no leader.
INVALID_ARGUMENT, OUT_OF_RANGE, UNAVAILABLE = 3, 11, 14


class EtcdError(Exception):
    """etcd answered with an error, of one of gRPC's codes."""

    def __init__(self, message: str, code: int = UNAVAILABLE) -> None:
        super().__init__(message)
        self.code = code

    def __repr__(self) -> str:
        """As Go shows it (`%#v`)."""
        return f"rpctypes.EtcdError{{code:{self.code:#x}, desc:{quote(str(self))}}}"


class EtcdUnavailable(EtcdError):
    """No etcd answered in time, or it went away in the middle of a request."""

    def __repr__(self) -> str:
        return f"&status.Error{{s:(*status.Status)(0x{id(self):x})}}"


class Compacted(EtcdError):
    """The revision asked for is no longer kept."""

    def __init__(self, revision: int) -> None:
        super().__init__("etcdserver: mvcc: required revision has been compacted", OUT_OF_RANGE)
        self.revision = revision


class FutureRevision(EtcdError):
    """The revision asked for has not been reached."""


@dataclass(frozen=True, slots=True)
class KeyValue:
    """A key's value and the revision that wrote it."""

    key: str
    value: bytes
    revision: int


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a watch; `previous` is the value before it, when the key existed."""

    key: str
    revision: int
    value: bytes | None
    previous: bytes | None
    created: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """What a watch said at once.

    The first one says only that the watch stands (`created`) and where the store is; one without changes
    later says that none are outstanding up to `revision`.
    """

    revision: int
    changes: list[Change]
    created: bool = False


@dataclass(frozen=True)
class RangeResult:
    """Keys of a range at one revision of the store."""

    items: list[KeyValue]
    revision: int
    count: int


@dataclass(frozen=True)
class TxnResult:
    """Whether a transaction's condition held; `current` is the key as it is when it did not."""

    succeeded: bool
    revision: int
    current: KeyValue | None


def prefix_end(prefix: str) -> str:
    """The first key after every key that begins with `prefix`."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


class Keys:
    """Keys as the server writes them, below `/registry`, and in base64 as etcd has them, below a prefix."""

    ROOT = "/registry"

    def __init__(self, prefix: str) -> None:
        self._prefix = posixpath.normpath(posixpath.join("/", prefix)).rstrip("/")

    def encode(self, key: str) -> str:
        """For etcd; what is not below `/registry` stays as it is."""
        if self._prefix != self.ROOT and key.startswith(self.ROOT):
            key = self._prefix + key.removeprefix(self.ROOT)
        return b64encode(key.encode()).decode()

    def decode(self, text: str) -> str:
        """From etcd; what is not below the prefix is nobody's here."""
        key = b64decode(text).decode()
        if self._prefix == self.ROOT:
            return key
        inside = key.startswith(f"{self._prefix}/")
        return self.ROOT + key.removeprefix(self._prefix) if inside else f"//{key}"

    def value(self, kv: dict[str, Any]) -> KeyValue:
        """A key with its value."""
        value = b64decode(kv.get("value", ""))
        return KeyValue(self.decode(kv["key"]), value, int(kv["mod_revision"]))


class Etcd:
    """The servers of `--etcd-servers`; any that answers will do."""

    def __init__(self, servers: list[str], context: ssl.SSLContext | None, prefix: str = Keys.ROOT) -> None:
        """`prefix` is where etcd has what the server keeps below `/registry`."""
        self._keys = Keys(prefix)
        self._clients = []
        for server in servers:
            url = urlsplit(server)
            tls = context if url.scheme == "https" else None
            self._clients.append(Client(url.hostname or "127.0.0.1", url.port or 2379, context=tls))
        self._current = 0
        self._quiet_until = 0.0

    async def range(
        self, key: str, end: str | None = None, *, limit: int = 0, revision: int = 0, count_only: bool = False
    ) -> RangeResult:
        """The keys from `key` up to `end` (exclusive), or only `key`, now or at a past revision."""
        request: dict[str, Any] = {"key": self._keys.encode(key)}
        if end is not None:
            request["range_end"] = self._keys.encode(end)
        if limit:
            request["limit"] = str(limit)
        if revision:
            request["revision"] = str(revision)
        if count_only:
            request["count_only"] = True
        reply = await self._call("/v3/kv/range", request, repeatable=True)
        items = [self._keys.value(kv) for kv in reply.get("kvs", ())]
        return RangeResult(items, int(reply["header"]["revision"]), int(reply.get("count", 0)))

    async def put(self, key: str, value: bytes, *, if_revision: int, lease: str | None = None) -> TxnResult:
        """Write `key` when its modification revision is `if_revision` (0: when it does not exist)."""
        put = {"key": self._keys.encode(key), "value": b64encode(value).decode()}
        if lease is not None:
            put["lease"] = lease
        return await self._transact(key, if_revision, {"request_put": put})

    async def create_all(self, values: dict[str, bytes]) -> TxnResult:
        """Write all of these, if none of them exists."""
        request = {
            "compare": [
                {"target": "MOD", "result": "EQUAL", "key": self._keys.encode(key), "mod_revision": "0"}
                for key in values
            ],
            "success": [
                {"request_put": {"key": self._keys.encode(key), "value": b64encode(value).decode()}}
                for key, value in values.items()
            ],
        }
        reply = await self._call("/v3/kv/txn", request, repeatable=False)
        return TxnResult(bool(reply.get("succeeded", False)), int(reply["header"]["revision"]), None)

    async def delete(self, key: str, *, if_revision: int) -> TxnResult:
        """Remove `key` when its modification revision is `if_revision`."""
        return await self._transact(
            key, if_revision, {"request_delete_range": {"key": self._keys.encode(key)}}
        )

    async def _transact(self, key: str, revision: int, operation: dict[str, Any]) -> TxnResult:
        encoded = self._keys.encode(key)
        compare = {"target": "MOD", "result": "EQUAL", "key": encoded, "mod_revision": str(revision)}
        request = {
            "compare": [compare],
            "success": [operation],
            "failure": [{"request_range": {"key": encoded}}],
        }
        reply = await self._call("/v3/kv/txn", request, repeatable=False)
        current = None
        if not reply.get("succeeded", False):
            found = reply["responses"][0].get("response_range", {}).get("kvs")
            current = self._keys.value(found[0]) if found else None
        return TxnResult(bool(reply.get("succeeded", False)), int(reply["header"]["revision"]), current)

    async def grant(self, seconds: int) -> str:
        """A lease: keys written with it vanish when it ends."""
        reply = await self._call("/v3/lease/grant", {"TTL": str(seconds)}, repeatable=True)
        return str(reply["ID"])

    async def compact(self, revision: int) -> None:
        """Forget what was overwritten or deleted before `revision`."""
        await self._call("/v3/kv/compaction", {"revision": str(revision)}, repeatable=False)

    async def watch(self, prefix: str | None, revision: int) -> AsyncIterator[Batch]:
        """Changes under `prefix` (None: of any key) from `revision` on.

        Raises `Compacted` or `EtcdUnavailable`.
        """
        create = {
            "key": self._keys.encode(prefix or "\0"),
            "range_end": self._keys.encode(prefix_end(prefix) if prefix else "\0"),
            "start_revision": str(revision),
            "prev_kv": True,
            "progress_notify": True,
        }
        client = self._clients[self._current]
        try:
            body = json.dumps({"create_request": create}).encode()
            async with client.stream("POST", "/v3/watch", body) as answer:
                pending = b""
                async for chunk in answer.chunks():
                    *lines, pending = (pending + chunk).split(b"\n")
                    for line in lines:
                        if line:
                            yield _watch_batch(json.loads(line), self._keys)
        except ConnectionFailed as error:
            self._failed(error)
            raise EtcdUnavailable(str(error)) from error
        raise EtcdUnavailable("error reading from server: EOF")

    async def _call(self, path: str, request: dict[str, Any], *, repeatable: bool) -> dict[str, Any]:
        body = json.dumps(request, separators=(",", ":")).encode()
        reply = await self._until_sent(lambda client: client.request("POST", path, body), repeatable)
        try:
            document = json.loads(reply.body)
        except ValueError as error:
            raise EtcdUnavailable(f"unexpected answer: {reply.body[:80]!r}") from error
        if reply.status != 200:
            message = document.get("message") or document.get("error") or str(reply.status)
            if "has been compacted" in message:
                raise Compacted(0)
            if "is a future revision" in message:
                raise FutureRevision(message, OUT_OF_RANGE)
            if "request is too large" in message or "message larger than max" in message:
                raise EtcdError("etcdserver: request is too large", INVALID_ARGUMENT)
            raise EtcdError(message, document.get("code", UNAVAILABLE))
        return document  # type: ignore[no-any-return]

    async def _until_sent(self, send: Callable[[Client], Awaitable[Reply]], repeatable: bool) -> Reply:
        """Try until some server took the request; the caller's deadline ends the waiting."""
        while True:
            try:
                return await send(self._clients[self._current])
            except ConnectionFailed as error:
                self._failed(error)
                if error.sent and not repeatable:
                    message = f"rpc error: code = Unavailable desc = {error}"
                    raise EtcdUnavailable(message) from error
                await asyncio.sleep(RETRY_SECONDS)

    def _failed(self, error: ConnectionFailed) -> None:
        """Try the next server from now on; say why, now and then."""
        client = self._clients[self._current]
        self._current = (self._current + 1) % len(self._clients)
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET_SECONDS
            address = f'"{client.host}:{client.port}"'
            why = f"transport: Error while dialing: {error}" if str(error).startswith("dial ") else str(error)
            klog.warning(
                "logging.go:55",
                "[core] [Channel #1 SubChannel #2] grpc: addrConn.createTransport failed to connect to "
                f"{{Addr: {address}, ServerName: {address}, }}. Err: connection error: desc = "
                f"{klog.quote(why)}",
            )

    @property
    def servers(self) -> int:
        """How many there are."""
        return len(self._clients)

    async def healthy(self, server: int | None = None) -> None:
        """One small read of a server, if not of the one in use, tried once.

        Raises `ConnectionFailed` or `EtcdError` when it does not serve.
        """
        body = json.dumps({"key": self._keys.encode("/registry/health")}).encode()
        reply = await self._clients[self._current if server is None else server].request(
            "POST", "/v3/kv/range", body
        )
        if reply.status != 200:
            raise EtcdError(reply.body.decode("utf-8", "replace"))

    async def close(self) -> None:
        """Let go of the connections."""
        for client in self._clients:
            await client.close()


def _watch_batch(line: dict[str, Any], keys: Keys) -> Batch:
    if "error" in line:
        raise EtcdUnavailable(str(line["error"].get("message", line["error"])))
    result = line["result"]
    if result.get("canceled"):
        compacted = int(result.get("compact_revision", 0))
        if compacted:
            raise Compacted(compacted)
        raise EtcdUnavailable(result.get("cancel_reason", "watch canceled"))
    changes = [_change(event, keys) for event in result.get("events", ())]
    return Batch(int(result["header"].get("revision", 0)), changes, bool(result.get("created")))


def _change(event: dict[str, Any], keys: Keys) -> Change:
    kv = event["kv"]
    before = event.get("prev_kv")
    return Change(
        key=keys.decode(kv["key"]),
        revision=int(kv["mod_revision"]),
        value=None if event.get("type") == "DELETE" else b64decode(kv.get("value", "")),
        previous=b64decode(before.get("value", "")) if before else None,
        created=kv.get("create_revision") == kv["mod_revision"],
    )
