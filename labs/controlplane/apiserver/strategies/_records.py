"""Kinds that are little more than records, a class each for what little there is."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

from labs.core import names
from labs.core.field import FieldError, Findings, forbidden
from labs.core.validation.metadata import check_finalizer

from ..validation.nodes import check_node, check_node_update
from ..validation.secrets import MAX_DATA, check_secret, secret_warnings
from ..validation.templates import immutable
from ._base import Object, Strategy


def _immutable_data(new: Object, old: Object) -> list[FieldError]:
    """ConfigMaps and Secrets that were sealed stay as they are."""
    if not old.get("immutable"):
        return []
    errors = []
    if not new.get("immutable"):
        errors.append(forbidden("immutable", "field is immutable when `immutable` is set"))
    errors += [
        forbidden(part, "field is immutable when `immutable` is set")
        for part in ("data", "binaryData")
        if (new.get(part) or {}) != (old.get(part) or {})
    ]
    return errors


#: Of a node's `nodeInfo`, what is there though nobody has told it.
NODE_INFO = (
    *("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion"),
    *("kubeletVersion", "kubeProxyVersion", "operatingSystem", "architecture"),
)
#: Of a Lease's spec, what belongs to a feature that is off: CoordinatedLeaderElection.
COORDINATED = ("strategy", "preferredHolder")
MAX_USER_PRIORITY = 1_000_000_000
SYSTEM_PRIORITIES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
_RESERVED = "priority class names with 'system-' prefix are reserved for system use only"


class RecordStrategy(Strategy):
    """What is kept for whom it concerns; its schema is all that is known of it."""


class SpecStrategy(Strategy):
    """The same with generations and a status that only its subresource writes."""

    has_status = True
    counts_generations = True


class ServiceAccountStrategy(Strategy):
    """Who pods are to the API."""

    returns_deleted = True


def _sizes(obj: Object, *parts: str) -> Iterator[int]:
    """Bytes of each value; those of base64 count as what they stand for."""
    for part in parts:
        for value in (obj.get(part) or {}).values():
            yield len(value.encode()) if part == "data" else len(value) * 3 // 4 - value.count("=")


class ConfigMapStrategy(Strategy):
    """Data for pods."""

    def validate(self, obj: Object) -> list[FieldError]:
        found, text, binary = Findings(), obj.get("data") or {}, obj.get("binaryData") or {}
        for key in text:
            found.faults(f"data[{key}]", key, names.config_key_faults(key))
            if key in binary:
                found.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
        for key in binary:
            found.faults(f"binaryData[{key}]", key, names.config_key_faults(key))
        if sum(_sizes(obj, "data", "binaryData")) > MAX_DATA:
            found.too_long("[]", MAX_DATA)
        return found

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        return super().validate_update(new, old) + _immutable_data(new, old)


class SecretStrategy(Strategy):
    """Data for pods, base64 on the wire; `stringData` is folded in on write."""

    def default(self, obj: Object) -> None:
        obj["type"] = obj.get("type") or "Opaque"

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
        found = Findings()
        check_secret(found, obj)
        return found

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        return secret_warnings(new)

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = immutable(new, old, "", "type") + _immutable_data(new, old)
        return errors + super().validate_update(new, old)


class NamespaceStrategy(Strategy):
    """A namespace; it goes when everything in it has gone and its finalizers have been taken off."""

    has_status = True
    returns_deleted = True

    def name_faults(self, name: str) -> list[str]:
        return names.label_faults(name)

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

    def validate(self, obj: Object) -> list[FieldError]:
        found = Findings()
        for finalizer in obj["spec"]["finalizers"]:
            check_finalizer(found, "spec.finalizers", finalizer)
        return found

    def prepare_update(self, new: Object, old: Object) -> None:
        super().prepare_update(new, old)
        new["spec"] = old["spec"]


class NodeStrategy(Strategy):
    """A node's record; the kubelet makes and updates its own."""

    has_status = True

    def default(self, obj: Object) -> None:
        spec, status = obj.setdefault("spec", {}), obj.setdefault("status", {})
        spec.pop("configSource", None)
        if first := spec.get("podCIDR"):
            if (spec.get("podCIDRs") or [""])[0] != first:
                spec["podCIDRs"] = [first]
        elif ranges := spec.get("podCIDRs"):
            spec["podCIDR"] = ranges[0]
        if "capacity" in status:
            status.setdefault("allocatable", status["capacity"])
        status.setdefault("daemonEndpoints", {}).setdefault("kubeletEndpoint", {"Port": 0})
        status["nodeInfo"] = {**dict.fromkeys(NODE_INFO, ""), **(status.get("nodeInfo") or {})}

    def prepare_create(self, obj: Object) -> None:
        """A node brings its first status along, unlike other kinds."""

    def validate(self, obj: Object) -> list[FieldError]:
        found = Findings()
        check_node(found, obj)
        return found

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        if "externalID" not in new["spec"]:
            return []
        return ["spec.externalID: this field is deprecated, and is unused by Kubernetes"]

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        found = Findings(super().validate_update(new, old))
        check_node_update(found, new, old)
        return found


class LeaseStrategy(Strategy):
    """A heartbeat, or who leads."""

    any_finalizer = True
    unconditional_update = False
    create_on_update = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        for part in COORDINATED:
            spec.pop(part, None)

    def validate(self, obj: Object) -> list[FieldError]:
        found, spec = Findings(), obj["spec"]
        if spec.get("leaseDurationSeconds", 1) <= 0:
            found.invalid("spec.leaseDurationSeconds", spec["leaseDurationSeconds"], "must be greater than 0")
        found.not_negative("spec.leaseTransitions", spec.get("leaseTransitions", 0))
        return found


class PriorityClassStrategy(Strategy):
    """How important pods are."""

    counts_generations = True

    def default(self, obj: Object) -> None:
        obj.setdefault("preemptionPolicy", "PreemptLowerPriority")
        obj.setdefault("value", 0)

    def validate_create(self, obj: Object) -> list[FieldError]:
        found, value = Findings(super().validate_create(obj)), obj["value"]
        name = obj["metadata"].get("name", "")
        if name.startswith("system-"):
            if why := _system_class_fault(name, obj):
                found.forbidden("metadata.name", f"{_RESERVED}. error: {why}")
        elif value > MAX_USER_PRIORITY:
            found.forbidden(
                "value", f"maximum allowed value of a user defined priority is {MAX_USER_PRIORITY}"
            )
        found.choice("preemptionPolicy", obj["preemptionPolicy"], ("PreemptLowerPriority", "Never"))
        return found

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = super().validate_update(new, old)
        if new["value"] != old["value"]:
            errors.append(forbidden("value", "may not be changed in an update."))
        return errors + immutable(new, old, "", "preemptionPolicy")


def _system_class_fault(name: str, obj: Object) -> str:
    """What keeps a class from being one of the two of Kubernetes itself (`IsKnownSystemPriorityClass`)."""
    if (value := SYSTEM_PRIORITIES.get(name)) is None:
        return f"{name} is not a known system priority class"
    if obj["value"] != value:
        return f"value of {name} PriorityClass must be {value}"
    return f"globalDefault of {name} PriorityClass must be false" if obj.get("globalDefault") else ""
