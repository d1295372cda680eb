"""What ends the process when its controllers are built: files and ranges that a controller cannot work with.

Some of these controllers this process has not; what is wrong with their flags is found all the same.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Sequence

from labs.controlplane.flags import Flags
from labs.golang import pem

from .context import BuildError
from .nodes.ipam import Network, mask_sizes


def _tokens(flags: Flags) -> None:
    """`serviceaccount-token-controller`: the key that signs, and the authority that tokens come with."""
    key = flags.text("service-account-private-key-file")
    try:
        if key:
            pem.check_private_key(key)
    except pem.PEMError as error:
        raise BuildError(f"error reading key for service account token controller: {error}") from None
    if path := flags.text("root-ca-file"):
        try:
            pem.check_authorities(path)
        except pem.PEMError as error:
            raise BuildError(f"error parsing root-ca-file at {path}: {error}") from None


def _signing(flags: Flags) -> None:
    """`certificatesigningrequest-signing-controller`."""
    certificate, key = (flags.text(f"cluster-signing-{part}-file") for part in ("cert", "key"))
    if not (certificate and key):
        return
    try:
        pem.load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key, "csr-controller")
    except pem.PEMError as error:
        raise BuildError(
            "failed to init kubernetes.io/kubelet-serving certificate controller: error reading CA cert file "
            f'"{certificate}": {error}'
        ) from None


def _token_cleaner(flags: Flags) -> None:
    """`legacy-serviceaccount-token-cleaner-controller`."""
    name = "legacy-service-account-token-clean-up-period"
    if (seconds := flags.seconds(name)) <= 0:
        shown = f"{seconds / 3600:g}h0m0s" if seconds else "0s"
        raise BuildError(
            f"failed to init the legacy service account token cleaner: invalid CleanUpPeriod: {shown}"
        )


def _ranges(flags: Flags) -> None:
    """`node-ipam-controller`: the ranges of pods and how large a node's part of them is."""
    if not flags.switch("allocate-node-cidrs"):
        return
    networks = [_network(index, text) for index, text in enumerate(flags.text("cluster-cidr").split(","))]
    if len(networks) > 2:
        raise BuildError(f"length of clusterCIDRs is:{len(networks)} more than max allowed of 2")
    versions = {network.version for network in networks}
    if len(networks) > len(versions):
        raise BuildError(
            "len of ClusterCIDRs==2 and they are not configured as dual stack (at least one from each "
            "IPFamily"
        )
    for network, size in zip(networks, mask_sizes(flags, networks), strict=True):
        if network.prefixlen > size:
            raise BuildError(
                "Controller: Invalid --cluster-cidr, mask size of cluster CIDR must be less than or equal to "
                "--node-cidr-mask-size configured for CIDR family"
            )
    if (kind := flags.text("cidr-allocator-type")) != "RangeAllocator":
        raise BuildError(f"built-in cloud providers are disabled. The ipam {kind} is not available")


def _network(index: int, text: str) -> Network:
    try:
        if "/" not in text:
            raise ValueError
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise BuildError(f"invalid CIDR[{index}]: <nil> (invalid CIDR address: {text})") from None


#: By controller; the first is always there, whatever `--controllers` says.
CHECKS: Sequence[tuple[str, Callable[[Flags], None]]] = (
    ("serviceaccount-token-controller", _tokens),
    ("certificatesigningrequest-signing-controller", _signing),
    ("legacy-serviceaccount-token-cleaner-controller", _token_cleaner),
    ("node-ipam-controller", _ranges),
)
