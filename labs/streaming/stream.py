"""Bytes to and from the other side: the one interface of all that carries them."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque

#: What is kept of a stream that nobody reads; beyond it the connection waits.
_HELD_MAX = 1 << 20


class Inbox:
    """Bytes that have come and were not read yet."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self.ended = False
        self._changed = asyncio.Event()

    async def put(self, data: bytes) -> None:
        """Keep `data`, once there is room."""
        while self._size > _HELD_MAX and not self.ended:
            self._changed.clear()
            await self._changed.wait()
        if data and not self.ended:
            self._pieces.append(data)
            self._size += len(data)
            self._changed.set()

    def end(self) -> None:
        """Nothing more comes."""
        self.ended = True
        self._changed.set()

    def drop(self) -> None:
        """Nobody reads any more."""
        self._pieces.clear()
        self._size = 0
        self.end()

    async def get(self) -> bytes:
        """The next piece, empty at the end."""
        while not self._pieces and not self.ended:
            self._changed.clear()
            await self._changed.wait()
        if not self._pieces:
            return b""
        piece = self._pieces.popleft()
        self._size -= len(piece)
        self._changed.set()
        return piece


class Stream(ABC):
    """One stream of a connection. Each direction ends by itself."""

    def __init__(self) -> None:
        self.inbox = Inbox()

    async def read(self) -> bytes:
        """What comes next; empty at the end, also when the connection has broken."""
        return await self.inbox.get()

    async def read_all(self) -> bytes:
        """All that comes until the end."""
        pieces = []
        while piece := await self.read():
            pieces.append(piece)
        return b"".join(pieces)

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Send; `ConnectionError` when the other side is gone."""

    @abstractmethod
    async def close(self) -> None:
        """Say that nothing more is sent. Twice is once."""


async def copy(source: Stream | asyncio.StreamReader, target: Stream | asyncio.StreamWriter) -> None:
    """Pass on all that comes from `source`, and then its end."""
    while data := await (source.read() if isinstance(source, Stream) else source.read(1 << 15)):
        if isinstance(target, Stream):
            await target.write(data)
        else:
            target.write(data)
            await target.drain()
    if isinstance(target, Stream):
        await target.close()
    elif target.can_write_eof():
        target.write_eof()
