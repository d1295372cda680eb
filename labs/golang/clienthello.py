"""The first message of a TLS connection (RFC 8446, 4.1.2): what a client offers."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_RANDOM = 32
_SUPPORTED_VERSIONS = 43
#: The versions that Go knows and that a client means which only names the highest one, which is 1.2 at most.
_OLDER = (0x0303, 0x0302, 0x0301)


@dataclass(frozen=True)
class ClientHello:
    """The numbers of the protocol versions and cipher suites, in the client's order."""

    versions: tuple[int, ...]
    suites: tuple[int, ...]


def read(record: bytes) -> ClientHello:
    """The hello in the first record of a connection. Raises ValueError when there is none, or not whole."""
    frame = _Rest(record)
    frame.take(3)  # the record's type and version
    rest = _Rest(frame.vector(2))
    rest.take(4)  # the message's type and length
    (highest,) = struct.unpack("!H", rest.take(2))
    rest.take(_RANDOM)
    rest.vector(1)  # a session to resume
    suites = _numbers(rest.vector(2))
    rest.vector(1)  # compressions
    versions = tuple(version for version in _OLDER if version <= highest)
    extensions = _Rest(rest.vector(2) if rest.left else b"")
    while extensions.left:
        (kind,) = struct.unpack("!H", extensions.take(2))
        body = extensions.vector(2)
        if kind == _SUPPORTED_VERSIONS:
            versions = _numbers(_Rest(body).vector(1))
    return ClientHello(versions, suites)


def _numbers(raw: bytes) -> tuple[int, ...]:
    return struct.unpack(f"!{len(raw) // 2}H", raw[: len(raw) // 2 * 2])


class _Rest:
    """What is still to be read."""

    def __init__(self, raw: bytes) -> None:
        self._raw, self._at = raw, 0

    @property
    def left(self) -> int:
        return len(self._raw) - self._at

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise ValueError("the hello is not whole")
        self._at += size
        return self._raw[self._at - size : self._at]

    def vector(self, size_bytes: int) -> bytes:
        """Bytes that come after their number."""
        return self.take(int.from_bytes(self.take(size_bytes), "big"))
