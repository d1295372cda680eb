"""Kinds that are little more than records, a class each for what little there is."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterator
from typing import Any, ClassVar

from labs.core import names
from labs.core.field import FieldError, forbidden, invalid, not_supported, required

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


class RecordStrategy(Strategy):
    """What is kept for whom it concerns; its schema is all that is known of it."""


class CountedRecordStrategy(RecordStrategy):
    """The same, with its generations counted."""

    counts_generations = True


class SpecStrategy(Strategy):
    """The same with a status that only its subresource writes."""

    has_status = True
    counts_generations = True


class ServiceAccountStrategy(Strategy):
    """Who pods are to the API."""

    returns_deleted = True


#: What a ConfigMap or a Secret may hold, in bytes.
MAX_DATA = 1024 * 1024
CONFIG_KEY_RULE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
    "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)


def _config_keys(obj: Object, *parts: str) -> list[FieldError]:
    return [
        invalid(f"{part}[{key}]", key, CONFIG_KEY_RULE)
        for part in parts
        for key in obj.get(part) or {}
        if not re.fullmatch(r"[-._a-zA-Z0-9]+", key)
    ]


def _sizes(obj: Object, *parts: str) -> Iterator[int]:
    """Bytes of each value; those of base64 count as what they stand for."""
    for part in parts:
        for value in (obj.get(part) or {}).values():
            yield len(value.encode()) if part == "data" else len(value) * 3 // 4 - value.count("=")


def _too_long(field: str) -> FieldError:
    detail = f"Too long: may not be more than {MAX_DATA} bytes"
    return FieldError("FieldValueTooLong", field, detail)


class ConfigMapStrategy(Strategy):
    """Data for pods."""

    def validate(self, obj: Object) -> list[FieldError]:
        both = set(obj.get("data") or {}) & set(obj.get("binaryData") or {})
        errors = [
            invalid(f"data[{key}]", key, "duplicate of key present in binaryData") for key in sorted(both)
        ]
        if sum(_sizes(obj, "data", "binaryData")) > MAX_DATA:
            errors.append(_too_long("[]"))
        return errors + _config_keys(obj, "data", "binaryData")

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
        errors = _config_keys(obj, "data")
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
                forbidden(
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

    counts_generations = True

    def default(self, obj: Object) -> None:
        obj.setdefault("preemptionPolicy", "PreemptLowerPriority")
        obj.setdefault("value", 0)

    def validate(self, obj: Object) -> list[FieldError]:
        name, value = obj["metadata"].get("name", ""), obj["value"]
        if name.startswith("system-") and name not in ("system-node-critical", "system-cluster-critical"):
            return [
                forbidden(
                    "metadata.name",
                    "priority class names with 'system-' prefix are reserved for system use only",
                )
            ]
        if value > 1_000_000_000 and not name.startswith("system-"):
            return [forbidden("value", "maximum allowed value of a user defined priority is 1000000000")]
        return []

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = super().validate_update(new, old)
        if new["value"] != old["value"]:
            errors.append(forbidden("value", "may not be changed in an update."))
        return errors


class EventStrategy(Strategy):
    """What happened to an object; kept for an hour."""

    create_on_update = True
    expires = True
    blank: ClassVar[Object] = {
        **dict.fromkeys(("eventTime", "firstTimestamp", "lastTimestamp")),
        **dict.fromkeys(("reportingComponent", "reportingInstance"), ""),
    }

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
