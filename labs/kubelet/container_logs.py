"""Reading a container's log in CRI format, for `kubectl logs` (`kuberuntime/logs/logs.go`).

2026-11-23T17:55:13.104750401Z stdout F hello
"""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from labs.kubelet.hostfs import HostFs

BLOCK = 64 * 1024


@dataclass(frozen=True)
class LogOptions:
    """What `kubectl logs` asks for."""

    follow: bool = False
    tail: int | None = None
    since: datetime | None = None
    timestamps: bool = False
    limit_bytes: int | None = None


def text_of(line: bytes, options: LogOptions) -> bytes | None:
    """What a log line shows; None when it is too old or no log line."""
    parts = line.split(b" ", 3)
    if len(parts) < 4:
        return None
    stamp, _, tag, text = parts
    if options.since is not None and _moment(stamp) < options.since:
        return None
    end = b"\n" if tag.split(b":")[0] == b"F" else b""
    return (stamp + b" " if options.timestamps else b"") + text + end


def _moment(stamp: bytes) -> datetime:
    head, _, fraction = stamp.decode(errors="replace").rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{head}.{fraction[:6]:0<6}+00:00")


def tail_offset(fd: int, lines: int) -> int:
    """Where the last `lines` lines of a file begin."""
    end = os.fstat(fd).st_size
    if lines == 0:
        return end
    position, missing = end, lines + 1
    while position > 0:
        start = max(0, position - BLOCK)
        block = os.pread(fd, position - start, start)
        if position == end and not block.endswith(b"\n"):
            missing -= 1
        for index in range(len(block) - 1, -1, -1):
            if block[index] == 0x0A:
                missing -= 1
                if missing == 0:
                    return start + index + 1
        position = start
    return 0


def _complete_lines(fd: int, offset: int) -> Iterator[tuple[bytes, int]]:
    """Whole lines from `offset` on, each with the offset after it."""
    rest = b""
    while block := os.pread(fd, BLOCK, offset + len(rest)):
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            offset += len(line) + 1
            yield line, offset


async def read_log(
    fs: HostFs, path: str, options: LogOptions, running: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """A log's text; with `follow` until the container has stopped, also when the log is rotated meanwhile.

    Raises OSError when there is no log.
    """
    left, tail = options.limit_bytes, options.tail
    while True:
        fd = fs.open(path, os.O_RDONLY)
        try:
            own = os.fstat(fd).st_ino

            def current(own: int = own) -> bool:
                return not _replaced(fs, path, own)

            offset = tail_offset(fd, tail) if tail is not None else 0
            async for _ in _rounds(fd, options.follow, lambda: running() and current()):
                for line, after in _complete_lines(fd, offset):
                    offset = after
                    text = text_of(line, options)
                    if text is None:
                        continue
                    if left is not None:
                        text = text[:left]
                        left -= len(text)
                    yield text
                    if left == 0:
                        return
        finally:
            os.close(fd)
        if not options.follow or not _replaced(fs, path, own):
            return
        tail = None


def _replaced(fs: HostFs, path: str, inode: int) -> bool:
    """Whether the log goes on in a new file."""
    try:
        return fs.stat(path).st_ino != inode
    except OSError:
        return False


async def _rounds(fd: int, follow: bool, running: Callable[[], bool]) -> AsyncIterator[None]:
    """Once, and with `follow` again whenever the file has been written to, while the container runs."""
    if not follow:
        yield
        return
    import asyncio

    from asyncinotify import Inotify, Mask

    with Inotify() as inotify:
        inotify.add_watch(f"/proc/self/fd/{fd}", Mask.MODIFY | Mask.ATTRIB | Mask.DELETE_SELF)
        while True:
            last = not running()
            yield
            if last:
                return
            try:
                async with asyncio.timeout(1.0):
                    await inotify.get()
            except TimeoutError:
                continue
