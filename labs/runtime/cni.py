"""How the node's administrator wants its pods connected: the first network configuration in /etc/cni/net.d.

The runtime is its own `bridge`, `host-local`, `portmap` and `loopback` plug-in: it carries out what such a
configuration says, and refuses others with the words that containerd has for a plug-in that is not there.
"""

import ipaddress
import json
import os
from dataclasses import dataclass
from typing import Any

from labs.runtime.errors import CriError
from labs.runtime.nodefs import NodeFiles

DIRECTORY = "/etc/cni/net.d"
_PLUGINS = "/opt/cni/bin"
_SUFFIXES = (".conf", ".conflist", ".json")
#: Plug-ins that follow the first one, of which only `portmap` means anything here.
_CHAINED = ("portmap", "firewall", "bandwidth", "tuning")

NOT_INITIALIZED = "cni plugin not initialized"


class NoNetworkError(CriError):
    """There is no usable configuration; the message is what go-cni says of it."""


@dataclass(frozen=True)
class Configuration:
    """A network of pods on one bridge of the node."""

    name: str
    bridge: str
    range: ipaddress.IPv4Network
    #: Ports of the node may lead to pods.
    portmap: bool
    #: As it was written, for `crictl info`.
    document: dict[str, Any]

    @property
    def gateway(self) -> str:
        """The node's own address among its pods."""
        return str(self.range[1])


def load(files: NodeFiles) -> Configuration:
    """The configuration in use; `NoNetworkError` when there is none that could be."""
    for name in _names(files):
        try:
            document = json.loads(files.read(f"{DIRECTORY}/{name}"))
            return _configuration(document)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            continue  # as libcni does: the next one may be valid
    raise NoNetworkError(NOT_INITIALIZED)


def _names(files: NodeFiles) -> list[str]:
    try:
        directory = files.open(DIRECTORY, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # removed
        return []
    try:
        return sorted(name for name in os.listdir(directory) if name.endswith(_SUFFIXES))  # noqa: PTH208
    finally:
        os.close(directory)


def _configuration(document: dict[str, Any]) -> Configuration:
    plugins = document.get("plugins", [document])
    for plugin, known in zip(plugins, [("bridge",), *[_CHAINED] * len(plugins)], strict=False):
        if plugin["type"] not in known:
            kind = plugin["type"]
            raise NoNetworkError(
                f'plugin type="{kind}" failed (add): failed to find plugin "{kind}" in path [{_PLUGINS}]'
            )
    main = plugins[0]
    addresses = main["ipam"]
    subnet = addresses["ranges"][0][0]["subnet"] if "ranges" in addresses else addresses["subnet"]
    return Configuration(
        name=document["name"],
        bridge=main.get("bridge", "cni0"),
        range=ipaddress.IPv4Network(subnet),
        portmap=any(plugin["type"] == "portmap" for plugin in plugins),
        document=document,
    )
