"""The network of a cluster: one bridge, and a cable to each node.

The bridge lives in the cluster's own network namespace, so clusters never clash, whatever addresses they
use, and nothing of it is seen on the host. Called by `labs.nodes.cluster_init`, which lives there.
"""

import os
from contextlib import suppress
from pathlib import Path

from labs.nodes import namespaces
from labs.nodes.netlink import Netlink

BRIDGE = "br0"
GATEWAY = "172.18.0.1"
PREFIX = 16

#: Nodes forward between pods, and their pods' "root" (who has no power over the node) may bind port 80.
NODE_SYSCTLS = {"net/ipv4/ip_forward": "1", "net/ipv4/ip_unprivileged_port_start": "0"}


def node_address(index: int) -> str:
    """The address of the cluster's node number `index`; 0 is the control plane."""
    return f"172.18.0.{index + 2}"


def pod_cidr(index: int) -> str:
    """The range that node number `index` gives its pods' addresses from."""
    return f"10.244.{index}.0/24"


def create_bridge() -> None:
    """Set up the network namespace that this process has just made for the cluster."""
    with Netlink() as kernel:
        kernel.set_up("lo")
        kernel.add_bridge(BRIDGE)
        kernel.add_address(BRIDGE, GATEWAY, PREFIX)
        kernel.set_up(BRIDGE)


def connect_node(index: int, count: int, pid: int) -> None:
    """Plug the node whose first process is `pid` into the bridge, and give it its address.

    It is number `index` of `count` nodes, and finds the pods of each other by way of that node.
    """
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    node = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        with Netlink() as kernel:
            cable = f"veth{index}"
            with suppress(OSError):  # of a node before it: its namespace goes some time after its processes
                kernel.remove(cable)
            kernel.add_veth(cable, BRIDGE, "eth0", node)
            kernel.set_up(cable)
        namespaces.setns(node, namespaces.CLONE_NEWNET)
        try:
            with Netlink() as kernel:  # "lo" is bubblewrap's: it gives up when someone else has set it up
                kernel.add_address("eth0", node_address(index), PREFIX)
                kernel.set_up("eth0")
                kernel.add_default_route(GATEWAY)
                for other in set(range(count)) - {index}:
                    network, prefix = pod_cidr(other).split("/")
                    kernel.add_route(network, int(prefix), node_address(other))
            for name, value in NODE_SYSCTLS.items():
                Path("/proc/sys", name).write_text(value)
        finally:
            namespaces.setns(own, namespaces.CLONE_NEWNET)
    finally:
        os.close(own)
        os.close(node)
