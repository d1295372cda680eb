"""Services and where they lead, network policies and ingresses.

Mirrors `pkg/registry/core/{service,endpoint}` and `pkg/registry/{discovery,networking}`.
"""

from __future__ import annotations

from typing import ClassVar

from labs.core import names
from labs.core.field import FieldError, invalid

from ..validation import endpoints, ingresses, network_policies, service_ranges, services
from ..validation.templates import immutable
from ._base import Object, Strategy

#: Fields of a Service's spec that are not there when there is nothing in them.
_OMITTED = (
    *("ports", "clusterIP", "clusterIPs", "type", "externalIPs", "selector", "sessionAffinity", "ipFamilies"),
    *("loadBalancerIP", "loadBalancerSourceRanges", "externalName", "externalTrafficPolicy"),
    *("healthCheckNodePort", "publishNotReadyAddresses"),
)
_AFFINITY_SECONDS = 10800


class EndpointsStrategy(Strategy):
    """Where a service leads, in the older form."""

    create_on_update = True

    def default(self, obj: Object) -> None:
        for subset in obj.get("subsets") or []:
            for port in subset.get("ports") or []:
                port.setdefault("protocol", "TCP")

    def validate_create(self, obj: Object) -> list[FieldError]:
        return super().validate_create(obj) + endpoints.validate_subsets(obj.get("subsets") or [])

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = super().validate_update(new, old)
        # The server's own are not validated, and anybody may label them.
        if new.get("subsets") != old.get("subsets"):
            errors += endpoints.validate_subsets(new.get("subsets") or [])
        return errors

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        return endpoints.subset_warnings(new.get("subsets") or [])


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
        for part in _OMITTED:
            if part in spec and not spec[part]:
                del spec[part]
        spec.setdefault("type", "ClusterIP")
        _default_affinity(spec)
        for port in spec.get("ports") or []:
            port.setdefault("protocol", "TCP")
            if port.get("targetPort") in (None, 0, ""):
                port["targetPort"] = port.get("port", 0)
        if services.is_external(spec):
            spec.setdefault("externalTrafficPolicy", "Cluster")
        if spec["type"] in ("ClusterIP", "LoadBalancer", "NodePort"):
            spec.setdefault("internalTrafficPolicy", "Cluster")
        if spec["type"] == "LoadBalancer":
            spec.setdefault("allocateLoadBalancerNodePorts", True)
        obj.setdefault("status", {"loadBalancer": {}})

    def prepare_update(self, new: Object, old: Object) -> None:
        super().prepare_update(new, old)
        _drop_what_the_type_has_not(new["spec"], old["spec"])

    def validate(self, obj: Object) -> list[FieldError]:
        return services.validate_service(obj)

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        return services.validate_service_update(new["spec"], old["spec"]) + super().validate_update(new, old)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        return services.service_warnings(new)

    def prepare_status(self, new: Object, old: Object) -> None:
        super().prepare_status(new, old)
        for point in new["status"]["loadBalancer"].get("ingress") or []:
            if point.get("ip"):
                point.setdefault("ipMode", "VIP")

    def validate_status(self, new: Object, old: Object) -> list[FieldError]:
        errors = super().validate_status(new, old)
        return errors + services.validate_load_balancer(new["spec"], new["status"])


def _default_affinity(spec: Object) -> None:
    spec.setdefault("sessionAffinity", "None")
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        client = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        if client.get("timeoutSeconds") is None:
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": _AFFINITY_SECONDS}}


def _drop_what_the_type_has_not(new: Object, old: Object) -> None:
    """Fields that belong to the type a service had go with it unless the client changed them."""

    def drop(*parts: str) -> None:
        for part in parts:
            if new.get(part) == old.get(part):
                new.pop(part, None)

    if new["type"] == "ExternalName" != old["type"]:
        if new.get("clusterIP") == old.get("clusterIP"):
            drop("clusterIPs", "clusterIP")
        drop("ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy")
    node_types = ("LoadBalancer", "NodePort")
    if old["type"] in node_types and new["type"] not in node_types:
        _drop_node_ports(new, old)
    if services.needs_health_check(old) and not services.needs_health_check(new):
        drop("healthCheckNodePort")
    if old["type"] == "LoadBalancer" != new["type"]:
        drop("allocateLoadBalancerNodePorts", "loadBalancerClass")
    if services.is_external(old) and not services.is_external(new):
        drop("externalTrafficPolicy")


def _drop_node_ports(new: Object, old: Object) -> None:
    """All ports of nodes, if there is no new one among them."""
    before = {port.get("nodePort") for port in old.get("ports") or []}
    if all(port.get("nodePort") in {None, 0, *before} for port in new.get("ports") or []):
        for port in new.get("ports") or []:
            port.pop("nodePort", None)


class EndpointSliceStrategy(Strategy):
    """Where a service leads: a part of it."""

    counts_generations = True

    def default(self, obj: Object) -> None:
        for endpoint in obj.setdefault("endpoints", []) or []:
            endpoint.setdefault("conditions", {})
        for port in obj.setdefault("ports", []) or []:
            port.setdefault("name", "")
            port.setdefault("protocol", "TCP")

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        _drop_topology(obj)

    def prepare_update(self, new: Object, old: Object) -> None:
        super().prepare_update(new, old)
        _drop_topology(new)

    def validate(self, obj: Object) -> list[FieldError]:
        return [
            *endpoints.validate_address_type(obj.get("addressType", "")),
            *endpoints.validate_slice_ports(obj.get("ports") or []),
        ]

    def validate_create(self, obj: Object) -> list[FieldError]:
        return super().validate_create(obj) + self._endpoints(obj)

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = super().validate_update(new, old)
        # The server's own are not validated, and anybody may label them.
        if new.get("endpoints") != old.get("endpoints"):
            errors += self._endpoints(new)
        if new.get("addressType") != old.get("addressType"):
            errors.append(invalid("addressType", new.get("addressType"), "field is immutable"))
        return errors

    def _endpoints(self, obj: Object) -> list[FieldError]:
        return endpoints.validate_endpoints(obj.get("addressType", ""), obj.get("endpoints") or [])

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        deprecated = old is None and new["addressType"] == "FQDN"
        told = ["spec.addressType: FQDN endpoints are deprecated"] if deprecated else []
        return told + endpoints.slice_warnings(new)


def _drop_topology(obj: Object) -> None:
    """What endpoints said of their places in an older version."""
    for endpoint in obj.get("endpoints") or []:
        endpoint.pop("deprecatedTopology", None)


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
        return network_policies.validate_network_policy(obj["spec"])

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        return network_policies.network_policy_warnings(new["spec"])


class IngressStrategy(Strategy):
    """Ways in from outside; a record here."""

    has_status = True
    counts_generations = True
    initial_status: ClassVar[Object] = {"loadBalancer": {}}

    def validate(self, obj: Object) -> list[FieldError]:
        return ingresses.validate_ingress(obj.get("spec") or {})

    def validate_create(self, obj: Object) -> list[FieldError]:
        return super().validate_create(obj) + ingresses.validate_class_annotation(obj)

    def validate_status(self, new: Object, old: Object) -> list[FieldError]:
        return super().validate_status(new, old) + ingresses.validate_load_balancer(new["status"])

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        annotation = ingresses.CLASS_ANNOTATION
        annotated = annotation in (new["metadata"].get("annotations") or {})
        if old is not None or not annotated or new["spec"].get("ingressClassName") is not None:
            return []
        return [f"annotation \"{annotation}\" is deprecated, please use 'spec.ingressClassName' instead"]


class IngressClassStrategy(Strategy):
    """Who serves ingresses of a class; a record here."""

    counts_generations = True

    def default(self, obj: Object) -> None:
        parameters = (obj.get("spec") or {}).get("parameters")
        if parameters is not None and parameters.get("scope") is None:
            parameters["scope"] = "Cluster"

    def validate(self, obj: Object) -> list[FieldError]:
        return ingresses.validate_ingress_class(obj.get("spec") or {})

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = immutable(new.get("spec") or {}, old.get("spec") or {}, "spec", "controller")
        return errors + super().validate_update(new, old)


class ServiceCIDRStrategy(Strategy):
    """A range that services get their addresses from."""

    has_status = True

    def validate_create(self, obj: Object) -> list[FieldError]:
        return super().validate_create(obj) + service_ranges.validate_service_cidr(obj.get("spec") or {})

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        changed = service_ranges.validate_service_cidr_update(new.get("spec") or {}, old.get("spec") or {})
        return super().validate_update(new, old) + changed


class IPAddressStrategy(Strategy):
    """An address, by its name, and whose it is."""

    def name_faults(self, name: str) -> list[str]:
        return names.strict_ip_faults(name)

    def validate(self, obj: Object) -> list[FieldError]:
        return service_ranges.validate_ip_address(obj.get("spec") or {})

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        changed = service_ranges.validate_ip_address_update(new.get("spec") or {}, old.get("spec") or {})
        return super().validate_update(new, old) + changed
