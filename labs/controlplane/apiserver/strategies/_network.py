"""Services and where they lead, network policies and ingresses.

Mirrors `pkg/registry/core/service`, `pkg/registry/{discovery,networking}` and their validation.
"""

from __future__ import annotations

import ipaddress
from typing import ClassVar

from labs.core import names
from labs.core.field import FieldError, Findings, duplicate, forbidden, invalid, not_supported, required
from labs.core.validation.metadata import check_labels
from labs.core.validation.selectors import validate_label_selector

from ._base import Object, Strategy

ADDRESS_RULE = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
PORT_RULE = "must be between 1 and 65535, inclusive"


def is_address(text: str) -> bool:
    """Whether it is an address of IPv4 or IPv6."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class EndpointsStrategy(Strategy):
    """Where a service leads, in the older form."""

    create_on_update = True

    def default(self, obj: Object) -> None:
        for subset in obj.get("subsets") or []:
            for port in subset.get("ports") or []:
                port.setdefault("protocol", "TCP")

    def validate(self, obj: Object) -> list[FieldError]:
        errors: list[FieldError] = []
        for index, subset in enumerate(obj.get("subsets") or []):
            field = f"subsets[{index}]"
            for part in ("addresses", "notReadyAddresses"):
                for position, address in enumerate(subset.get(part) or []):
                    if not is_address(address.get("ip", "")):
                        here = f"{field}.{part}[{position}].ip"
                        errors.append(invalid(here, address.get("ip", ""), ADDRESS_RULE))
            for position, port in enumerate(subset.get("ports") or []):
                if not 1 <= port.get("port", 0) <= 65535:
                    here = f"{field}.ports[{position}].port"
                    errors.append(invalid(here, port.get("port", 0), PORT_RULE))
        return errors


_SERVICE_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")


class ServiceStrategy(Strategy):
    """A service's record; addresses and node ports are given out by `allocation`."""

    create_on_update = True
    has_status = True
    returns_deleted = True
    initial_status: ClassVar[Object] = {"loadBalancer": {}}

    def name_faults(self, name: str) -> list[str]:
        return names.label_faults(name)

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("sessionAffinity", "None")
        if spec["sessionAffinity"] == "ClientIP":
            client = spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {})
            client.setdefault("timeoutSeconds", 10800)
        spec.setdefault("type", "ClusterIP")
        for port in spec.get("ports") or []:
            port.setdefault("protocol", "TCP")
            if port.get("targetPort") in (None, 0, ""):
                port["targetPort"] = port.get("port")
        if spec["type"] in ("NodePort", "LoadBalancer"):
            spec.setdefault("externalTrafficPolicy", "Cluster")
        if spec["type"] != "ExternalName":
            spec.setdefault("internalTrafficPolicy", "Cluster")
        if spec["type"] == "LoadBalancer":
            spec.setdefault("allocateLoadBalancerNodePorts", True)
        obj.setdefault("status", {"loadBalancer": {}})

    def prepare_update(self, new: Object, old: Object) -> None:
        super().prepare_update(new, old)
        _drop_what_the_type_has_not(new["spec"], old["spec"])

    def validate(self, obj: Object) -> list[FieldError]:
        spec = obj["spec"]
        errors: list[FieldError] = []
        if spec["type"] not in _SERVICE_TYPES:
            errors.append(not_supported("spec.type", spec["type"], _SERVICE_TYPES))
        headless = spec.get("clusterIP") == "None"
        if headless and spec["type"] in ("NodePort", "LoadBalancer"):
            detail = f"may not be set to 'None' for {spec['type']} services"
            errors.append(invalid("spec.clusterIPs[0]", "None", detail))
        if spec["type"] == "ExternalName":
            errors += _external_name(spec)
        elif not spec.get("ports") and not headless:
            errors.append(required("spec.ports"))
        errors += _service_ports(spec)
        selector = Findings()
        check_labels(selector, "spec.selector", spec.get("selector") or {})
        errors += selector
        if spec["sessionAffinity"] not in ("ClientIP", "None"):
            errors.append(
                not_supported("spec.sessionAffinity", spec["sessionAffinity"], ("ClientIP", "None"))
            )
        return errors

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = super().validate_update(new, old)
        was, now = old["spec"], new["spec"]
        fixed = "ExternalName" not in (was["type"], now["type"])
        if fixed and was.get("clusterIP") and now.get("clusterIP") != was["clusterIP"]:
            addresses = now.get("clusterIPs") or [now.get("clusterIP", "")]
            errors.insert(0, invalid("spec.clusterIPs[0]", addresses, "may not change once set"))
        return errors


def _external_name(spec: Object) -> list[FieldError]:
    errors = []
    if spec.get("clusterIP"):
        errors.append(forbidden("spec.clusterIPs", "may not be set for ExternalName services"))
    name = spec.get("externalName", "").rstrip(".")
    if not name:
        errors.append(required("spec.externalName"))
    elif not names.is_subdomain(name):
        detail = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters"
        errors.append(invalid("spec.externalName", name, detail))
    return errors


def _service_ports(spec: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    ports, taken, numbers = spec.get("ports") or [], set(), set()
    for index, port in enumerate(ports):
        field, name, number = f"spec.ports[{index}]", port.get("name", ""), port.get("port", 0)
        if not name and len(ports) > 1:
            errors.append(required(f"{field}.name"))
        elif name and not names.is_label(name):
            errors.append(invalid(f"{field}.name", name, "must be a DNS label"))
        elif name and name in taken:
            errors.append(duplicate(f"{field}.name", name))
        taken.add(name)
        if not 1 <= number <= 65535:
            errors.append(invalid(f"{field}.port", number, PORT_RULE))
        if port["protocol"] not in ("SCTP", "TCP", "UDP"):
            errors.append(not_supported(f"{field}.protocol", port["protocol"], ("SCTP", "TCP", "UDP")))
        target = port.get("targetPort")
        if isinstance(target, int) and not 1 <= target <= 65535:
            errors.append(invalid(f"{field}.targetPort", target, PORT_RULE))
        if port.get("nodePort") and spec["type"] in ("ClusterIP", "ExternalName"):
            detail = f"may not be used when `type` is '{spec['type']}'"
            errors.append(forbidden(f"{field}.nodePort", detail))
        if (port["protocol"], number) in numbers:
            entry = {"port": number, "protocol": port["protocol"]}
            errors.append(duplicate(field, {**entry, "targetPort": 0}))
        numbers.add((port["protocol"], number))
    return errors


def _drop_what_the_type_has_not(new: Object, old: Object) -> None:
    """Fields that belong to the type a service had go with it unless the client changed them."""
    if new["type"] == old["type"]:
        return
    if new["type"] in ("ClusterIP", "ExternalName"):
        before = {port.get("nodePort") for port in old.get("ports") or []}
        for port in new.get("ports") or []:
            if port.get("nodePort") in before:
                port.pop("nodePort", None)
        if new.get("externalTrafficPolicy") == old.get("externalTrafficPolicy"):
            new.pop("externalTrafficPolicy", None)
        new.pop("allocateLoadBalancerNodePorts", None)
    if new["type"] == "ExternalName":
        for part in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
            if new.get(part) == old.get(part):
                new.pop(part, None)


class EndpointSliceStrategy(Strategy):
    """Where a service leads: a part of it."""

    counts_generations = True

    def default(self, obj: Object) -> None:
        for endpoint in obj.setdefault("endpoints", []) or []:
            endpoint.setdefault("conditions", {})
        for port in obj.setdefault("ports", []) or []:
            port.setdefault("name", "")
            port.setdefault("protocol", "TCP")

    def validate(self, obj: Object) -> list[FieldError]:
        kind, kinds = obj.get("addressType", ""), ("FQDN", "IPv4", "IPv6")
        if not kind:
            return [required("addressType")]
        if kind not in kinds:
            return [not_supported("addressType", kind, kinds)]
        errors: list[FieldError] = []
        for index, endpoint in enumerate(obj.get("endpoints") or []):
            field = f"endpoints[{index}].addresses"
            if not endpoint.get("addresses"):
                errors.append(required(field, "must contain at least 1 address"))
            for position, address in enumerate(endpoint.get("addresses") or []):
                errors += _slice_address(kind, address, f"{field}[{position}]")
        names: set[str] = set()
        for index, port in enumerate(obj.get("ports") or []):
            if port["name"] in names:
                errors.append(duplicate(f"ports[{index}].name", port["name"]))
            names.add(port["name"])
            if port.get("port") is not None and not 1 <= port["port"] <= 65535:
                errors.append(invalid(f"ports[{index}].port", port["port"], PORT_RULE))
            if port["protocol"] not in ("SCTP", "TCP", "UDP"):
                choices = ("SCTP", "TCP", "UDP")
                errors.append(not_supported(f"ports[{index}].protocol", port["protocol"], choices))
        return errors

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = super().validate_update(new, old)
        if new.get("addressType") != old.get("addressType"):
            errors.append(invalid("addressType", new.get("addressType"), "field is immutable"))
        return errors


def _slice_address(kind: str, address: str, field: str) -> list[FieldError]:
    if kind == "FQDN":
        return []
    if not is_address(address):
        return [invalid(field, address, ADDRESS_RULE)]
    if ipaddress.ip_address(address).version != (4 if kind == "IPv4" else 6):
        return [invalid(field, address, f"must be an {kind} address")]
    return []


class NetworkPolicyStrategy(Strategy):
    """Who may talk to whom; a record here."""

    counts_generations = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("podSelector", {})
        if not spec.get("policyTypes"):
            spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]
        for rule in (spec.get("ingress") or []) + (spec.get("egress") or []):
            for port in rule.get("ports") or []:
                port.setdefault("protocol", "TCP")

    def validate(self, obj: Object) -> list[FieldError]:
        spec = obj["spec"]
        errors = validate_label_selector(spec["podSelector"], "spec.podSelector")
        for direction, peers in (("ingress", "from"), ("egress", "to")):
            for index, rule in enumerate(spec.get(direction) or []):
                field = f"spec.{direction}[{index}]"
                for position, port in enumerate(rule.get("ports") or []):
                    errors += _policy_port(port, f"{field}.ports[{position}]")
                for position, peer in enumerate(rule.get(peers) or []):
                    errors += _policy_peer(peer, f"{field}.{peers}[{position}]")
        choices = ("Egress", "Ingress")
        errors += [
            not_supported(f"spec.policyTypes[{index}]", kind, choices)
            for index, kind in enumerate(spec["policyTypes"])
            if kind not in choices
        ]
        return errors


def _policy_port(port: Object, field: str) -> list[FieldError]:
    errors = []
    if port["protocol"] not in ("SCTP", "TCP", "UDP"):
        errors.append(not_supported(f"{field}.protocol", port["protocol"], ("SCTP", "TCP", "UDP")))
    number = port.get("port")
    if isinstance(number, int) and not 1 <= number <= 65535:
        errors.append(invalid(f"{field}.port", number, PORT_RULE))
    if port.get("endPort") is not None and (not isinstance(number, int) or port["endPort"] < number):
        detail = f"must be greater than or equal to `port` ({number})"
        errors.append(invalid(f"{field}.endPort", port["endPort"], detail))
    return errors


def _policy_peer(peer: Object, field: str) -> list[FieldError]:
    if not peer:
        return [required(field, "must specify a peer")]
    errors: list[FieldError] = []
    for part in ("podSelector", "namespaceSelector"):
        if peer.get(part) is not None:
            errors += validate_label_selector(peer[part], f"{field}.{part}")
    block = peer.get("ipBlock")
    if block is not None:
        if len(peer) > 1:
            errors.append(forbidden(field, "may not specify both ipBlock and another peer"))
        try:
            ipaddress.ip_network(block.get("cidr", ""), strict=False)
        except ValueError:
            detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            errors.append(invalid(f"{field}.ipBlock.cidr", block.get("cidr", ""), detail))
    return errors


class IngressStrategy(Strategy):
    """Ways in from outside; a record here."""

    has_status = True
    counts_generations = True
    initial_status: ClassVar[Object] = {"loadBalancer": {}}

    def validate(self, obj: Object) -> list[FieldError]:
        spec = obj.get("spec") or {}
        if not spec.get("rules") and spec.get("defaultBackend") is None:
            return [invalid("spec", [], "either `defaultBackend` or `rules` must be specified")]
        errors: list[FieldError] = []
        if spec.get("defaultBackend") is not None:
            errors += _backend(spec["defaultBackend"], "spec.defaultBackend")
        for index, rule in enumerate(spec.get("rules") or []):
            if rule.get("http") is None:
                continue
            field = f"spec.rules[{index}].http.paths"
            if not rule["http"].get("paths"):
                errors.append(required(field))
            for position, path in enumerate(rule["http"].get("paths") or []):
                errors += _path(path, f"{field}[{position}]")
        return errors


def _path(path: Object, field: str) -> list[FieldError]:
    errors = []
    kind, kinds = path.get("pathType"), ("Exact", "ImplementationSpecific", "Prefix")
    if kind is None:
        errors.append(required(f"{field}.pathType", "pathType must be specified"))
    elif kind not in kinds:
        errors.append(not_supported(f"{field}.pathType", kind, kinds))
    elif kind != "ImplementationSpecific" and not path.get("path", "").startswith("/"):
        errors.append(invalid(f"{field}.path", path.get("path", ""), "must be an absolute path"))
    return errors + _backend(path.get("backend") or {}, f"{field}.backend")


def _backend(backend: Object, field: str) -> list[FieldError]:
    service = backend.get("service")
    if service is None:
        if backend.get("resource") is None:
            return [required(field, "port name or number is required")]
        return []
    errors = [] if service.get("name") else [required(f"{field}.service.name")]
    port = service.get("port") or {}
    if not port.get("name") and not port.get("number"):
        errors.append(required(field, "port name or number is required"))
    return errors
