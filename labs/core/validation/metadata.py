"""What every object carries (`ValidateObjectMeta`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from labs.core import names
from labs.core.field import Findings

Object = dict[str, Any]
Rule = Callable[[str], list[str]]
ANNOTATIONS_LIMIT = 256 * 1024
#: Finalizers without a domain that the API knows.
STANDARD_FINALIZERS = ("foregroundDeletion", "kubernetes", "orphan")
_OWNER_PARTS = ("apiVersion", "kind", "name", "uid")
_OWNER_ORDER = (*_OWNER_PARTS, "controller", "blockOwnerDeletion")
_EVENTS = ("events.k8s.io/v1", "v1")
_ONE_CONTROLLER = 'Only one reference can have Controller set to true. Found "true" in references for'


def validate_metadata(
    metadata: Object, rule: Rule = names.subdomain_faults, *, any_finalizer: bool = False
) -> Findings:
    """Everything wrong with an object's metadata; `rule` says what is wrong with a name of its kind.

    The core group and what is near it take finalizers without a domain only if they know them.
    """
    found = Findings()
    check_metadata(found, metadata, rule, any_finalizer=any_finalizer)
    return found


def check_metadata(
    found: Findings, metadata: Object, rule: Rule = names.subdomain_faults, *, any_finalizer: bool = False
) -> None:
    """The same, beside what was found before."""
    if base := metadata.get("generateName"):
        found.faults("metadata.generateName", base, rule(names.beginning(base)))
    if name := metadata.get("name"):
        found.faults("metadata.name", name, rule(name))
    else:
        found.required("metadata.name", "name or generateName is required")
    if namespace := metadata.get("namespace"):
        found.label("metadata.namespace", namespace)
    found.not_negative("metadata.generation", metadata.get("generation", 0))
    check_labels(found, "metadata.labels", metadata.get("labels") or {})
    check_annotations(found, "metadata.annotations", metadata.get("annotations") or {})
    _owners(found, metadata.get("ownerReferences") or [])
    _finalizers(found, metadata.get("finalizers") or [], any_finalizer)
    for index, entry in enumerate(metadata.get("managedFields") or []):
        if (operation := entry.get("operation", "")) not in ("Apply", "Update"):
            here = f"metadata.managedFields[{index}].operation"
            found.invalid(here, operation, "must be `Apply` or `Update`")


def check_labels(found: Findings, path: str, labels: Mapping[str, str]) -> None:
    """Keys and values of labels or of a node selector."""
    for key, value in labels.items():
        found.qualified_name(path, key)
        found.faults(path, value, names.label_value_faults(value))


def check_annotations(found: Findings, path: str, annotations: Mapping[str, str]) -> None:
    """Keys, in any case, and how much they hold together."""
    for key in annotations:
        found.faults(path, key, names.qualified_name_faults(key.lower()))
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > ANNOTATIONS_LIMIT:
        found.too_long(path, ANNOTATIONS_LIMIT)


def _owners(found: Findings, owners: list[Object]) -> None:
    path, controller = "metadata.ownerReferences", ""
    owners = [{part: owner[part] for part in _OWNER_ORDER if part in owner} for owner in owners]
    for owner in owners:
        given = {part: owner.get(part, "") for part in _OWNER_PARTS}
        group, _, version = given["apiVersion"].rpartition("/")
        if not version or "/" in group:
            found.invalid(f"{path}.apiVersion", given["apiVersion"], "version must not be empty")
        for part in _OWNER_PARTS[1:]:
            if not given[part]:
                found.invalid(f"{path}.{part}", "", "must not be empty")
        if given["kind"] == "Event" and given["apiVersion"] in _EVENTS:
            found.invalid(path, owner, f"{group}/{version}, Kind=Event is disallowed from being an owner")
        if not owner.get("controller"):
            continue
        this = f"{given['kind']}/{given['name']}"
        if controller:
            found.invalid(path, owners, f"{_ONE_CONTROLLER} {controller} and {this}")
        controller = controller or this


def _finalizers(found: Findings, finalizers: list[str], any_finalizer: bool) -> None:
    path = "metadata.finalizers"
    for finalizer in finalizers:
        found.qualified_name(path, finalizer)
    if {"orphan", "foregroundDeletion"} <= set(finalizers):
        found.invalid(path, finalizers, "finalizer orphan and foregroundDeletion cannot be both set")
    if any_finalizer:
        return
    for index, finalizer in enumerate(finalizers):
        _known(found, f"{path}[{index}]", finalizer)


def check_finalizer(found: Findings, path: str, finalizer: str) -> None:
    """A single one, as the core group takes them."""
    found.qualified_name(path, finalizer)
    _known(found, path, finalizer)


def _known(found: Findings, path: str, finalizer: str) -> None:
    if "/" not in finalizer and finalizer not in STANDARD_FINALIZERS:
        why = "name is neither a standard finalizer name nor is it fully qualified"
        found.invalid(path, finalizer, why)
