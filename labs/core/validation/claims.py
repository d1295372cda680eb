"""Claims of volumes, those that are made with a pod among them (`ValidatePersistentVolumeClaimSpec`)."""

from __future__ import annotations

from typing import Any

from labs.core.field import Findings
from labs.core.quantity import quantity_value
from labs.core.validation.metadata import check_annotations, check_labels
from labs.core.validation.selectors import validate_label_selector

Object = dict[str, Any]
ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_VOLUME_MODES = ("Block", "Filesystem")


def check_access_modes(found: Findings, path: str, spec: Object, detail: str) -> None:
    """At least one of those there are."""
    modes = spec.get("accessModes") or []
    if not modes:
        found.required(f"{path}.accessModes", detail)
    for mode in modes:
        if mode not in ACCESS_MODES:
            found.not_supported(f"{path}.accessModes", mode, ACCESS_MODES)
    if "ReadWriteOncePod" in modes and set(modes) & set(ACCESS_MODES[:3]):
        why = "may not use ReadWriteOncePod with other access modes"
        found.forbidden(f"{path}.accessModes", why)


def check_claim(found: Findings, path: str, spec: Object) -> None:
    """What is wanted of a volume."""
    check_access_modes(found, path, spec, "at least 1 access mode is required")
    if spec.get("selector") is not None:
        found.extend(validate_label_selector(spec["selector"], f"{path}.selector"))
    check_storage(found, f"{path}.resources", spec.get("resources", {}).get("requests"))
    if spec.get("storageClassName"):
        found.subdomain(f"{path}.storageClassName", spec["storageClassName"])
    if (mode := spec.get("volumeMode")) not in (None, *_VOLUME_MODES):
        found.not_supported(f"{path}.volumeMode", mode, _VOLUME_MODES)


def check_storage(found: Findings, path: str, amounts: Object | None) -> None:
    """An amount of storage that is more than nothing."""
    storage = (amounts or {}).get("storage")
    if storage is None:
        found.required(f"{path}[storage]")
    elif quantity_value(storage) <= 0:
        found.invalid(f"{path}[storage]", storage, "must be greater than zero")


def check_claim_template(found: Findings, path: str, template: Object) -> None:
    """A claim that is made with the pod and for it."""
    metadata = template.get("metadata") or {}
    check_annotations(found, f"{path}.metadata.annotations", metadata.get("annotations") or {})
    check_labels(found, f"{path}.metadata.labels", metadata.get("labels") or {})
    for field in metadata:
        if field not in ("annotations", "labels"):
            found.forbidden(f"{path}.metadata.{field}", "cannot be set")
    check_claim(found, f"{path}.spec", template.get("spec") or {})
