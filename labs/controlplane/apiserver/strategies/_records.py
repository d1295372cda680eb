"""Kinds that are little more than records, a class each for what little there is."""

from __future__ import annotations

import ipaddress
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import Any

from ..meta import validate_labels
from ..status import FieldError, forbidden_field, invalid, not_supported, required
from ._base import Object, Strategy


def _immutable_data(new: Object, old: Object) -> list[FieldError]:
    """ConfigMaps and Secrets that were sealed stay as they are."""
    if not old.get("immutable"):
        return []
    errors = []
    if not new.get("immutable"):
        errors.append(forbidden_field("immutable", "field is immutable when `immutable` is set"))
    errors += [
        forbidden_field(part, "field is immutable when `immutable` is set")
        for part in ("data", "binaryData")
        if (new.get(part) or {}) != (old.get(part) or {})
    ]
    return errors


class ConfigMapStrategy(Strategy):
    """Data for pods."""

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        return super().validate_update(new, old) + _immutable_data(new, old)


class SecretStrategy(Strategy):
    """Data for pods, base64 on the wire; `stringData` is folded in on write."""

    def default(self, obj: Object) -> None:
        obj.setdefault("type", "Opaque")

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        self._fold(obj)

    def prepare_update(self, new: Object, old: Object) -> None:
        super().prepare_update(new, old)
        self._fold(new)

    def _fold(self, obj: Object) -> None:
        for key, text in (obj.pop("stringData", None) or {}).items():
            obj.setdefault("data", {})[key] = b64encode(text.encode()).decode()

    def validate(self, obj: Object) -> list[FieldError]:
        errors = []
        for key, value in (obj.get("data") or {}).items():
            try:
                b64decode(value, validate=True)
            except (Base64Error, ValueError):
                errors.append(invalid(f"data[{key}]", value, "illegal base64 data"))
        return errors

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = super().validate_update(new, old) + _immutable_data(new, old)
        if new.get("type") != old.get("type"):
            errors.append(invalid("type", new.get("type", ""), "field is immutable"))
        return errors


class EndpointsStrategy(Strategy):
    """Where a service leads."""

    create_on_update = True

    def validate(self, obj: Object) -> list[FieldError]:
        errors: list[FieldError] = []
        for index, subset in enumerate(obj.get("subsets") or []):
            field = f"subsets[{index}]"
            for part in ("addresses", "notReadyAddresses"):
                for position, address in enumerate(subset.get(part) or []):
                    if not _is_address(address.get("ip", "")):
                        here = f"{field}.{part}[{position}].ip"
                        detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
                        errors.append(invalid(here, address.get("ip", ""), detail))
            for position, port in enumerate(subset.get("ports") or []):
                if not 1 <= port.get("port", 0) <= 65535:
                    here = f"{field}.ports[{position}].port"
                    errors.append(
                        invalid(here, port.get("port", 0), "must be between 1 and 65535, inclusive")
                    )
        return errors


class ServiceStrategy(Strategy):
    """A service's record; cluster IPs are given out by `admission`."""

    label_names = True
    has_status = True
    returns_deleted = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("type", "ClusterIP")
        spec.setdefault("sessionAffinity", "None")
        spec.setdefault("internalTrafficPolicy", "Cluster")
        for port in spec.get("ports") or []:
            port.setdefault("protocol", "TCP")
            port.setdefault("targetPort", port.get("port"))
        obj.setdefault("status", {"loadBalancer": {}})

    def prepare_create(self, obj: Object) -> None:
        obj["status"] = {"loadBalancer": {}}
        spec = obj["spec"]
        if spec.get("clusterIP") and spec["type"] != "ExternalName":
            spec.setdefault("clusterIPs", [spec["clusterIP"]])
            spec.setdefault("ipFamilies", ["IPv4"])
            spec.setdefault("ipFamilyPolicy", "SingleStack")

    def validate(self, obj: Object) -> list[FieldError]:
        spec = obj["spec"]
        errors: list[FieldError] = []
        kinds = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
        if spec["type"] not in kinds:
            errors.append(not_supported("spec.type", spec["type"], kinds))
        headless = spec.get("clusterIP") == "None"
        if not spec.get("ports") and spec["type"] != "ExternalName" and not headless:
            errors.append(required("spec.ports"))
        for index, port in enumerate(spec.get("ports") or []):
            number = port.get("port", 0)
            if not 1 <= number <= 65535:
                errors.append(
                    invalid(f"spec.ports[{index}].port", number, "must be between 1 and 65535, inclusive")
                )
            if not port.get("name") and len(spec["ports"]) > 1:
                errors.append(required(f"spec.ports[{index}].name"))
        errors += validate_labels(spec.get("selector") or {}, "spec.selector")
        return errors


class NamespaceStrategy(Strategy):
    """A namespace; it goes when everything in it has gone and its finalizers have been taken off."""

    label_names = True
    has_status = True
    returns_deleted = True

    def default(self, obj: Object) -> None:
        labels = obj["metadata"].setdefault("labels", {})
        if name := obj["metadata"].get("name"):
            labels["kubernetes.io/metadata.name"] = name
        obj.setdefault("spec", {})

    def prepare_create(self, obj: Object) -> None:
        obj["status"] = {"phase": "Active"}
        finalizers = obj["spec"].setdefault("finalizers", [])
        if "kubernetes" not in finalizers:
            finalizers.append("kubernetes")

    def prepare_update(self, new: Object, old: Object) -> None:
        super().prepare_update(new, old)
        new["spec"] = old["spec"]


class NodeStrategy(Strategy):
    """A node's record; the kubelet makes and updates its own."""

    has_status = True

    def default(self, obj: Object) -> None:
        obj.setdefault("spec", {})
        status = obj.get("status")
        if status is not None and "capacity" in status:
            status.setdefault("allocatable", status["capacity"])

    def prepare_create(self, obj: Object) -> None:
        """A node brings its first status along, unlike other kinds."""

    def validate(self, obj: Object) -> list[FieldError]:
        errors: list[FieldError] = []
        for index, taint in enumerate(obj["spec"].get("taints") or []):
            field = f"spec.taints[{index}]"
            effects = ("NoSchedule", "PreferNoSchedule", "NoExecute")
            if not taint.get("key"):
                errors.append(required(f"{field}.key"))
            if taint.get("effect") not in effects:
                errors.append(not_supported(f"{field}.effect", taint.get("effect", ""), effects))
        return errors

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = super().validate_update(new, old)
        was = old["spec"].get("podCIDRs")
        if was and new["spec"].get("podCIDRs") != was:
            errors.append(
                forbidden_field(
                    "spec.podCIDRs",
                    'node updates may not change podCIDR except from "" to valid',
                )
            )
        return errors


class LeaseStrategy(Strategy):
    """A heartbeat, or who leads."""

    unconditional_update = False
    create_on_update = True

    def validate(self, obj: Object) -> list[FieldError]:
        spec = obj.get("spec") or {}
        errors = []
        for field in ("leaseDurationSeconds", "leaseTransitions"):
            value = spec.get(field)
            if value is not None and value < (1 if field == "leaseDurationSeconds" else 0):
                rule = (
                    "must be greater than 0"
                    if field == "leaseDurationSeconds"
                    else "must be greater than or equal to 0"
                )
                errors.append(invalid(f"spec.{field}", value, rule))
        return errors


class PriorityClassStrategy(Strategy):
    """How important pods are."""

    def default(self, obj: Object) -> None:
        obj.setdefault("preemptionPolicy", "PreemptLowerPriority")
        obj.setdefault("value", 0)

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        obj["metadata"]["generation"] = 1

    def validate(self, obj: Object) -> list[FieldError]:
        name, value = obj["metadata"].get("name", ""), obj["value"]
        if name.startswith("system-") and name not in ("system-node-critical", "system-cluster-critical"):
            return [
                forbidden_field(
                    "metadata.name",
                    "priority class names with 'system-' prefix are reserved for system use only",
                )
            ]
        if value > 1_000_000_000 and not name.startswith("system-"):
            return [
                forbidden_field("value", "maximum allowed value of a user defined priority is 1000000000")
            ]
        return []

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = super().validate_update(new, old)
        if new["value"] != old["value"]:
            errors.append(forbidden_field("value", "may not be changed in an update."))
        return errors


class EventStrategy(Strategy):
    """What happened to an object; kept for an hour."""

    create_on_update = True
    expires = True

    def default(self, obj: Object) -> None:
        reporter: Any = obj.get("source") or {}
        obj.setdefault("reportingComponent", reporter.get("component", ""))
        obj.setdefault("reportingInstance", reporter.get("host", ""))
        obj.setdefault("source", {})
        obj.setdefault("eventTime", None)
        for part in ("firstTimestamp", "lastTimestamp"):
            obj.setdefault(part, None)
        obj.setdefault("metadata", {})

    def validate(self, obj: Object) -> list[FieldError]:
        involved = obj.get("involvedObject") or {}
        namespace = obj["metadata"].get("namespace", "")
        if (involved.get("namespace") or "default") != namespace:
            return [
                invalid(
                    "involvedObject.namespace",
                    involved.get("namespace", ""),
                    "does not match event.namespace",
                )
            ]
        return []


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def service_address(range_: str, taken: set[str]) -> str:
    """The next free address of the service range; the first belongs to the API server's own service."""
    network = ipaddress.ip_network(range_)
    hosts = (str(host) for index, host in enumerate(network.hosts()) if index > 0)
    return next(host for host in hosts if host not in taken)
