"""The rows of policies, networks, storage and the rest; mirrors `printers/internalversion/printers.go`."""

from __future__ import annotations

from typing import Any

from ._format import age, duration, selector

Object = dict[str, Any]
NONE, UNSET = "<none>", "<unset>"
_SHORT_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


def _name(obj: Object) -> str:
    return str(obj["metadata"]["name"])


def _modes(modes: list[str] | None) -> str:
    return ",".join(short for mode, short in _SHORT_MODES.items() if mode in (modes or []))


def claim(obj: Object) -> list[Any]:
    """A PersistentVolumeClaim."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    phase = "Terminating" if "deletionTimestamp" in obj["metadata"] else status.get("phase", "")
    bound = bool(spec.get("volumeName"))
    return [
        _name(obj),
        phase,
        spec.get("volumeName", ""),
        (status.get("capacity") or {}).get("storage", "") if bound else "",
        _modes(status.get("accessModes")) if bound else "",
        spec.get("storageClassName") or "",
        spec.get("volumeAttributesClassName") or UNSET,
        age(obj),
        spec.get("volumeMode") or UNSET,
    ]


def volume(obj: Object) -> list[Any]:
    """A PersistentVolume."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    phase = "Terminating" if "deletionTimestamp" in obj["metadata"] else status.get("phase", "")
    of = spec.get("claimRef") or {}
    return [
        _name(obj),
        (spec.get("capacity") or {}).get("storage", ""),
        _modes(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy", ""),
        phase,
        f"{of.get('namespace', '')}/{of.get('name', '')}" if of else "",
        spec.get("storageClassName", ""),
        spec.get("volumeAttributesClassName") or UNSET,
        status.get("reason", ""),
        age(obj),
        spec.get("volumeMode") or UNSET,
    ]


def quota(obj: Object) -> list[Any]:
    """A ResourceQuota: used and allowed, requests and limits apart."""
    status = obj.get("status") or {}
    used = status.get("used") or {}
    requests: list[str] = []
    limits: list[str] = []
    for name, hard in sorted((status.get("hard") or {}).items()):
        entry = f"{name}: {used.get(name, '0')}/{hard}"
        (limits if name.startswith("limits") else requests).append(entry)
    return [_name(obj), ", ".join(requests), ", ".join(limits), age(obj)]


def disruption_budget(obj: Object) -> list[Any]:
    """A PodDisruptionBudget."""
    spec = obj.get("spec") or {}
    bounds = [str(spec[part]) if spec.get(part) is not None else "N/A" for part in _BOUNDS]
    return [_name(obj), *bounds, (obj.get("status") or {}).get("disruptionsAllowed", 0), age(obj)]


_BOUNDS = ("minAvailable", "maxUnavailable")


def autoscaler(obj: Object) -> list[Any]:
    """A HorizontalPodAutoscaler."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    target = spec.get("scaleTargetRef") or {}
    return [
        _name(obj),
        f"{target.get('kind', '')}/{target.get('name', '')}",
        _targets(spec.get("metrics") or [], status.get("currentMetrics") or []),
        str(spec["minReplicas"]) if spec.get("minReplicas") is not None else UNSET,
        spec.get("maxReplicas", 0),
        status.get("currentReplicas", 0),
        age(obj),
    ]


def _targets(metrics: list[Object], current: list[Object]) -> str:
    shown = []
    for index, metric in enumerate(metrics[:2]):
        kind = metric.get("type", "")
        part = kind[:1].lower() + kind[1:]
        wanted = (metric.get(part) or {}).get("target") or {}
        now = ((current[index].get(part) or {}).get("current") or {}) if index < len(current) else {}
        name = (metric.get(part) or {}).get("name", "")
        prefix = f"{name}: " if kind in ("Resource", "ContainerResource") else ""
        if wanted.get("averageUtilization") is not None:
            used = now.get("averageUtilization")
            shown.append(
                f"{prefix}{'<unknown>' if used is None else f'{used}%'}/{wanted['averageUtilization']}%"
            )
        else:
            goal = wanted.get("averageValue") or wanted.get("value") or "<auto>"
            average = " (avg)" if wanted.get("averageValue") else ""
            used = now.get("averageValue") or now.get("value") or "<unknown>"
            shown.append(f"{prefix}{used}/{goal}{average}")
    more = f" + {len(metrics) - 2} more..." if len(metrics) > 2 else ""
    return (", ".join(shown) or NONE) + more


def endpoint_slice(obj: Object) -> list[Any]:
    """An EndpointSlice, with the first three of its addresses and ports."""
    ports = [
        str(port["port"]) if port.get("port") is not None else port.get("name") or "*"
        for port in obj.get("ports") or []
    ]
    addresses = [a for endpoint in obj.get("endpoints") or [] for a in endpoint.get("addresses") or []]
    kind = obj.get("addressType", "")
    return [_name(obj), kind, _some(ports, "<unset>"), _some(addresses, "<unset>"), age(obj)]


def _some(values: list[str], nothing: str) -> str:
    if len(values) > 3:
        return f"{','.join(values[:3])} + {len(values) - 3} more..."
    return ",".join(values) or nothing


def ingress(obj: Object) -> list[Any]:
    """An Ingress."""
    spec = obj.get("spec") or {}
    hosts = [rule["host"] for rule in spec.get("rules") or [] if rule.get("host")]
    found = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    addresses = ",".join(sorted({i.get("ip") or i.get("hostname", "") for i in found}))
    return [
        _name(obj),
        spec.get("ingressClassName") or NONE,
        _some(hosts, "*"),
        addresses,
        "80, 443" if spec.get("tls") else "80",
        age(obj),
    ]


def ingress_class(obj: Object) -> list[Any]:
    """An IngressClass."""
    spec = obj.get("spec") or {}
    found = spec.get("parameters")
    parameters = NONE
    if found is not None:
        group = f".{found['apiGroup']}" if found.get("apiGroup") else ""
        parameters = f"{found.get('kind', '')}{group}/{found.get('name', '')}"
    return [_name(obj), spec.get("controller", ""), parameters, age(obj)]


def network_policy(obj: Object) -> list[Any]:
    """A NetworkPolicy."""
    return [_name(obj), selector((obj.get("spec") or {}).get("podSelector")), age(obj)]


def ip_address(obj: Object) -> list[Any]:
    """An IPAddress and whose it is."""
    parent = (obj.get("spec") or {}).get("parentRef") or {}
    path = [parent.get("resource", ""), parent.get("namespace", ""), parent.get("name", "")]
    group = f".{parent['group']}" if parent.get("group") else ""
    return [_name(obj), f"{path[0]}{group}/{'/'.join(part for part in path[1:] if part)}"]


def service_cidr(obj: Object) -> list[Any]:
    """A ServiceCIDR."""
    return [_name(obj), ",".join((obj.get("spec") or {}).get("cidrs") or []), age(obj)]


def runtime_class(obj: Object) -> list[Any]:
    """A RuntimeClass."""
    return [_name(obj), obj.get("handler", ""), age(obj)]


def storage_class(obj: Object) -> list[Any]:
    """A StorageClass."""
    default = (obj["metadata"].get("annotations") or {}).get("storageclass.kubernetes.io/is-default-class")
    return [
        f"{_name(obj)} (default)" if default == "true" else _name(obj),
        obj.get("provisioner", ""),
        obj.get("reclaimPolicy", "Delete"),
        obj.get("volumeBindingMode", "Immediate"),
        bool(obj.get("allowVolumeExpansion")),
        age(obj),
    ]


def volume_attributes_class(obj: Object) -> list[Any]:
    """A VolumeAttributesClass."""
    return [_name(obj), obj.get("driverName", ""), age(obj)]


def volume_attachment(obj: Object) -> list[Any]:
    """A VolumeAttachment."""
    spec = obj.get("spec") or {}
    source = (spec.get("source") or {}).get("persistentVolumeName") or ""
    attached = bool((obj.get("status") or {}).get("attached"))
    return [_name(obj), spec.get("attacher", ""), source, spec.get("nodeName", ""), attached, age(obj)]


def csi_driver(obj: Object) -> list[Any]:
    """A CSIDriver."""
    spec = obj.get("spec") or {}
    audiences = ",".join(token.get("audience", "") for token in spec.get("tokenRequests") or [])
    return [
        _name(obj),
        spec.get("attachRequired", True),
        bool(spec.get("podInfoOnMount")),
        bool(spec.get("storageCapacity")),
        audiences or UNSET,
        bool(spec.get("requiresRepublish")),
        ",".join(spec.get("volumeLifecycleModes") or []) or NONE,
        age(obj),
    ]


def csi_node(obj: Object) -> list[Any]:
    """A CSINode."""
    return [_name(obj), len((obj.get("spec") or {}).get("drivers") or []), age(obj)]


def signing_request(obj: Object) -> list[Any]:
    """A CertificateSigningRequest and what became of it."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    kinds = {c.get("type") for c in status.get("conditions") or []}
    word = "Denied" if "Denied" in kinds else "Approved" if "Approved" in kinds else "Pending"
    words = [
        word,
        *(["Failed"] if "Failed" in kinds else []),
        *(["Issued"] if status.get("certificate") else []),
    ]
    seconds = spec.get("expirationSeconds")
    return [
        _name(obj),
        age(obj),
        spec.get("signerName", "") or NONE,
        spec.get("username", ""),
        duration(seconds) if seconds is not None else NONE,
        ",".join(words),
    ]


def webhooks(obj: Object) -> list[Any]:
    """A webhook configuration, by how much is in it."""
    return [_name(obj), len(obj.get("webhooks") or []), age(obj)]


def admission_policy(obj: Object) -> list[Any]:
    """An admission policy, by how much is in it."""
    spec = obj.get("spec") or {}
    kind = spec.get("paramKind")
    parameters = f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}" if kind else UNSET
    rules = spec.get("mutations") if obj.get("kind", "").startswith("Mutating") else spec.get("validations")
    return [_name(obj), len(rules or []), parameters, age(obj)]


def admission_binding(obj: Object) -> list[Any]:
    """What an admission policy is bound to."""
    spec = obj.get("spec") or {}
    reference = spec.get("paramRef")
    shown = UNSET
    if reference:
        scope = reference.get("namespace") or "*"
        shown = f"{scope}/{reference.get('name', '')}" if reference.get("name") else f"{scope}/*"
    return [_name(obj), spec.get("policyName", ""), shown, age(obj)]


def api_service(obj: Object) -> list[Any]:
    """An APIService: who serves a group's version."""
    service = (obj.get("spec") or {}).get("service")
    where = f"{service.get('namespace', '')}/{service.get('name', '')}" if service else "Local"
    conditions = (obj.get("status") or {}).get("conditions") or []
    available = next((c for c in conditions if c.get("type") == "Available"), None)
    word = "Unknown" if available is None else str(available.get("status", ""))
    if available is not None and word != "True":
        word = f"{word} ({available.get('reason', '')})"
    return [_name(obj), where, word, age(obj)]


def flow_schema(obj: Object) -> list[Any]:
    """A FlowSchema."""
    spec = obj.get("spec") or {}
    conditions = (obj.get("status") or {}).get("conditions") or []
    dangling = next((c.get("status") for c in conditions if c.get("type") == "Dangling"), "?")
    return [
        _name(obj),
        (spec.get("priorityLevelConfiguration") or {}).get("name", ""),
        spec.get("matchingPrecedence", 0),
        (spec.get("distinguisherMethod") or {}).get("type") or NONE,
        age(obj),
        dangling,
    ]


def priority_level(obj: Object) -> list[Any]:
    """A PriorityLevelConfiguration."""
    spec = obj.get("spec") or {}
    limited = spec.get("limited") or spec.get("exempt") or {}
    queuing = ((spec.get("limited") or {}).get("limitResponse") or {}).get("queuing") or {}
    numbers = (queuing.get(part, NONE) for part in ("queues", "handSize", "queueLengthLimit"))
    shares = limited.get("nominalConcurrencyShares", NONE)
    return [_name(obj), spec.get("type", ""), shares, *numbers, age(obj)]


def resource_claim(obj: Object) -> list[Any]:
    """A ResourceClaim."""
    status = obj.get("status") or {}
    words = []
    if "deletionTimestamp" in obj["metadata"]:
        words.append("deleted")
    if status.get("allocation"):
        words.append("allocated")
    elif "deletionTimestamp" not in obj["metadata"]:
        words.append("pending")
    if status.get("reservedFor"):
        words.append("reserved")
    return [_name(obj), ",".join(words), age(obj)]


def resource_slice(obj: Object) -> list[Any]:
    """A ResourceSlice."""
    spec = obj.get("spec") or {}
    pool = (spec.get("pool") or {}).get("name", "")
    return [_name(obj), spec.get("nodeName") or UNSET, spec.get("driver", ""), pool, age(obj)]


def binding(obj: Object) -> list[Any]:
    """A RoleBinding or ClusterRoleBinding: the role, and who has it."""
    given, subjects = obj["roleRef"], obj.get("subjects") or []

    def names(kind: str) -> str:
        found = [subject for subject in subjects if subject["kind"] == kind]
        if kind == "ServiceAccount":
            return ", ".join(f"{each.get('namespace', '')}/{each['name']}" for each in found)
        return ", ".join(str(each["name"]) for each in found)

    listed = [names(kind) for kind in ("User", "Group", "ServiceAccount")]
    return [obj["metadata"]["name"], f"{given['kind']}/{given['name']}", age(obj), *listed]
