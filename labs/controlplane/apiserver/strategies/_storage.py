"""Volumes and who provides them: records, for nothing attaches or provisions here."""

from __future__ import annotations

from typing import ClassVar

from labs.core.defaults import default_sources
from labs.core.field import FieldError, Findings, forbidden, invalid
from labs.core.validation.claims import check_claim

from ..meta import now
from ..validation.persistent_volumes import VOLUME_KINDS, check_persistent_volume
from ..validation.storage_classes import check_storage_class
from ..validation.storage_warnings import claim_warnings, class_warnings, volume_warnings
from ..validation.templates import immutable
from ._base import Object, Strategy

#: What a claim's data may come from, if it is told in the old way.
_DATA_SOURCES = (("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot"))
PVC_FINALIZER, PV_FINALIZER = "kubernetes.io/pvc-protection", "kubernetes.io/pv-protection"


def _protect(obj: Object, finalizer: str) -> None:
    """StorageObjectInUseProtection: what is used does not go."""
    finalizers = obj["metadata"].setdefault("finalizers", [])
    if finalizer not in finalizers:
        finalizers.append(finalizer)


def _data_sources(spec: Object) -> None:
    """The old and the new way to tell what a claim's data comes from say the same."""
    if (spec.get("dataSourceRef") or {}).get("namespace"):
        del spec["dataSourceRef"]  # CrossNamespaceVolumeDataSource is not enabled
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None and reference is None:
        if (source.get("apiGroup") or "", source.get("kind")) in _DATA_SOURCES:
            spec["dataSourceRef"] = dict(source)
        else:
            del spec["dataSource"]
    elif source is None and reference is not None:
        spec["dataSource"] = dict(reference)


class PersistentVolumeClaimStrategy(Strategy):
    """A wish for a volume."""

    has_status = True
    initial_status: ClassVar[Object] = {"phase": "Pending"}
    returns_deleted = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("volumeMode", "Filesystem")
        for part in ("dataSource", "dataSourceRef"):
            if spec.get(part) is not None:
                spec[part].setdefault("apiGroup", None)

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        _data_sources(obj["spec"])
        _protect(obj, PVC_FINALIZER)

    def validate(self, obj: Object) -> list[FieldError]:
        found = Findings()
        check_claim(found, "spec", obj["spec"])
        return found

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        return list(claim_warnings(new))

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
        spec["persistentVolumeReclaimPolicy"] = spec.get("persistentVolumeReclaimPolicy") or "Retain"
        spec.setdefault("volumeMode", "Filesystem")
        default_sources(spec)

    def prepare_create(self, obj: Object) -> None:
        obj["status"] = {"phase": "Pending", "lastPhaseTransitionTime": now()}
        _protect(obj, PV_FINALIZER)

    def prepare_status(self, new: Object, old: Object) -> None:
        super().prepare_status(new, old)
        if new["status"].get("phase") != (old.get("status") or {}).get("phase"):
            new["status"]["lastPhaseTransitionTime"] = now()

    def validate(self, obj: Object) -> list[FieldError]:
        found = Findings()
        check_persistent_volume(found, "spec", obj["spec"], obj["metadata"].get("name", ""))
        return found

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        return list(volume_warnings(new))

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = super().validate_update(new, old)
        sources = [{k: v for k, v in obj["spec"].items() if k in VOLUME_KINDS} for obj in (new, old)]
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
        found = Findings()
        check_storage_class(found, obj)
        return found

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        return list(class_warnings(new))

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
