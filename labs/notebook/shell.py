"""`%%node` and `%node`: shell commands on the node, their output in the cell while they run."""

from __future__ import annotations

import argparse
import codecs
import os
import re
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, NoReturn

from IPython.core.magic import no_var_expand

from labs.nodes.client import Connection
from labs.notebook.errors import NodeCommandError, NotebookError
from labs.notebook.session import Session

GRACE = 2.0
"""Seconds that a command gets to end after it was told to, before the connection to it is given up."""

_LINE = re.compile(
    r"\s*(?P<options>(?:(?:(?:-n|--node|--timeout)[ =]\S+|--check)\s+)*)(?P<command>.*)", re.DOTALL
)


class _Options(argparse.ArgumentParser):
    """The options of the magic, whose mistakes are the cell's and not the kernel's end."""

    def __init__(self) -> None:
        super().__init__(prog="%node", add_help=False)
        self.add_argument("-n", "--node")
        self.add_argument("--timeout", type=float)
        self.add_argument("--check", action="store_true")

    def error(self, message: str) -> NoReturn:
        raise NotebookError(f"{message}; known are -n NODE, --timeout SECONDS and --check")


def magic(session: Session) -> Callable[..., None]:
    """The magic for a session's cluster, as `register_magic_function` wants it."""

    def node(line: str, cell: str | None = None) -> None:
        """Run shell commands on the node: `%node COMMAND`, or `%%node` and the commands in the lines below.

        -n NODE: on that node instead of the first. --timeout SECONDS: give up after so long.
        --check: a failing command fails the cell.
        """
        given, script = (line, cell) if cell is not None else _split(line)
        options = _Options().parse_args(given.split())
        if not script.strip():
            raise NotebookError(
                "there is no command: %node COMMAND, or %%node and commands in the lines below"
            )
        status = run(session, ["bash", "-c", script], node=options.node, timeout=options.timeout)
        if status and options.check:
            raise NodeCommandError(f"the command ended with exit status {status}")
        if status:
            sys.stderr.write(f"[exit status {status}]\n")

    no_var_expand(node)  # `{.metadata.uid}` and `$HOME` are the shell's to read
    return node


def run(
    session: Session, argv: Sequence[str], *, node: str | None = None, timeout: float | None = None
) -> int:
    """Run a command on the node, copying its output to this cell as it comes; its exit status.

    Raises `NodeCommandError` when it takes longer than `timeout` seconds. An interrupt of the kernel goes to
    the command, as ^C in a terminal would.
    """
    with ExitStack() as stack:
        connection = stack.enter_context(session.connection())
        outputs = {}
        ends = []
        for stream in (sys.stdout, sys.stderr):
            ours, theirs = os.pipe()
            stack.callback(os.close, ours)
            ends.append(theirs)
            outputs[ours] = _decoder(stream.write)
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            request: dict[str, Any] = {
                "op": "exec",
                "node": node,
                "argv": list(argv),
                "env": {},
                "cwd": None,
                "tty": None,
            }
            connection.send(request, [nothing, *ends])
            connection.answer()
        finally:
            for end in (nothing, *ends):
                os.close(end)
        return _attend(connection, outputs, timeout)


def _attend(
    connection: Connection, outputs: dict[int, Callable[[bytes], None]], timeout: float | None
) -> int:
    deadline = time.monotonic() + timeout if timeout is not None else None
    open_ends = set(outputs)
    while True:
        try:
            ended = connection.wait(0)  # the exit may have come along with the answer, so ask before select
            left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
            ready, _, _ = select.select(
                [connection.socket.fileno(), *open_ends], [], [], 0 if ended else left
            )
            if not ready and not ended:
                _end(connection, timeout)
            for end in open_ends & set(ready):
                if not _copy(end, outputs[end]):
                    open_ends.discard(end)
            if ended:
                message, _ = connection.answer()
                _drain(open_ends, outputs)
                return int(message["exit"])
        except KeyboardInterrupt:
            connection.send({"signal": signal.SIGINT})


def _end(connection: Connection, timeout: float | None) -> None:
    connection.send({"signal": signal.SIGTERM})
    connection.wait(GRACE)
    raise NodeCommandError(f"the command was ended after {timeout:g} s, the time that --timeout gave it")


def _drain(ends: set[int], outputs: dict[int, Callable[[bytes], None]]) -> None:
    """Copy what is left in the pipes, without waiting for a background process that keeps one open."""
    for end in ends:
        while select.select([end], [], [], 0)[0] and _copy(end, outputs[end]):
            continue


def _copy(end: int, write: Callable[[bytes], None]) -> bool:
    data = os.read(end, 1 << 16)
    write(data)
    return bool(data)


def _decoder(write: Callable[[str], object]) -> Callable[[bytes], None]:
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def copy(data: bytes) -> None:
        write(decoder.decode(data, final=not data))

    return copy


def _split(line: str) -> tuple[str, str]:
    """The magic's own options at the start of a line, and the command after them as it was typed."""
    found = _LINE.fullmatch(line)
    assert found is not None  # it matches anything
    return found["options"], found["command"]
