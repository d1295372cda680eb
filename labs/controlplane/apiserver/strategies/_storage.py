"""Volumes and who provides them: records, for nothing attaches or provisions here."""

from __future__ import annotations

from typing import ClassVar

from labs.core.field import FieldError, Findings, forbidden, invalid, not_supported, required
from labs.core.validation.claims import check_access_modes, check_claim, check_storage

from ..meta import now
from ..validation.templates import immutable
from ._base import Object, Strategy

#: What tells of a volume and is not where it comes from.
_VOLUME_PARTS = frozenset(
    (
        *("accessModes", "capacity", "claimRef", "mountOptions", "nodeAffinity"),
        *("persistentVolumeReclaimPolicy", "storageClassName", "volumeAttributesClassName", "volumeMode"),
    )
)
PVC_FINALIZER, PV_FINALIZER = "kubernetes.io/pvc-protection", "kubernetes.io/pv-protection"


def _protect(obj: Object, finalizer: str) -> None:
    """StorageObjectInUseProtection: what is used does not go."""
    finalizers = obj["metadata"].setdefault("finalizers", [])
    if finalizer not in finalizers:
        finalizers.append(finalizer)


class PersistentVolumeClaimStrategy(Strategy):
    """A wish for a volume."""

    has_status = True
    initial_status: ClassVar[Object] = {"phase": "Pending"}
    returns_deleted = True

    def default(self, obj: Object) -> None:
        obj.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        _protect(obj, PVC_FINALIZER)

    def validate(self, obj: Object) -> list[FieldError]:
        found = Findings()
        check_claim(found, "spec", obj["spec"])
        return found

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = super().validate_update(new, old)
        free = ("resources", "volumeAttributesClassName", "volumeName")
        fixed = [{k: v for k, v in obj["spec"].items() if k not in free} for obj in (new, old)]
        if fixed[0] != fixed[1]:
            detail = (
                "spec is immutable after creation except resources.requests and volumeAttributesClassName "
                "for bound claims"
            )
            errors.append(forbidden("spec", detail))
        return errors


class PersistentVolumeStrategy(Strategy):
    """A volume."""

    has_status = True
    returns_deleted = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("persistentVolumeReclaimPolicy", "Retain")
        spec.setdefault("volumeMode", "Filesystem")
        if spec.get("hostPath") is not None:
            spec["hostPath"].setdefault("type", "")

    def prepare_create(self, obj: Object) -> None:
        obj["status"] = {"phase": "Pending", "lastPhaseTransitionTime": now()}
        _protect(obj, PV_FINALIZER)

    def prepare_status(self, new: Object, old: Object) -> None:
        super().prepare_status(new, old)
        if new["status"].get("phase") != (old.get("status") or {}).get("phase"):
            new["status"]["lastPhaseTransitionTime"] = now()

    def validate(self, obj: Object) -> list[FieldError]:
        spec = obj["spec"]
        errors = Findings()
        check_access_modes(errors, "spec", spec, "")
        check_storage(errors, "spec.capacity", spec.get("capacity"))
        sources = sorted(part for part in spec if part not in _VOLUME_PARTS)
        if not sources:
            errors.append(required("spec", "must specify a volume type"))
        errors += [
            forbidden(f"spec.{source}", "may not specify more than 1 volume type") for source in sources[1:]
        ]
        policies = ("Delete", "Recycle", "Retain")
        if spec["persistentVolumeReclaimPolicy"] not in policies:
            value = spec["persistentVolumeReclaimPolicy"]
            errors.append(not_supported("spec.persistentVolumeReclaimPolicy", value, policies))
        return errors

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = super().validate_update(new, old)
        sources = [{k: v for k, v in obj["spec"].items() if k not in _VOLUME_PARTS} for obj in (new, old)]
        if sources[0] != sources[1]:
            detail = "spec.persistentvolumesource is immutable after creation"
            errors.append(forbidden("spec.persistentvolumesource", detail))
        return errors + immutable(new["spec"], old["spec"], "spec", "volumeMode")


class StorageClassStrategy(Strategy):
    """Where volumes come from."""

    def default(self, obj: Object) -> None:
        obj.setdefault("reclaimPolicy", "Delete")
        obj.setdefault("volumeBindingMode", "Immediate")

    def validate(self, obj: Object) -> list[FieldError]:
        errors = [] if obj.get("provisioner") else [required("provisioner")]
        for part, choices in (
            ("reclaimPolicy", ("Delete", "Retain")),
            ("volumeBindingMode", ("Immediate", "WaitForFirstConsumer")),
        ):
            if obj[part] not in choices:
                errors.append(not_supported(part, obj[part], choices))
        return errors

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = super().validate_update(new, old)
        if (new.get("parameters") or {}) != (old.get("parameters") or {}):
            errors.append(forbidden("parameters", "updates to parameters are forbidden."))
        for part in ("provisioner", "reclaimPolicy"):
            if new.get(part) != old.get(part):
                errors.append(forbidden(part, f"updates to {part} are forbidden."))
        if new.get("volumeBindingMode") != old.get("volumeBindingMode"):
            value = new.get("volumeBindingMode")
            errors.append(invalid("volumeBindingMode", value, "field is immutable"))
        return errors


class CSIDriverStrategy(Strategy):
    """What a volume driver can do."""

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("attachRequired", True)
        spec.setdefault("fsGroupPolicy", "ReadWriteOnceWithFSType")
        for part in ("podInfoOnMount", "requiresRepublish", "seLinuxMount", "storageCapacity"):
            spec.setdefault(part, False)
        if not spec.get("volumeLifecycleModes"):
            spec["volumeLifecycleModes"] = ["Persistent"]


class CSINodeStrategy(Strategy):
    """Which volume drivers a node has; the kubelet makes it."""

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        if not spec.get("drivers"):
            spec["drivers"] = None
