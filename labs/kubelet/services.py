"""Services as variables in containers (`pkg/kubelet/envvars`): what the API has shown so far.

Static pods do not wait for it: those that start before the API have no such variables. Pods of the API do.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from labs.golang import hostport

MASTER = ("default", "kubernetes")


class Services:
    """The cluster's services, as a watch tells of them."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Mapping[str, Any]] = {}
        #: Whether the API has shown them all at least once.
        self.synced = False

    def listed(self) -> None:
        """The watch has told of every service there is."""
        self.synced = True

    def on_event(self, kind: str, service: Mapping[str, Any]) -> None:
        """One event of the watch."""
        key = (service["metadata"]["namespace"], service["metadata"]["name"])
        if kind == "DELETED":
            self._known.pop(key, None)
        else:
            self._known[key] = service

    def variables(self, namespace: str, links: bool) -> dict[str, str]:
        """For a pod of this namespace; without `enableServiceLinks` only the API server's own."""
        found: dict[str, str] = {}
        for key, service in sorted(self._known.items(), key=lambda item: item[0] != MASTER):
            address = service["spec"].get("clusterIP")
            if address in (None, "", "None") or not (key == MASTER or (links and key[0] == namespace)):
                continue
            found |= dict(_of(key[1], address, service["spec"].get("ports", ())))
        return found


def _name(text: str) -> str:
    return text.replace("-", "_").upper()


def _of(service: str, address: str, ports: Any) -> Iterator[tuple[str, str]]:
    prefix = _name(service)
    yield f"{prefix}_SERVICE_HOST", address
    for index, port in enumerate(ports):
        number, protocol = port["port"], port.get("protocol") or "TCP"
        url = f"{protocol.lower()}://{hostport.join(address, number)}"
        if index == 0:
            yield f"{prefix}_SERVICE_PORT", str(number)
            yield f"{prefix}_PORT", url
        if port.get("name"):
            yield f"{prefix}_SERVICE_PORT_{_name(port['name'])}", str(number)
        one = f"{prefix}_PORT_{number}_{protocol.upper()}"
        yield one, url
        yield f"{one}_PROTO", protocol.lower()
        yield f"{one}_PORT", str(number)
        yield f"{one}_ADDR", address
