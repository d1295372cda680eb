"""The pods' network of one node: a bridge, a cable to each pod, and an address from the node's range.

What it shall be says the node's configuration (`cni`). It is laid by rtnetlink, from a thread that enters
the pod's namespaces for the moment it takes. When a pod's namespace goes, the kernel takes its cable away.
"""

import asyncio
import ctypes
import ipaddress
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from labs.nodes.netlink import Netlink
from labs.runtime import cni
from labs.runtime.cni import Configuration
from labs.runtime.errors import CriError
from labs.runtime.nodefs import NodeFiles

_KINDS = {"net": 0x40000000, "ipc": 0x08000000}
_libc = ctypes.CDLL(None, use_errno=True)

Result = TypeVar("Result")


class NetworkError(CriError):
    """A pod could not be given a network; worded as containerd words what a CNI plug-in reports."""

    def __init__(self, sandbox: str, reason: object) -> None:
        super().__init__(f'failed to setup network for sandbox "{sandbox}": {reason}')


class PodNetwork:
    """Connects pods as the configuration among `files` says, now and for each pod anew."""

    def __init__(self, files: NodeFiles, last_file: Path) -> None:
        self._files = files
        #: Where the last address given is remembered, as host-local does.
        self._last_file = last_file
        # a thread of its own: it changes its namespaces, which no other work may notice
        self._thread = ThreadPoolExecutor(1, "network")
        self._bridges: set[tuple[str, str]] = set()

    @property
    def configuration(self) -> Configuration:
        """Raises `NoNetworkError` when the node has none."""
        return cni.load(self._files)

    async def inside(self, pid: int | None, call: Callable[[], Result]) -> Result:
        """The result of `call` in the network and ipc namespaces of `pid`; None: in the node's own."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, _inside, pid, call)

    def allocate(self, configuration: Configuration, used: Iterable[str]) -> str:
        """The address after the last one given, as CNI's host-local: an old one is not soon given again."""
        range_ = configuration.range
        taken = {*used, str(range_[1])}
        hosts = range_.num_addresses - 2  # without the network's own and the broadcast address
        first = int(self._last(range_)) - int(range_.network_address)
        for step in range(1, hosts + 1):
            candidate = str(range_[(first - 1 + step) % hosts + 1])
            if candidate not in taken:
                self._last_file.write_text(candidate)
                return candidate
        raise CriError(f"no IP addresses available in range set: {range_[1]}-{range_[-2]}")

    def _last(self, range_: ipaddress.IPv4Network) -> ipaddress.IPv4Address:
        try:
            last = ipaddress.IPv4Address(self._last_file.read_text())
        except (FileNotFoundError, ValueError):  # none yet, or half written when the node was killed
            return range_[1]
        return last if last in range_ else range_[1]

    async def attach(self, configuration: Configuration, sandbox: str, pid: int, address: str) -> None:
        """Give the network namespace of `pid` a cable to the bridge, an address and a way out."""
        try:
            await self.inside(None, lambda: self._plug_in(configuration, sandbox, pid))
            await self.inside(pid, lambda: _finish(configuration, address))
        except OSError as failure:
            raise NetworkError(sandbox, f'plugin type="bridge" failed (add): {failure}') from failure

    def _plug_in(self, configuration: Configuration, sandbox: str, pid: int) -> None:
        with Netlink() as node:
            self._make_bridge(node, configuration)
            there = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            cable = f"veth{sandbox[:8]}"
            try:
                node.add_veth(cable, configuration.bridge, "eth0", there)
                node.set_up(cable)
            finally:
                os.close(there)

    def _make_bridge(self, node: Netlink, configuration: Configuration) -> None:
        wanted = (configuration.bridge, str(configuration.range))
        if wanted in self._bridges:
            return
        with suppress(FileExistsError):
            node.add_bridge(configuration.bridge)
        node.set_up(configuration.bridge)
        with suppress(FileExistsError):
            node.add_address(configuration.bridge, configuration.gateway, configuration.range.prefixlen)
        self._bridges.add(wanted)


def _finish(configuration: Configuration, address: str) -> None:
    """The pod's end of the cable."""
    with Netlink() as pod:
        pod.set_up("lo")
        pod.set_up("eth0")
        pod.add_address("eth0", address, configuration.range.prefixlen)
        pod.add_default_route(configuration.gateway)


def _inside(pid: int | None, call: Callable[[], Result]) -> Result:
    if pid is None:
        return call()
    homes = {kind: _open("thread-self", kind) for kind in _KINDS}
    try:
        for kind in _KINDS:
            there = _open(pid, kind)
            try:
                _enter(there, kind)
            finally:
                os.close(there)
        return call()
    finally:
        for kind, home in homes.items():
            _enter(home, kind)
            os.close(home)


def _open(process: int | str, kind: str) -> int:
    return os.open(f"/proc/{process}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)


def _enter(namespace: int, kind: str) -> None:
    if _libc.setns(namespace, _KINDS[kind]) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")
