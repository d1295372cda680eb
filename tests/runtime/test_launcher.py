"""How far a bubblewrap has come, as the one who started it sees it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from labs.runtime.launcher import Command, Launcher, SetUpError

#: What a bubblewrap does with its descriptors before the launcher closes its own.
Course = Callable[[socket.socket], object]


class Started:
    """Stands for process 1 and for the bubblewrap that it starts."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self.gate: socket.socket
        self.ran = asyncio.Event()

    async def run(self, name: str, argv: Sequence[str], fds: Sequence[int], **_: Any) -> int:
        gate, info, _arguments = fds
        os.write(info, json.dumps({"child-pid": 4711}).encode())
        self.gate = socket.socket(fileno=os.dup(gate))
        self._course(self.gate)
        self.ran.set()
        return 4710

    async def wait(self, name: str) -> None:
        await asyncio.Event().wait()


def start(course: Course, later: Course = lambda gate: None) -> int:
    async def scenario() -> int:
        started: Any = Started(course)
        starting = asyncio.create_task(Launcher(started, started, "bwrap").start("c", Command(["true"])))
        await started.ran.wait()
        if started.gate.fileno() != -1:
            await asyncio.to_thread(started.gate.recv, 1, socket.MSG_PEEK)
            later(started.gate)
        return await asyncio.wait_for(starting, 30)

    return asyncio.run(scenario())


def finish(gate: socket.socket) -> None:
    gate.recv(1)
    gate.close()


def test_it_runs_once_its_byte_has_been_read() -> None:
    assert start(lambda gate: None, finish) == 4711


def test_one_that_fails_before_its_byte_is_read_has_not_run() -> None:
    with pytest.raises(SetUpError):
        start(lambda gate: None, lambda gate: gate.close())


def test_one_that_failed_before_its_byte_was_sent_has_not_run() -> None:
    with pytest.raises(SetUpError):
        start(lambda gate: gate.close())
