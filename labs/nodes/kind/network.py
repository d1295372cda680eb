"""The Docker network of kind's nodes, made as the kind CLI makes it, and removed again when nobody is left.

See `ensureNetwork` in kind's pkg/cluster/internal/providers/docker/network.go: one bridge called `kind` for
all clusters, with masquerading, the MTU of Docker's default bridge, and an IPv6 subnet that follows from its
name, unless the machine has no IPv6.
"""

import hashlib
import ipaddress
import os
import re
import struct
from typing import Any

from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool

from labs.nodes.kind.daemon import DockerError, explained

NAME = "kind"
#: kind's own (experimental) way to name another network.
VARIABLE = "KIND_EXPERIMENTAL_DOCKER_NETWORK"
#: Ours: who made the network may remove it.
MADE_LABEL = "io.cks-labs.made"
#: How many IPv6 subnets are tried until one is free.
ATTEMPTS = 5

_MTU = "com.docker.network.driver.mtu"
_MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
_NO_IPV6 = re.compile(r"Cannot read IPv6 setup for bridge|ip6tables")
_OVERLAP = re.compile(r"Pool overlaps with other one|networks have overlapping")


def network_name() -> str:
    """The network of new nodes."""
    return os.environ.get(VARIABLE) or NAME


def ula_subnet(name: str, attempt: int = 0) -> str:
    """The IPv6 subnet of the network `name`: fc00::/8, six bytes of a SHA-1 over name and attempt, /64."""
    digest = hashlib.sha1(name.encode() + struct.pack("<i", attempt), usedforsecurity=False).digest()
    address = bytes([0xFC, 0x00, *digest[2:8], *bytes(8)])
    return str(ipaddress.IPv6Network((address, 64)))


def ensure(client: Any, name: str) -> None:
    """Have the network `name`; an existing one is taken as it is."""
    with explained(f"making the Docker network '{name}'"):
        if find(client, name) is not None:
            return
        for attempt in range(ATTEMPTS):
            try:
                _create(client, name, ula_subnet(name, attempt))
                return
            except APIError as error:
                said = str(error.explanation)
                if _NO_IPV6.search(said):
                    _create(client, name, None)
                    return
                if "already exists" in said:
                    return
                if not _OVERLAP.search(said):
                    raise
                if find(client, name) is not None:  # another process was quicker
                    return
    raise DockerError(
        f"Docker has no free IPv6 subnet for the network '{name}': 'docker network prune' frees unused ones"
    )


def find(client: Any, name: str) -> Any | None:
    """The network of exactly that name; None when there is none."""
    found = client.networks.list(names=[f"^{re.escape(name)}$"])
    return found[0] if found else None


def subnets(client: Any, name: str) -> list[str]:
    """The subnets that addresses in the network come from."""
    network = find(client, name)
    config = network.attrs.get("IPAM", {}).get("Config") if network is not None else None
    return [entry["Subnet"] for entry in config or () if "Subnet" in entry]


def remove_unused(client: Any, name: str) -> None:
    """Remove the network, when we made it and no container is in it, not even a stopped one."""
    with explained(f"removing the Docker network '{name}'"):
        network = find(client, name)
        if network is None or MADE_LABEL not in (network.attrs.get("Labels") or {}):
            return
        if client.containers.list(all=True, filters={"network": name}, ignore_removed=True):
            return
        try:
            network.remove()
        except NotFound:
            return
        except APIError as error:
            if "active endpoints" not in str(error.explanation):  # somebody has moved in meanwhile
                raise


def _create(client: Any, name: str, subnet: str | None) -> None:
    options = {_MASQUERADE: "true"}
    mtu = (client.networks.get("bridge").attrs.get("Options") or {}).get(_MTU)
    if mtu:
        options[_MTU] = mtu
    client.networks.create(
        name,
        driver="bridge",
        options=options,
        enable_ipv6=subnet is not None,
        ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)]) if subnet else None,
        labels={MADE_LABEL: "true"},
        check_duplicate=True,
    )
