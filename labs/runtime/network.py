"""The pods' network of one node: a bridge, a cable to each pod, and an address from the node's range.

Laid by rtnetlink, from a thread that enters the pod's network namespace for the moment it takes. When a
pod's namespace goes, the kernel takes its cable away.
"""

import asyncio
import ctypes
import ipaddress
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from labs.nodes.netlink import Netlink
from labs.runtime.errors import CriError

BRIDGE = "cni0"
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class NetworkError(CriError):
    """A pod could not be given a network; worded as containerd words what a CNI plug-in reports."""

    def __init__(self, sandbox: str, reason: str) -> None:
        super().__init__(f'failed to setup network for sandbox "{sandbox}": {reason}')


class PodNetwork:
    """Addresses of `range_`, the first of which is the node's own on the bridge."""

    def __init__(self, range_: str, last_file: Path) -> None:
        self.range = ipaddress.IPv4Network(range_)
        #: Where the last address given is remembered, as host-local does.
        self._last_file = last_file
        # a thread of its own: it changes its network namespace, which no other work may notice
        self._thread = ThreadPoolExecutor(1, "network")
        self._bridged = False

    @property
    def gateway(self) -> str:
        return str(self.range[1])

    def allocate(self, used: Iterable[str]) -> str:
        """The address after the last one given, as CNI's host-local: an old one is not soon given again."""
        taken = {ipaddress.IPv4Address(address) for address in used if address}
        hosts = self.range.num_addresses - 2  # without the network's own and the broadcast address
        first = int(self._last()) - int(self.range.network_address)
        for step in range(1, hosts + 1):
            candidate = self.range[(first - 1 + step) % hosts + 1]
            if candidate not in taken and candidate != self.range[1]:
                self._last_file.write_text(str(candidate))
                return str(candidate)
        raise CriError(f"no IP addresses available in range set: {self.range[1]}-{self.range[-2]}")

    def _last(self) -> ipaddress.IPv4Address:
        try:
            last = ipaddress.IPv4Address(self._last_file.read_text())
        except (FileNotFoundError, ValueError):  # none yet, or half written when the node was killed
            return self.range[1]
        return last if last in self.range else self.range[1]

    async def attach(self, sandbox: str, pid: int, address: str) -> None:
        """Give the network namespace of `pid` a cable to the bridge, an address and a way out."""
        try:
            await asyncio.get_running_loop().run_in_executor(
                self._thread, self._attach, sandbox, pid, address
            )
        except OSError as failure:
            raise NetworkError(sandbox, f'plugin type="bridge" failed (add): {failure}') from failure

    def _attach(self, sandbox: str, pid: int, address: str) -> None:
        with Netlink() as node:
            if not self._bridged:
                self._make_bridge(node)
            there = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            cable = f"veth{sandbox[:8]}"
            try:
                node.add_veth(cable, BRIDGE, "eth0", there)
                node.set_up(cable)
                self._finish(there, address)
            finally:
                os.close(there)

    def _finish(self, namespace: int, address: str) -> None:
        """The pod's end of the cable."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(namespace)
            with Netlink() as pod:
                pod.set_up("lo")
                pod.set_up("eth0")
                pod.add_address("eth0", address, self.range.prefixlen)
                pod.add_default_route(self.gateway)
        finally:
            _enter(home)
            os.close(home)

    def _make_bridge(self, node: Netlink) -> None:
        with suppress(FileExistsError):
            node.add_bridge(BRIDGE)
        node.set_up(BRIDGE)
        with suppress(FileExistsError):
            node.add_address(BRIDGE, self.gateway, self.range.prefixlen)
        self._bridged = True


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")
