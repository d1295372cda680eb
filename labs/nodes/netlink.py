"""Links, addresses and routes by the kernel's own protocol (rtnetlink), in one screen and three milliseconds.

pyroute2 does the same and everything else, but its import takes 0.37 s of processor time and the process
that must call it here (`labs.nodes.cluster_init`) can import nothing: as root it has dropped to users that
may not read the project's directories. The `ip` command is missing on a bare Debian.

Constants and layouts: linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h.
"""

import os
import socket
import struct
from types import TracebackType
from typing import Self

_RTM_NEWLINK, _RTM_DELLINK, _RTM_NEWADDR, _RTM_NEWROUTE = 16, 17, 20, 24
_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_EXCL, _NLM_F_CREATE = 0x1, 0x4, 0x200, 0x400
_NLMSG_ERROR = 2
_IFLA_IFNAME, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_NET_NS_FD = 3, 10, 18, 28
_IFLA_INFO_KIND, _IFLA_INFO_DATA, _VETH_INFO_PEER = 1, 2, 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_DST, _RTA_GATEWAY = 1, 5
_IFF_UP = 1
_RT_TABLE_MAIN, _RTPROT_BOOT, _RTN_UNICAST = 254, 3, 1

#: Far from any pid, which is what others use.
_PORTS = 1 << 30


def _attribute(kind: int, value: bytes) -> bytes:
    length = 4 + len(value)
    return struct.pack("HH", length, kind) + value + bytes(-length % 4)


def _name(name: str) -> bytes:
    return _attribute(_IFLA_IFNAME, name.encode() + b"\0")


def _link(index: int = 0, flags: int = 0, change: int = 0) -> bytes:
    """struct ifinfomsg."""
    return struct.pack("BxHiII", socket.AF_UNSPEC, 0, index, flags, change)


class Netlink:
    """A conversation with the kernel about the network namespace this was opened in."""

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
        )
        # left to the kernel, the port would be this process' pid, which may be 1, like that of the bubblewrap
        # that uses the same namespace at this moment, insists on that port, and gives up without it
        self._socket.bind((_PORTS + os.getpid(), 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def _request(self, kind: int, body: bytes, flags: int = 0) -> None:
        """Send one request and wait for the kernel's word; `OSError` when it refuses."""
        header = struct.pack("IHHII", 16 + len(body), kind, _NLM_F_REQUEST | _NLM_F_ACK | flags, 1, 0)
        self._socket.send(header + body)
        answer = self._socket.recv(65536)
        _, answered, _, _, _, error = struct.unpack_from("IHHIIi", answer)
        if answered != _NLMSG_ERROR:
            raise OSError(f"netlink: unexpected answer of type {answered}")
        if error:
            raise OSError(-error, f"netlink: {os.strerror(-error)}")

    def add_bridge(self, name: str) -> None:
        """Make the bridge `name`."""
        info = _attribute(_IFLA_LINKINFO, _attribute(_IFLA_INFO_KIND, b"bridge"))
        self._request(_RTM_NEWLINK, _link() + _name(name) + info, _NLM_F_CREATE | _NLM_F_EXCL)

    def add_veth(self, name: str, bridge: str, peer: str, namespace: int) -> None:
        """Make a cable: `name`, plugged into `bridge`, and `peer` in the open network `namespace`."""
        far_end = _link() + _name(peer) + _attribute(_IFLA_NET_NS_FD, struct.pack("I", namespace))
        data = _attribute(_IFLA_INFO_DATA, _attribute(_VETH_INFO_PEER, far_end))
        info = _attribute(_IFLA_LINKINFO, _attribute(_IFLA_INFO_KIND, b"veth") + data)
        master = _attribute(_IFLA_MASTER, struct.pack("I", socket.if_nametoindex(bridge)))
        self._request(_RTM_NEWLINK, _link() + _name(name) + master + info, _NLM_F_CREATE | _NLM_F_EXCL)

    def remove(self, name: str) -> None:
        """Take the link `name` away, of a cable both ends; `OSError` where there is none."""
        self._request(_RTM_DELLINK, _link(socket.if_nametoindex(name)))

    def set_up(self, name: str) -> None:
        """Switch the link `name` on."""
        self._request(_RTM_NEWLINK, _link(socket.if_nametoindex(name), _IFF_UP, _IFF_UP))

    def add_address(self, name: str, address: str, prefix: int) -> None:
        """Give the link `name` the IPv4 `address` in a network of `prefix` bits."""
        packed = socket.inet_aton(address)
        body = struct.pack("BBBBI", socket.AF_INET, prefix, 0, 0, socket.if_nametoindex(name))
        body += _attribute(_IFA_LOCAL, packed) + _attribute(_IFA_ADDRESS, packed)
        self._request(_RTM_NEWADDR, body, _NLM_F_CREATE | _NLM_F_EXCL)

    def add_default_route(self, gateway: str) -> None:
        """Send what has no other way to `gateway`."""
        self.add_route("0.0.0.0", 0, gateway)

    def add_route(self, network: str, prefix: int, gateway: str) -> None:
        """Send what is for the IPv4 `network` of `prefix` bits to `gateway`."""
        body = struct.pack(
            "BBBBBBBBI", socket.AF_INET, prefix, 0, 0, _RT_TABLE_MAIN, _RTPROT_BOOT, 0, _RTN_UNICAST, 0
        )
        if prefix:
            body += _attribute(_RTA_DST, socket.inet_aton(network))
        body += _attribute(_RTA_GATEWAY, socket.inet_aton(gateway))
        self._request(_RTM_NEWROUTE, body, _NLM_F_CREATE | _NLM_F_EXCL)
