"""The rows of the other kinds."""

from __future__ import annotations

from typing import Any

from ._format import age, labels, since

Object = dict[str, Any]
NONE = "<none>"
ROLE_PREFIX = "node-role.kubernetes.io/"


def plain(obj: Object) -> list[Any]:
    """Name and age."""
    return [obj["metadata"]["name"], age(obj)]


def dated(obj: Object) -> list[Any]:
    """Name and when it was made."""
    return [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp", "")]


def namespace(obj: Object) -> list[Any]:
    """A namespace."""
    return [obj["metadata"]["name"], (obj.get("status") or {}).get("phase", ""), age(obj)]


def component_status(obj: Object) -> list[Any]:
    """How a component is."""
    condition = next(each for each in obj["conditions"] if each["type"] == "Healthy")
    shown = {"True": "Healthy", "False": "Unhealthy"}.get(condition["status"], "Unknown")
    return [obj["metadata"]["name"], shown, condition.get("message", ""), condition.get("error", "")]


def configmap(obj: Object) -> list[Any]:
    """A ConfigMap, by how much is in it."""
    return [obj["metadata"]["name"], len(obj.get("data") or {}) + len(obj.get("binaryData") or {}), age(obj)]


def secret(obj: Object) -> list[Any]:
    """A Secret, by how much is in it."""
    return [obj["metadata"]["name"], obj.get("type", ""), len(obj.get("data") or {}), age(obj)]


def lease(obj: Object) -> list[Any]:
    """A lease and who holds it."""
    return [obj["metadata"]["name"], (obj.get("spec") or {}).get("holderIdentity", ""), age(obj)]


def priority_class(obj: Object) -> list[Any]:
    """A priority class."""
    return [
        obj["metadata"]["name"],
        obj.get("value", 0),
        bool(obj.get("globalDefault")),
        age(obj),
        obj.get("preemptionPolicy", ""),
    ]


def node(obj: Object) -> list[Any]:
    """A node, its state and what runs on it."""
    state, spec = obj.get("status") or {}, obj.get("spec") or {}
    ready = next((c for c in state.get("conditions") or [] if c.get("type") == "Ready"), None)
    words = ["Unknown" if ready is None else "Ready" if ready["status"] == "True" else "NotReady"]
    if spec.get("unschedulable"):
        words.append("SchedulingDisabled")
    names = obj["metadata"].get("labels") or {}
    roles = {name[len(ROLE_PREFIX) :] for name in names if name.startswith(ROLE_PREFIX)} - {""}
    if names.get("kubernetes.io/role"):
        roles.add(names["kubernetes.io/role"])
    about = state.get("nodeInfo") or {}

    def address(kind: str) -> str:
        found = (a.get("address") for a in state.get("addresses") or [] if a.get("type") == kind)
        return next(found, None) or NONE

    kernel = about.get("kernelVersion") or "<unknown>"
    if about.get("architecture"):
        kernel += f" ({about['architecture']})"
    return [
        obj["metadata"]["name"],
        ",".join(words),
        ",".join(sorted(roles)) or NONE,
        age(obj),
        about.get("kubeletVersion", ""),
        address("InternalIP"),
        address("ExternalIP"),
        about.get("osImage") or "<unknown>",
        kernel,
        about.get("containerRuntimeVersion") or "<unknown>",
    ]


def service(obj: Object) -> list[Any]:
    """A service's record."""
    spec = obj.get("spec") or {}
    kind = spec.get("type", "ClusterIP")
    external = ",".join(spec.get("externalIPs") or []) or NONE
    if kind == "ExternalName":
        external = spec.get("externalName", NONE)
    elif kind == "LoadBalancer":
        ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        external = ",".join(i.get("ip") or i.get("hostname", "") for i in ingress) or "<pending>"
    ports = ",".join(
        f"{p['port']}:{p['nodePort']}/{p.get('protocol', 'TCP')}"
        if p.get("nodePort")
        else f"{p['port']}/{p.get('protocol', 'TCP')}"
        for p in spec.get("ports") or []
    )
    address = spec.get("clusterIP") or NONE
    return [
        obj["metadata"]["name"],
        kind,
        address,
        external,
        ports or NONE,
        age(obj),
        labels(spec.get("selector")),
    ]


def endpoints(obj: Object) -> list[Any]:
    """Endpoints, the first three of them."""
    found = [
        f"{address['ip']}:{port['port']}"
        for subset in obj.get("subsets") or []
        for port in subset.get("ports") or []
        for address in subset.get("addresses") or []
    ]
    shown = ",".join(found[:3]) or NONE
    if len(found) > 3:
        shown += f" + {len(found) - 3} more..."
    return [obj["metadata"]["name"], shown, age(obj)]


def event(obj: Object) -> list[Any]:
    """An event and what it is about."""
    first, last = obj.get("firstTimestamp"), obj.get("lastTimestamp")
    series, moment = obj.get("series") or {}, obj.get("eventTime")
    count = series.get("count") or obj.get("count") or 1
    involved = obj.get("involvedObject") or {}
    source = obj.get("source") or {}
    reporter = ", ".join(p for p in (source.get("component"), source.get("host")) if p)
    if not reporter:
        reporter = ", ".join(p for p in (obj.get("reportingComponent"), obj.get("reportingInstance")) if p)
    name = involved.get("name")
    kind = involved.get("kind", "").lower()
    return [
        since(series.get("lastObservedTime") or last or moment or first),
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{kind}/{name}" if name else kind,
        involved.get("fieldPath", ""),
        reporter,
        (obj.get("message") or "").strip(),
        since(first or moment),
        str(count),
        obj["metadata"]["name"],
    ]
