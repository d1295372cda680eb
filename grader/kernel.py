"""Talking to a kernel that is not trusted: run a cell, collect what it shows, be back in time.

A small client of Jupyter's messaging protocol. Its only use of what the kernel sends is to know that a cell
has ended and to show the outputs to people; a kernel that lies about either deceives nobody but its reader.
Messages of a wrong shape are dropped, larger ones than `MESSAGE` make ZeroMQ close the channel, and it is
never connected to again: by then its address is in the student's hands.
"""

from __future__ import annotations

import contextlib
import enum
import os
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import zmq
from jupyter_client.session import Session
from nbformat import NotebookNode

from grader.errors import TroubleError
from grader.limits import MEBIBYTE, Limits
from grader.outputs import Outputs
from grader.sandbox import START_TIMEOUT, Box

MESSAGE = 4 * MEBIBYTE
QUEUED = 64

#: Between two looks at the memory of the box.
TICK = 0.25
#: After a cell ran out of time: for the interrupt to take effect.
GRACE = 5.0
#: After a cell's reply: for its last outputs.
REST = 2.0


class End(enum.Enum):
    """How a cell ended. From `KILLED` on there is no kernel any more."""

    OK = "it ran"
    ERROR = "it raised an exception"
    TIMEOUT = "it ran out of time and was interrupted"
    KILLED = "the kernel was stopped"
    DIED = "the kernel died"


@dataclass
class Ran:
    """One cell, executed."""

    end: End
    outputs: list[NotebookNode] = field(default_factory=list)
    why: str = ""

    @property
    def kernel_lost(self) -> bool:
        """No further cell can be executed."""
        return self.end in (End.KILLED, End.DIED)


class Kernel:
    """The kernel in a box. Use as a context manager, from one thread."""

    def __init__(self, box: Box, limits: Limits) -> None:
        self._box = box
        self._limits = limits
        self._time_left = limits.total_time
        self._output_left = limits.total_output
        self._iopub_heard = True
        self._session = Session(key=box.connection.key, signature_scheme="hmac-sha256")
        self._context = zmq.Context()
        self._shell = self._socket(zmq.DEALER, "shell")
        self._control = self._socket(zmq.DEALER, "control")
        self._iopub = self._socket(zmq.SUB, "iopub")
        self._iopub.setsockopt(zmq.SUBSCRIBE, b"")
        self._death = os.pidfd_open(box.process.pid)
        self._poller = zmq.Poller()
        for source in (self._shell, self._iopub, self._death):
            self._poller.register(source, zmq.POLLIN)

    def __enter__(self) -> Kernel:
        try:
            self._greet()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self._close()

    def execute(self, code: str) -> Ran:
        """Run one cell to its end, however that comes about. Only cells use up the notebook's time."""
        outputs = Outputs(min(self._limits.cell_output, self._output_left))
        if self._time_left <= 0:
            return self._kill(outputs, f"the notebook had used up its {self._limits.total_time:.0f} s")
        began = time.monotonic()
        try:
            return self._execute(code, outputs, min(self._limits.cell_time, self._time_left))
        finally:
            self._time_left -= time.monotonic() - began

    def _execute(self, code: str, outputs: Outputs, allowed: float) -> Ran:
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        request = self._send(self._shell, "execute_request", content)
        ran = self._wait(request, outputs, time.monotonic() + allowed)
        if ran is not None:
            return ran
        self._send(self._control, "interrupt_request", {})
        ran = self._wait(request, outputs, time.monotonic() + GRACE)
        if ran is None:
            return self._kill(outputs, f"a cell ran for {allowed:.0f} s and could not be interrupted")
        if not ran.kernel_lost:
            ran.end, ran.why = End.TIMEOUT, f"stopped after {allowed:.0f} s"
        return ran

    def _wait(self, request: str, outputs: Outputs, deadline: float) -> Ran | None:
        """Until the cell's reply and its last output are there; None when `deadline` comes first."""
        end: End | None = None
        idle = not self._iopub_heard
        while end is None or not idle:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            ready = dict(self._poller.poll(int(min(left, TICK) * 1000) + 1))
            if self._death in ready:
                return Ran(End.DIED, outputs.nodes, "its process ended")
            if (memory := self._box.memory()) > self._limits.memory:
                return self._kill(outputs, f"it held {memory // MEBIBYTE} MiB of memory")
            if self._iopub in ready:
                idle = self._take(self._iopub, request, outputs) == "idle" or idle
            if self._shell in ready and end is None and (said := self._take(self._shell, request, outputs)):
                end = End.OK if said == "ok" else End.ERROR
                deadline = min(deadline, time.monotonic() + REST)
        if end is None:
            return None
        self._iopub_heard = idle
        return Ran(end, outputs.nodes)

    def _take(self, socket: zmq.Socket[bytes], request: str, outputs: Outputs) -> str | None:
        """One message: the status it reports on `request`, if it does."""
        message = self._receive(socket)
        if message is None or message["parent"] != request:
            return None
        kind, content = message["kind"], message["content"]
        if kind == "status" and content.get("execution_state") == "idle":
            return "idle"
        if kind == "execute_reply":
            return "ok" if content.get("status") == "ok" else "error"
        self._output_left -= outputs.take(kind, content)
        return None

    def _receive(self, socket: zmq.Socket[bytes]) -> dict[str, Any] | None:
        """The next message, or None for one that is not signed or not a message."""
        try:
            frames = socket.recv_multipart(zmq.NOBLOCK)
            _, parts = self._session.feed_identities(frames)
            message = self._session.deserialize(parts)
            kind, content = message["header"]["msg_type"], message["content"]
            parent = message["parent_header"].get("msg_id")
        except (zmq.ZMQError, ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
            return None
        if not isinstance(kind, str) or not isinstance(content, dict):
            return None
        return {"kind": kind, "content": content, "parent": parent}

    def _send(self, socket: zmq.Socket[bytes], kind: str, content: dict[str, Any]) -> str:
        message = self._session.msg(kind, content)
        with contextlib.suppress(zmq.Again):  # the channel is closed: the reply will not come either
            socket.send_multipart(self._session.serialize(message), zmq.NOBLOCK)
        return str(message["header"]["msg_id"])

    def _greet(self) -> None:
        """Until both channels are known to carry messages. Nothing of the student's has run yet."""
        self._send(self._shell, "kernel_info_request", {})
        replied = heard = False
        deadline = time.monotonic() + START_TIMEOUT
        while not (replied and heard):
            ready = dict(self._poller.poll(int(TICK * 1000)))
            if self._death in ready or time.monotonic() > deadline:
                raise TroubleError("the kernel in the sandbox does not answer")
            for socket in (self._shell, self._iopub):
                if socket in ready and (message := self._receive(socket)):
                    replied = replied or message["kind"] == "kernel_info_reply"
                    heard = heard or socket is self._iopub
            if replied and not heard and not ready:
                # the subscription came after the first answer was published
                self._send(self._shell, "kernel_info_request", {})

    def _kill(self, outputs: Outputs, why: str) -> Ran:
        self._box.kill()
        return Ran(End.KILLED, outputs.nodes, why)

    def _socket(self, kind: int, channel: str) -> zmq.Socket[bytes]:
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RECONNECT_IVL, -1)
        socket.setsockopt(zmq.MAXMSGSIZE, MESSAGE)
        socket.setsockopt(zmq.RCVHWM, QUEUED)
        socket.connect(self._box.connection.endpoint(channel))
        return socket

    def _close(self) -> None:
        for socket in (self._shell, self._control, self._iopub):
            socket.close(0)
        self._context.term()
        os.close(self._death)
