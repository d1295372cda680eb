"""Volumes and who provides them: records, for nothing attaches or provisions here."""

from __future__ import annotations

from typing import ClassVar

from labs.core.defaults import default_sources
from labs.core.field import FieldError, Findings, forbidden
from labs.core.validation.claims import check_claim

from ..meta import now
from ..validation.claim_updates import validate_claim_update
from ..validation.differences import difference
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

    def prepare_update(self, new: Object, old: Object) -> None:
        super().prepare_update(new, old)
        _data_sources(new["spec"])

    def validate(self, obj: Object) -> list[FieldError]:
        found = Findings()
        check_claim(found, "spec", obj["spec"])
        return found

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        return list(claim_warnings(new))

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = super().validate_update(new, old)
        return errors + validate_claim_update(new, old)


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
        before, after = ({k: v for k, v in o["spec"].items() if k in VOLUME_KINDS} for o in (old, new))
        if before != after:
            field = "spec.persistentvolumesource"
            shown = difference(before, after, "PersistentVolumeSpec")
            errors.append(forbidden(field, f"{field} is immutable after creation\n{shown}"))
        return errors + immutable(new["spec"], old["spec"], "", "volumeMode")


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
        for part in ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"):
            errors += immutable(new, old, "", part)
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
