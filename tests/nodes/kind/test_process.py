"""How a command at Docker begins: with its pid, whatever arrives before it."""

from __future__ import annotations

import socket
import struct
from types import SimpleNamespace
from typing import Any

import pytest

from labs.nodes.kind.process import Docked
from labs.nodes.kind.stream import STDERR, STDOUT


class Api:
    """A Docker whose exec has already said all that it will, frame by frame."""

    def __init__(self, *frames: tuple[int, bytes]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.sendall(b"".join(struct.pack(">BxxxL", which, len(data)) + data for which, data in frames))
        response = SimpleNamespace(raw=SimpleNamespace(_fp=SimpleNamespace(fp=ours.makefile("rb"))))
        self.connection = SimpleNamespace(_sock=ours, _response=response)

    def exec_start(self, *_: object, **__: object) -> Any:
        return self.connection


def start(*frames: tuple[int, bytes]) -> Docked:
    return Docked(Api(*frames), "node", "exec", terminal=False)


def test_the_pid_comes_first_and_is_no_output_of_the_command() -> None:
    docked = start((STDOUT, b"42\nhel"), (STDOUT, b"lo"), (STDERR, b"oops"))

    assert docked.pid == 42
    assert list(docked.outputs()) == [(STDOUT, b"hel"), (STDOUT, b"lo"), (STDERR, b"oops")]


def test_a_complaint_that_overtakes_the_pid_stays_a_complaint() -> None:
    docked = start((STDERR, b"refused\n"), (STDOUT, b"4"), (STDOUT, b"2\n"), (STDERR, b"bye\n"))

    assert docked.pid == 42
    assert list(docked.outputs()) == [(STDERR, b"refused\n"), (STDERR, b"bye\n")]


def test_what_docker_says_instead_of_a_pid_is_the_error() -> None:
    with pytest.raises(OSError, match=r"^OCI runtime exec failed: no such directory$"):
        start((STDOUT, b"OCI runtime exec failed:\nno such directory\n"))
