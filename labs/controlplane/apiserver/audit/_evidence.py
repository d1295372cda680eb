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
#: A record longer than this leaves its objects out, one after the other.
RECORD_LIMIT = 120 * 1024
READS = frozenset(("get", "list", "watch"))
TRUNCATED = "audit.k8s.io/truncated"
_OTHER_STAGES = frozenset(STAGES) - {COMPLETE}


class Evidence:
    """The socket to the supervisor."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    @classmethod
    def from_environment(cls) -> Evidence | None:
        """The socket whose number the environment has; children of this process must not have it."""
        number = os.environ.pop(EVIDENCE_FD, "")
        if not number.isdigit():
            return None
        connection = socket.socket(fileno=int(number))
        connection.setblocking(False)
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
        await asyncio.get_running_loop().sock_sendall(self._connection, _encode(event))


def _encode(event: dict[str, Any]) -> bytes:
    encoded = _message(event)
    for part in ("responseObject", "requestObject"):
        if len(encoded) > RECORD_LIMIT and part in event:
            event["annotations"][TRUNCATED] = "true"
            del event[part]
            encoded = _message(event)
    return encoded


def _message(event: dict[str, Any]) -> bytes:
    return json.dumps({"source": "audit", "event": event}, separators=(",", ":"), ensure_ascii=False).encode()
