"""The network of a node's pods, as kind's nodes are configured: what the container runtime carries out."""

import json
from pathlib import Path

from labs.nodes.files import make_directory, write_file


def write(root: Path, pod_cidr: str) -> None:
    """Configure the node below `root` to give its pods addresses of `pod_cidr`."""
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": pod_cidr}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    network = {"cniVersion": "0.4.0", "name": "kindnet", "plugins": [bridge, portmap]}
    directory = make_directory(root / "etc/cni/net.d")
    write_file(directory / "10-kindnet.conflist", json.dumps(network, indent=2) + "\n")
