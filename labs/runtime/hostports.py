"""Ports of the node that lead into pods (`hostPort`).

A real node rewrites packets, for which a machine may refuse an ordinary user the kernel's help. Here the
runtime listens and passes on, so `ss` on the node shows who has the port, and a pod sees the node as its
client. A new runtime listens again for the pods that it finds running.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from cri_api.v1 import api_pb2 as cri

from labs.runtime.network import NetworkError
from labs.runtime.records import Sandbox

_CHUNK = 65536
#: A UDP client that was silent for so long, in seconds, is forgotten.
_SILENCE = 60.0

_Listener = asyncio.Server | asyncio.DatagramTransport


class HostPorts:
    """What the node's ports lead to."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[_Listener]] = {}

    async def open(self, sandbox: Sandbox) -> None:
        """Listen for all that is mapped to a sandbox; all or nothing."""
        for mapping in sandbox.config.port_mappings:
            if mapping.host_port <= 0:
                continue
            try:
                listener = await _listen(mapping, sandbox.ip)
            except OSError as failure:
                self.close(sandbox)
                port = f"{mapping.host_port}/{cri.Protocol.Name(mapping.protocol).lower()}"
                reason = f'plugin type="portmap" failed (add): hostPort {port}: {failure.strerror or failure}'
                raise NetworkError(sandbox.id, reason) from failure
            self._listeners.setdefault(sandbox.id, []).append(listener)

    def close(self, sandbox: Sandbox) -> None:
        """Give the ports of a sandbox back."""
        for listener in self._listeners.pop(sandbox.id, []):
            listener.close()


async def _listen(mapping: Any, address: str) -> _Listener:
    host = mapping.host_ip or "0.0.0.0"
    if mapping.protocol == cri.TCP:
        pod = (address, mapping.container_port)

        async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _pass_on(reader, writer, pod)

        return await asyncio.start_server(pass_on, host, mapping.host_port)
    if mapping.protocol == cri.UDP:
        loop = asyncio.get_running_loop()
        relay = _DatagramRelay((address, mapping.container_port))
        transport, _ = await loop.create_datagram_endpoint(lambda: relay, (host, mapping.host_port))
        return transport
    raise OSError("this runtime maps no SCTP ports")


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pod: tuple[str, int]) -> None:
    try:
        pod_reader, pod_writer = await asyncio.open_connection(*pod)
    except OSError:  # nobody listens in the pod: its client is told by the end of its connection
        writer.close()
        return
    try:
        await asyncio.gather(_copy(reader, pod_writer), _copy(pod_reader, writer))
    finally:
        pod_writer.close()
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:  # reset by either side: the other is told by an end
        writer.close()


class _DatagramRelay(asyncio.DatagramProtocol):
    """One socket towards the pod for each client, so that answers find their way."""

    def __init__(self, pod: tuple[str, int]) -> None:
        self._pod = pod
        self._clients: dict[Any, _Client] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: Any) -> None:
        client = self._clients.get(address)
        if client is None:
            client = self._clients[address] = _Client(
                self._pod, lambda answer: self._answer(answer, address), lambda: self._clients.pop(address)
            )
        client.send(data)

    def _answer(self, data: bytes, address: Any) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, address)

    def connection_lost(self, _: Exception | None) -> None:
        for client in list(self._clients.values()):
            client.close()


class _Client(asyncio.DatagramProtocol):
    def __init__(
        self, pod: tuple[str, int], answer: Callable[[bytes], object], forget: Callable[[], object]
    ) -> None:
        self._answer = answer
        self._forget = forget
        self._early: list[bytes] = []
        self._transport: asyncio.DatagramTransport | None = None
        loop = asyncio.get_running_loop()
        self._expiry = loop.call_later(_SILENCE, self.close)
        self._opening = loop.create_task(loop.create_datagram_endpoint(lambda: self, remote_addr=pod))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        for data in self._early:
            self._transport.sendto(data)

    def send(self, data: bytes) -> None:
        self._expiry.cancel()
        self._expiry = asyncio.get_running_loop().call_later(_SILENCE, self.close)
        if self._transport is None:
            self._early.append(data)
        else:
            self._transport.sendto(data)

    def datagram_received(self, data: bytes, _: Any) -> None:
        self._answer(data)

    def close(self) -> None:
        self._expiry.cancel()
        self._forget()
        if self._transport is not None:
            self._transport.close()
