"""Which pods a Service leads to, on which ports, and how that is written down; pods in, records out.

Mirrors `pkg/controller/endpoint/endpoints_controller.go` and `staging/src/k8s.io/endpointslice`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from labs.core.selectors import selects

from ..objects import Object, is_going, uid_of
from ..pods import is_finished, is_ready, node_name

HEADLESS = "service.kubernetes.io/headless"
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
ENDPOINTS_MANAGED_BY = ("endpoints.kubernetes.io/managed-by", "endpoint-controller")
SLICE_MANAGED_BY = ("endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io")
SERVICE_NAME = "kubernetes.io/service-name"
#: `--max-endpoints-per-slice`.
PER_SLICE = 100

Ports = list[Object]


def is_headless(service: Object) -> bool:
    """Whether the Service has no address of its own."""
    return bool(service["spec"].get("clusterIP") == "None")


def is_selected(service: Object, pod: Object) -> bool:
    """Whether the Service leads to the pod, if the pod is there and well."""
    selector = service["spec"].get("selector")
    return bool(selector) and selects({"matchLabels": selector}, pod["metadata"].get("labels"))


def _address(pod: Object) -> str:
    return str((pod.get("status") or {}).get("podIP", ""))


def _is_candidate(pod: Object) -> bool:
    return bool(_address(pod)) and not is_finished(pod)


# -- ports
def find_port(pod: Object, port: Object) -> int | None:
    """The number that a Service's port has on this pod; None when the pod has no port of that name."""
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    spec = pod["spec"]
    sidecars = [c for c in spec.get("initContainers") or [] if c.get("restartPolicy") == "Always"]
    for container in [*spec["containers"], *sidecars]:
        for offered in container.get("ports") or []:
            same_protocol = offered.get("protocol", "TCP") == port.get("protocol", "TCP")
            if offered.get("name") == target and same_protocol:
                return int(offered["containerPort"])
    return None


def ports_of(service: Object, pod: Object) -> Ports:
    """The Service's ports as they are on this pod."""
    found = []
    for port in service["spec"].get("ports") or []:
        number = find_port(pod, port)
        if number is not None:
            entry = {"name": port.get("name", ""), "port": number, "protocol": port.get("protocol", "TCP")}
            if port.get("appProtocol"):
                entry["appProtocol"] = port["appProtocol"]
            found.append(entry)
    return found


def _target(pod: Object) -> Object:
    metadata = pod["metadata"]
    return {
        "kind": "Pod",
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "uid": uid_of(pod),
    }


def _host(service: Object, pod: Object) -> Object:
    spec = pod["spec"]
    named = spec.get("hostname") and spec.get("subdomain") == service["metadata"]["name"]
    return {"hostname": spec["hostname"]} if named else {}


# -- Endpoints
def subsets(service: Object, pods: Sequence[Object]) -> list[Object]:
    """The subsets of the Service's Endpoints: addresses by the ports they have (`RepackSubsets`)."""
    tolerant = bool(service["spec"].get("publishNotReadyAddresses"))
    groups: dict[str, tuple[Ports, list[Object], list[Object]]] = {}
    for pod in pods:
        if not _is_candidate(pod) or (is_going(pod) and not tolerant):
            continue
        ports = ports_of(service, pod)
        if not ports and not (is_headless(service) and not service["spec"].get("ports")):
            continue
        address = {"ip": _address(pod), **_host(service, pod), "targetRef": _target(pod)}
        if node_name(pod):
            address["nodeName"] = node_name(pod)
        for port in ports:
            if not port["name"]:
                del port["name"]
        group = groups.setdefault(json.dumps(ports), (ports, [], []))
        group[1 if is_ready(pod) or tolerant else 2].append(address)
    result = []
    for _, (ports, ready, not_ready) in sorted(groups.items()):
        subset: Object = {}
        if ready:
            subset["addresses"] = sorted(ready, key=_by_address)
        if not_ready:
            subset["notReadyAddresses"] = sorted(not_ready, key=_by_address)
        if ports:
            subset["ports"] = ports
        result.append(subset)
    return result


def _by_address(address: Object) -> tuple[str, str]:
    return address["ip"], address["targetRef"]["uid"]


# -- EndpointSlices
def endpoint(service: Object, pod: Object) -> Object:
    """One endpoint of a slice."""
    tolerant = bool(service["spec"].get("publishNotReadyAddresses"))
    serving, terminating = is_ready(pod), is_going(pod)
    found: Object = {
        "addresses": [_address(pod)],
        "conditions": {
            "ready": tolerant or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        **_host(service, pod),
        "targetRef": _target(pod),
    }
    if node_name(pod):
        found["nodeName"] = node_name(pod)
    return found


def slices(service: Object, pods: Sequence[Object]) -> list[tuple[Ports, list[Object]]]:
    """What the Service's slices hold: endpoints with the same ports, so many to a slice."""
    groups: dict[str, tuple[Ports, list[Object]]] = {}
    for pod in pods:
        if _is_candidate(pod):
            ports = ports_of(service, pod)
            group = groups.setdefault(json.dumps(ports), (ports, []))
            group[1].append(endpoint(service, pod))
    result: list[tuple[Ports, list[Object]]] = []
    for _, (ports, found) in sorted(groups.items()):
        found.sort(key=lambda e: (e["addresses"][0], e["targetRef"]["uid"]))
        result += [(ports, found[i : i + PER_SLICE]) for i in range(0, len(found), PER_SLICE)]
    # A Service without pods has one slice, which says so.
    return result or [([], [])]


def labels(service: Object, managed_by: tuple[str, str], **more: str) -> dict[str, str]:
    """The labels of a Service's records: its own, and what tells whose they are."""
    found = {**(service["metadata"].get("labels") or {}), **more, managed_by[0]: managed_by[1]}
    found.pop(HEADLESS, None)
    return found | ({HEADLESS: ""} if is_headless(service) else {})
