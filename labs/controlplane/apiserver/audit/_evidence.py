"""The records that a judge goes by: sent over the socket that was inherited from the node's supervisor."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from typing import Any

from ..context import Target, User
from ._event import COMPLETE
from ._policy import STAGES, Decision, Level

EVIDENCE_FD = "CKS_EVIDENCE_FD"
#: Whose reads are not worth a record: the judge's own.
JUDGE = "cks-labs:judge"
#: A record longer than this leaves out its objects, one after the other, and then whatever else is long.
RECORD_LIMIT = 120 * 1024
#: Of a text that no client is kept from making long: more than any name has.
LONGEST_TEXT = 256
#: Of a list or a map of such.
MOST_ITEMS = 24
READS = frozenset(("get", "list", "watch"))
TRUNCATED = "audit.k8s.io/truncated"
_OTHER_STAGES = frozenset(STAGES) - {COMPLETE}


class Evidence:
    """The socket to the supervisor."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._sending = asyncio.Lock()

    @classmethod
    def from_environment(cls) -> Evidence | None:
        """The socket whose number the environment has; children of this process must not have it."""
        number = os.environ.pop(EVIDENCE_FD, "")
        if not number.isdigit():
            return None
        connection = socket.socket(fileno=int(number))
        os.set_inheritable(connection.fileno(), False)
        return cls(connection)

    @staticmethod
    def decide(user: User, target: Target) -> Decision:
        """Every write is recorded and what the judge reads, with request and response for pods."""
        if not target.is_resource or (target.verb in READS and user.name != JUDGE):
            return Decision()
        level = Level.REQUEST_RESPONSE if target.resource == "pods" else Level.METADATA
        return Decision(level, _OTHER_STAGES)

    async def send(self, event: dict[str, Any]) -> None:
        """Hand over a record, when the supervisor has room for it.

        The socket itself stays blocking: the runtime, which waits in its `send`, has the same.
        """
        data = _encode(event)
        async with self._sending:
            while True:
                try:
                    self._connection.send(data, socket.MSG_DONTWAIT)
                    return
                except BlockingIOError:
                    await self._room()

    async def _room(self) -> None:
        loop, room = asyncio.get_running_loop(), asyncio.Event()
        loop.add_writer(self._connection, room.set)
        try:
            await room.wait()
        finally:
            loop.remove_writer(self._connection)


def _encode(event: dict[str, Any]) -> bytes:
    """In one message, however much the client made of its request: what it did is told in any case."""
    encoded = _message(event)
    for part in ("responseObject", "requestObject"):
        if len(encoded) > RECORD_LIMIT and part in event:
            event["annotations"][TRUNCATED] = "true"
            del event[part]
            encoded = _message(event)
    if len(encoded) > RECORD_LIMIT:
        event["annotations"][TRUNCATED] = "true"
        event["responseStatus"].pop("details", None)
        for user in ("user", "impersonatedUser"):
            event.get(user, {}).pop("extra", None)
        encoded = _message(_cut(event))
    return encoded


def _cut(value: Any) -> Any:
    match value:
        case str() if len(value) > LONGEST_TEXT:
            return f"{value[:LONGEST_TEXT]}..."
        case list():
            return [_cut(item) for item in value[:MOST_ITEMS]]
        case dict():
            return {key: _cut(item) for key, item in list(value.items())[:MOST_ITEMS]}
    return value


def _message(event: dict[str, Any]) -> bytes:
    return json.dumps({"source": "audit", "event": event}, separators=(",", ":"), ensure_ascii=False).encode()
