"""A person's terminal joined to one on the node: keys in, screen out, its size followed."""

import errno
import fcntl
import os
import select
import signal
import struct
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labs.nodes.client import Connection

_CHUNK = 1 << 16


def interact(connection: "Connection", master: int) -> int:
    """Join stdin and stdout to the terminal behind `master`, until its command ends; its exit status."""
    with _raw(0), _following_size(0, master, connection), os.fdopen(master, "r+b", buffering=0):
        sources = [0, master, connection.socket.fileno()]
        while True:
            ended = connection.wait(0)
            ready, _, _ = select.select(sources, [], [], 0 if ended else None)
            if master in ready and not _copy(master, 1):
                sources.remove(master)
            if 0 in ready and not _copy(0, master):
                sources.remove(0)
            if ended:
                message, _ = connection.answer()
                while select.select([master], [], [], 0)[0] and _copy(master, 1):
                    pass
                return int(message["exit"])


def _copy(source: int, target: int) -> bool:
    """Copy what is there; whether more may come."""
    try:
        data = os.read(source, _CHUNK)
    except OSError as error:
        if error.errno != errno.EIO:  # how a terminal ends when nothing on the node has it open any more
            raise
        return False
    left = memoryview(data)
    while left:
        left = left[os.write(target, left) :]
    return bool(data)


@contextmanager
def _raw(terminal: int) -> Iterator[None]:
    """Every key goes to the node, ^C and ^Z, too."""
    before = termios.tcgetattr(terminal)
    tty.setraw(terminal)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)


@contextmanager
def _following_size(terminal: int, master: int, connection: "Connection") -> Iterator[None]:
    """A window that is resized here is resized there.

    The supervisor is told, too: the command's own terminal may be further away than this `master`.
    """

    def follow(*_: object) -> None:
        with suppress(OSError):  # the command has ended meanwhile
            size = os.get_terminal_size(terminal)
            fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", size.lines, size.columns, 0, 0))
            connection.send({"signal": signal.SIGWINCH})

    before = signal.signal(signal.SIGWINCH, follow)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
