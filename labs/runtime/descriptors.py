"""Reading and writing pipes and terminals without blocking the loop, whichever of the two it is."""

import asyncio
import os
from collections.abc import Callable

_CHUNK = 1 << 15


async def read(fd: int) -> bytes:
    """What comes next; empty at the end, which a terminal reports as an error."""
    while True:
        try:
            return os.read(fd, _CHUNK)
        except BlockingIOError:
            loop = asyncio.get_running_loop()
            await _ready(fd, loop.add_reader, loop.remove_reader)
        except OSError:
            return b""


async def write(fd: int, data: bytes) -> None:
    """Write all of it; `OSError` when nobody reads any more."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:
            loop = asyncio.get_running_loop()
            await _ready(fd, loop.add_writer, loop.remove_writer)


async def _ready(fd: int, add: Callable[..., object], remove: Callable[[int], object]) -> None:
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    add(fd, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        remove(fd)
