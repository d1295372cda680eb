"""What the runtime tells the cluster's judge: each step of each container, before the client hears of it.

The supervisor's socket is inherited (`CKS_EVIDENCE_FD`); without it (a test, a node of somebody else) there
is nobody to tell. A `{"ping": n}` from the other side is answered by `{"pong": n}`, so that the judge knows
that everything before it has arrived.
"""

import asyncio
import json
import os
import socket
import time
from datetime import UTC, datetime
from typing import Any

from labs.runtime.records import Container, Sandbox

ENVIRONMENT_VARIABLE = "CKS_EVIDENCE_FD"


class Evidence:
    """The runtime's end of the evidence socket, or nothing."""

    def __init__(self, connection: socket.socket | None) -> None:
        self._socket = connection
        if connection is not None:
            asyncio.get_running_loop().add_reader(connection, self._receive)

    @classmethod
    def inherited(cls) -> "Evidence":
        """By the environment variable, which is taken away from what this process starts."""
        number = os.environ.pop(ENVIRONMENT_VARIABLE, None)
        if number is None:
            return cls(None)
        os.set_inheritable(int(number), False)
        return cls(socket.socket(fileno=int(number)))

    @property
    def fd(self) -> int | None:
        """To be passed to the API server, which reports its audit trail over it."""
        return None if self._socket is None else self._socket.fileno()

    def started(self) -> None:
        self._send({"event": "RuntimeStarted"})

    def sandbox(self, event: str, sandbox: Sandbox) -> None:
        """`event` is SandboxCreated, SandboxStopped or SandboxRemoved."""
        self._send({"event": event, "id": sandbox.id, "sandbox": sandbox.id, "pod": _pod(sandbox)})

    def container(self, event: str, container: Container, sandbox: Sandbox | None) -> None:
        """`event` is ContainerCreated, ContainerStarted, ContainerExited or ContainerRemoved."""
        record = {
            "event": event,
            "id": container.id,
            "sandbox": container.sandbox_id,
            "pod": _pod(sandbox) if sandbox else None,
            "container": container.config.metadata.name,
            "image": container.image_name,
            "attempt": container.config.metadata.attempt,
        }
        if container.finished_at:
            record |= {"exitCode": container.exit_code, "reason": container.reason}
        self._send(record)

    def _send(self, record: dict[str, Any]) -> None:
        if self._socket is None:
            return
        now = datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        message = {"source": "runtime", "time": now, **record}
        # waits while the supervisor is busy: no answer may overtake its evidence
        self._socket.send(json.dumps(message).encode())

    def _receive(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        if not data:
            asyncio.get_running_loop().remove_reader(self._socket)
            return
        self._socket.send(json.dumps({"source": "runtime", "pong": json.loads(data)["ping"]}).encode())


def _pod(sandbox: Sandbox) -> dict[str, str]:
    of = sandbox.config.metadata
    return {"name": of.name, "namespace": of.namespace, "uid": of.uid}
