"""Claims of volumes, those that are made with a pod among them (`ValidatePersistentVolumeClaimSpec`)."""

from __future__ import annotations

from typing import Any

from labs.core.field import Findings
from labs.core.quantity import quantity_value
from labs.core.validation.metadata import check_annotations, check_labels
from labs.core.validation.selectors import validate_label_selector

Object = dict[str, Any]
ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")


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
    _storage(found, f"{path}.resources", spec.get("resources", {}).get("requests"))
    if spec.get("storageClassName"):
        found.subdomain(f"{path}.storageClassName", spec["storageClassName"])
    if (mode := spec.get("volumeMode")) not in (None, *VOLUME_MODES):
        found.not_supported(f"{path}.volumeMode", mode, VOLUME_MODES)
    _data_sources(found, path, spec)
    if spec.get("volumeAttributesClassName"):
        found.subdomain(f"{path}.volumeAttributesClassName", spec["volumeAttributesClassName"])


def _data_sources(found: Findings, path: str, spec: Object) -> None:
    """What is in the volume at first, told in an old and a new way."""
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    for part, given in (("dataSource", source), ("dataSourceRef", reference)):
        if given is not None:
            _data_source(found, f"{path}.{part}", given)
    if source is None or reference is None:
        return
    # the value shown is a path, whose structure has nothing to show
    if reference.get("namespace"):
        found.invalid(path, {}, "may not be specified when dataSourceRef.namespace is specified")
    elif any(source.get(part) != reference.get(part) for part in ("apiGroup", "kind", "name")):
        found.invalid(path, {}, "must match dataSourceRef")


def _data_source(found: Findings, path: str, source: Object) -> None:
    kind, group = source.get("kind", ""), source.get("apiGroup")
    for part in ("name", "kind"):
        if not source.get(part):
            found.required(f"{path}.{part}")
    if group:
        found.subdomain(f"{path}.apiGroup", group)
    elif kind != "PersistentVolumeClaim":
        found.invalid(path, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup")
    if source.get("namespace"):
        found.label(f"{path}.namespace", source["namespace"])


def _storage(found: Findings, path: str, amounts: Object | None) -> None:
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
