"""What is wrong with a Service, in the words of `pkg/apis/core/validation`."""

from __future__ import annotations

from typing import Any

from labs.core import names
from labs.core.field import Findings
from labs.core.validation.metadata import check_labels

from .endpoints import check_endpoint_ip, check_protocol
from .service_addresses import (
    NO_ADDRESS,
    check_cluster_ips,
    check_kept_addresses,
    check_kept_families,
    is_headless,
)

Object = dict[str, Any]
TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_AFFINITIES = ("ClientIP", "None")
_TRAFFIC_POLICIES = ("Cluster", "Local")
_DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
_IP_MODES = ("Proxy", "VIP")
_LONGEST_AFFINITY = 86400
_SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
_TOPOLOGY_MODE = "service.kubernetes.io/topology-mode"
_TOPOLOGY_HINTS = "service.kubernetes.io/topology-aware-hints"
_LOAD_BALANCER_ONLY = "may only be used when `type` is 'LoadBalancer'"
_FIXED = "may not change once set"


def is_external(spec: Object) -> bool:
    """Whether the Service can be reached from outside of the cluster."""
    kind = spec.get("type")
    return kind in ("LoadBalancer", "NodePort") or (kind == "ClusterIP" and bool(spec.get("externalIPs")))


def needs_health_check(spec: Object) -> bool:
    """Whether a balancer must find out which nodes have endpoints."""
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def validate_service(service: Object) -> Findings:
    """Everything wrong with a Service itself."""
    found, spec = Findings(), service["spec"]
    annotations = service["metadata"].get("annotations") or {}
    _topology(found, annotations)
    _address_of_type(found, spec)
    _ports(found, spec.get("ports") or [])
    check_labels(found, "spec.selector", spec.get("selector") or {})
    _affinity(found, spec)
    check_cluster_ips(found, spec)
    _external_ips(found, spec.get("externalIPs") or [])
    found.choice("spec.type", spec.get("type", ""), TYPES)
    _node_ports(found, spec)
    _duplicate_ports(found, spec.get("ports") or [])
    _source_ranges(found, spec, annotations)
    _load_balancer(found, spec)
    _traffic(found, spec)
    return found


def validate_service_update(new: Object, old: Object) -> Findings:
    """What may not change of a Service's spec."""
    found = Findings()
    if "ExternalName" not in (new.get("type"), old.get("type")):
        check_kept_addresses(found, new, old)
        check_kept_families(found, new, old)
    if new.get("type") == old.get("type") == "LoadBalancer":
        given = new.get("loadBalancerClass")
        if given != old.get("loadBalancerClass"):
            found.invalid("spec.loadBalancerClass", given, _FIXED)
    checked = needs_health_check(new) and needs_health_check(old)
    if checked and new.get("healthCheckNodePort") != old.get("healthCheckNodePort"):
        found.forbidden("spec.healthCheckNodePort", "field is immutable")
    return found


def validate_load_balancer(spec: Object, status: Object) -> Findings:
    """Everything wrong with where a balancer is said to be."""
    found, path = Findings(), "status.loadBalancer.ingress"
    points = (status.get("loadBalancer") or {}).get("ingress") or []
    if points and spec.get("type") != "LoadBalancer":
        found.forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")
        return found
    for index, point in enumerate(points):
        _balancer_point(found, f"{path}[{index}]", point)
    return found


def service_warnings(service: Object) -> list[str]:
    """What a client is told of a Service that is taken."""
    spec, told = service["spec"], []
    outside, kind = spec.get("externalIPs") or [], spec.get("type")
    headless = kind == "ClusterIP" and spec.get("clusterIP") == NO_ADDRESS
    if _TOPOLOGY_HINTS in (service["metadata"].get("annotations") or {}):
        told.append(f"annotation {_TOPOLOGY_HINTS} is deprecated, please use {_TOPOLOGY_MODE} instead")
    if spec.get("clusterIP") != NO_ADDRESS:
        told += _ip_warnings("spec.clusterIPs", spec.get("clusterIPs") or [])
    if headless:
        told += _headless_warnings(spec)
    told += _ip_warnings("spec.externalIPs", outside)
    if outside and not headless and kind != "ExternalName":
        told.append("spec.externalIPs is deprecated and may no longer be implemented in some clusters")
    if spec.get("loadBalancerIP"):
        told += names.ip_warnings("spec.loadBalancerIP", spec["loadBalancerIP"])
    for index, text in enumerate(spec.get("loadBalancerSourceRanges") or []):
        told += names.cidr_warnings(f"spec.loadBalancerSourceRanges[{index}]", text)
    if kind == "ExternalName" and outside:
        told.append('spec.externalIPs is ignored when spec.type is "ExternalName"')
    if kind != "ExternalName" and spec.get("externalName"):
        told.append('spec.externalName is ignored when spec.type is not "ExternalName"')
    if spec.get("trafficDistribution") == "PreferClose":
        told.append('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')
    return told


def _headless_warnings(spec: Object) -> list[str]:
    ignored = {
        "loadBalancerIP": spec.get("loadBalancerIP"),
        "externalIPs": spec.get("externalIPs"),
        "SessionAffinity": spec.get("sessionAffinity") != "None",
    }
    return [f"spec.{part} is ignored for headless services" for part, given in ignored.items() if given]


def _ip_warnings(path: str, addresses: list[str]) -> list[str]:
    return [
        warning
        for index, address in enumerate(addresses)
        for warning in names.ip_warnings(f"{path}[{index}]", address)
    ]


def _topology(found: Findings, annotations: Object) -> None:
    """The newer annotation says the same as the older one."""
    mode, hints = annotations.get(_TOPOLOGY_MODE), annotations.get(_TOPOLOGY_HINTS)
    if mode is not None and hints is not None and mode != hints:
        why = f"must match annotations[{_TOPOLOGY_HINTS}] when both are specified"
        found.invalid(f"metadata.annotations[{_TOPOLOGY_MODE}]", mode, why)


def _address_of_type(found: Findings, spec: Object) -> None:
    """Ports and addresses that the type of the Service needs or has no use for."""
    kind, headless = spec.get("type"), is_headless(spec)
    if not spec.get("ports") and not headless and kind != "ExternalName":
        found.required("spec.ports")
    if headless and kind in ("LoadBalancer", "NodePort"):
        why = f"may not be set to 'None' for {kind} services"
        found.invalid("spec.clusterIPs[0]", NO_ADDRESS, why)
    if kind != "ExternalName":
        return
    for part in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if spec.get(part):
            found.forbidden(f"spec.{part}", "may not be set for ExternalName services")
    if name := spec.get("externalName", "").removesuffix("."):
        found.subdomain("spec.externalName", name)
    else:
        found.required("spec.externalName")


def _ports(found: Findings, ports: list[Object]) -> None:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        path, name = f"spec.ports[{index}]", port.get("name", "")
        if name or len(ports) > 1:
            found.required_label(f"{path}.name", name)
        if name and name in seen:
            found.duplicate(f"{path}.name", name)
        seen.add(name)
        found.between(f"{path}.port", port.get("port", 0), 1, 65535)
        check_protocol(found, f"{path}.protocol", port.get("protocol", ""))
        _target_port(found, f"{path}.targetPort", port.get("targetPort", 0))
        if port.get("appProtocol") is not None:
            found.qualified_name(f"{path}.appProtocol", port["appProtocol"])


def _target_port(found: Findings, path: str, target: int | str) -> None:
    """A number, or the name that a container has for one."""
    if isinstance(target, int):
        found.between(path, target, 1, 65535)
    else:
        found.faults(path, target, names.port_name_faults(target))


def _affinity(found: Findings, spec: Object) -> None:
    kind, path = spec.get("sessionAffinity", ""), "spec.sessionAffinityConfig"
    found.choice("spec.sessionAffinity", kind, _AFFINITIES)
    if kind == "ClientIP":
        seconds = spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"]
        if not 0 < seconds <= _LONGEST_AFFINITY:
            why = f"must be greater than 0 and less than {_LONGEST_AFFINITY}"
            found.invalid(f"{path}.clientIP.timeoutSeconds", seconds, why)


def _external_ips(found: Findings, addresses: list[str]) -> None:
    for index, address in enumerate(addresses):
        path = f"spec.externalIPs[{index}]"
        if faults := names.ip_faults(address):
            found.faults(path, address, faults)
        else:
            check_endpoint_ip(found, path, address)


def _node_ports(found: Findings, spec: Object) -> None:
    """A Service that only the cluster sees has no ports of nodes."""
    for index, port in enumerate(spec.get("ports") or []):
        if spec.get("type") == "ClusterIP" and port.get("nodePort"):
            why = "may not be used when `type` is 'ClusterIP'"
            found.forbidden(f"spec.ports[{index}].nodePort", why)


def _duplicate_ports(found: Findings, ports: list[Object]) -> None:
    """Each number once for each protocol, of the Service's ports and of the nodes'."""
    for part in ("nodePort", "port"):
        seen: set[tuple[str, int]] = set()
        for index, port in enumerate(ports):
            path, key = f"spec.ports[{index}]", (port.get("protocol", ""), port.get(part, 0))
            if key in seen and part == "port":
                found.duplicate(path, _internal_port(*key))
            elif key in seen and key[1]:
                found.duplicate(f"{path}.nodePort", key[1])
            seen.add(key)


def _internal_port(protocol: str, number: int) -> Object:
    """A port as the server's own structure with nothing else in it."""
    return {
        "Name": "",
        "Protocol": protocol,
        "AppProtocol": None,
        "Port": number,
        "TargetPort": 0,
        "NodePort": 0,
    }


def _source_ranges(found: Findings, spec: Object, annotations: Object) -> None:
    """Networks that a balancer lets in, in the field or else in the older annotation."""
    ranges, annotated = spec.get("loadBalancerSourceRanges") or [], annotations.get(_SOURCE_RANGES)
    path = "spec.LoadBalancerSourceRanges" if ranges else f"metadata.annotations[{_SOURCE_RANGES}]"
    if (ranges or annotated is not None) and spec.get("type") != "LoadBalancer":
        found.forbidden(path, _LOAD_BALANCER_ONLY)
    for index, text in enumerate(ranges):
        found.faults(f"{path}[{index}]", text.strip(), names.cidr_faults(text.strip()))
    if not ranges and annotated and annotated.strip():
        for text in annotated.strip().split(","):
            found.faults(path, text.strip(), names.cidr_faults(text.strip()))


def _load_balancer(found: Findings, spec: Object) -> None:
    """What only a balancer has, and its class."""
    name = spec.get("loadBalancerClass")
    if spec.get("type") == "LoadBalancer":
        if name is not None:
            found.qualified_name("spec.loadBalancerClass", name)
        return
    for part in ("allocateLoadBalancerNodePorts", "loadBalancerClass"):
        if spec.get(part) is not None:
            found.forbidden(f"spec.{part}", _LOAD_BALANCER_ONLY)


def _traffic(found: Findings, spec: Object) -> None:
    """Which of its endpoints the Service leads to."""
    policy, number = spec.get("externalTrafficPolicy", ""), spec.get("healthCheckNodePort", 0)
    if is_external(spec):
        found.choice("spec.externalTrafficPolicy", policy, _TRAFFIC_POLICIES)
    elif policy:
        why = "may only be set for externally-accessible services"
        found.invalid("spec.externalTrafficPolicy", policy, why)
    if needs_health_check(spec):
        found.between("spec.healthCheckNodePort", number, 1, 65535)
    elif number:
        why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        found.invalid("spec.healthCheckNodePort", number, why)
    if (policy := spec.get("internalTrafficPolicy")) not in (None, *_TRAFFIC_POLICIES):
        found.not_supported("spec.internalTrafficPolicy", policy, _TRAFFIC_POLICIES)
    if (wish := spec.get("trafficDistribution")) not in (None, *_DISTRIBUTIONS):
        found.not_supported("spec.trafficDistribution", wish, _DISTRIBUTIONS)


def _balancer_point(found: Findings, path: str, point: Object) -> None:
    ip, mode, host = point.get("ip", ""), point.get("ipMode"), point.get("hostname", "")
    if ip:
        found.ip(f"{path}.ip", ip)
    if ip and mode is None:
        found.required(f"{path}.ipMode", "must be specified when `ip` is set")
    elif mode is not None and not ip:
        found.forbidden(f"{path}.ipMode", "may not be specified when `ip` is not set")
    elif mode is not None and mode not in _IP_MODES:
        found.not_supported(f"{path}.ipMode", mode, _IP_MODES)
    if host:
        found.subdomain(f"{path}.hostname", host)
        if names.parse_ip(host):
            found.invalid(f"{path}.hostname", host, "must be a DNS name, not an IP address")
