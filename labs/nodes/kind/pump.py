"""Carrying bytes between a client's descriptors and a command's, by threads that may wait.

The descriptors are the client's own: no flag of theirs may be changed, and any of them may be a file, a pipe,
a terminal or a socket. So each is asked with poll(2) before it is read or written, and never for more than a
pipe takes at once.
"""

import os
import select
from contextlib import suppress

#: A pipe that poll(2) calls writable takes this much without making anybody wait.
CHUNK = select.PIPE_BUF


class Alarm:
    """Wakes whoever waits for a descriptor, once and for good."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()

    def ring(self) -> None:
        """Wake all who wait, now and later."""
        os.write(self._writer, b".")

    def waits(self, descriptor: int, event: int) -> bool:
        """Wait until `descriptor` is ready for `event`, or at its end; False when the alarm rang instead."""
        poll = select.poll()
        poll.register(descriptor, event)
        poll.register(self._reader, select.POLLIN)
        return self._reader not in (ready for ready, _ in poll.poll())

    def close(self) -> None:
        """Let go of its descriptors; nobody may wait any more."""
        os.close(self._reader)
        os.close(self._writer)


def read(descriptor: int, alarm: Alarm) -> bytes:
    """What there is to read; empty at the end, when nothing can be read any more, or when the alarm rings."""
    while alarm.waits(descriptor, select.POLLIN):
        try:
            return os.read(descriptor, 1 << 16)
        except BlockingIOError:  # the client made it so, and somebody else was faster
            continue
        except OSError:  # a terminal whose other side is gone, a directory
            return b""
    return b""


def write(descriptor: int, data: bytes, alarm: Alarm) -> None:
    """Write all of `data`, unless the alarm rings. `OSError` when nobody reads it any more."""
    left = memoryview(data)
    while left and alarm.waits(descriptor, select.POLLOUT):
        with suppress(BlockingIOError):  # the client made it so
            left = left[os.write(descriptor, left[:CHUNK]) :]
