"""What may change in a pod that exists; mirrors `ValidatePodUpdate` and `ValidatePodStatusUpdate`."""

from __future__ import annotations

import json
from copy import deepcopy
from difflib import unified_diff
from typing import Any

from labs.core.field import FieldError, forbidden, invalid, required
from labs.core.validation.annotations import MIRROR

Object = dict[str, Any]
UPDATABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_CONTAINER_LISTS = ("containers", "initContainers")


def validate_pod_update(new: Object, old: Object) -> list[FieldError]:
    """Images, deadlines and further tolerations may change; the rest of a pod's spec is for its life."""
    errors = _mirror_annotation(new, old)
    counts = {part: len(old["spec"].get(part) or []) for part in _CONTAINER_LISTS}
    for part, count in counts.items():
        if len(new["spec"].get(part) or []) != count:
            errors.append(
                FieldError(
                    "FieldValueForbidden",
                    f"spec.{part}",
                    "Forbidden: pod updates may not add or remove containers",
                )
            )
            return errors
    errors += _deadline(new["spec"], old["spec"])
    if any(error.kind == "FieldValueRequired" and error.field.endswith(".image") for error in errors):
        return errors
    frozen = _with_updatable_fields_of(new["spec"], old["spec"])
    additions = _only_added(new["spec"].get("tolerations") or [], old["spec"].get("tolerations") or [])
    if additions:
        _copy(frozen, old["spec"], "tolerations")
    if frozen != old["spec"]:
        errors.append(forbidden("spec", f"{UPDATABLE}\n{spec_diff(frozen, old['spec'])}"))
    return errors


def validate_pod_status_update(new: Object, old: Object) -> list[FieldError]:
    """Node names do not change and mirrors stay mirrors."""
    errors = _mirror_annotation(new, old)
    if new["spec"].get("nodeName") != old["spec"].get("nodeName"):
        errors.append(forbidden("spec.nodeName", "may not be changed directly"))
    if old.get("status", {}).get("nominatedNodeName") and not new.get("status"):
        errors.append(required("status.nominatedNodeName"))
    return errors


def _mirror_annotation(new: Object, old: Object) -> list[FieldError]:
    field = f"metadata.annotations[{MIRROR}]"
    was = (old["metadata"].get("annotations") or {}).get(MIRROR)
    now = (new["metadata"].get("annotations") or {}).get(MIRROR)
    if was is None and now is not None:
        return [forbidden(field, "may not add mirror pod annotation")]
    if was != now:
        return [forbidden(field, "may not remove or update mirror pod annotation")]
    return []


def _deadline(new: Object, old: Object) -> list[FieldError]:
    field, was, now = (
        "spec.activeDeadlineSeconds",
        old.get("activeDeadlineSeconds"),
        new.get("activeDeadlineSeconds"),
    )
    if was is None:
        return []
    if now is None:
        return [invalid(field, None, "must not update from a positive integer to nil value")]
    if now > was:
        return [invalid(field, now, f"must be less than or equal to previous value {was}")]
    return []


def _with_updatable_fields_of(new: Object, old: Object) -> Object:
    """The new spec with all that may change set back to what it was: what then differs may not."""
    spec = deepcopy(new)
    for part in _CONTAINER_LISTS:
        for container, before in zip(spec.get(part) or [], old.get(part) or [], strict=False):
            _copy(container, before, "image")
    _copy(spec, old, "activeDeadlineSeconds")
    if old.get("terminationGracePeriodSeconds", 0) < 0 and new.get("terminationGracePeriodSeconds") == 1:
        _copy(spec, old, "terminationGracePeriodSeconds")
    return spec


def _copy(target: Object, source: Object, field: str) -> None:
    if field in source:
        target[field] = source[field]
    else:
        target.pop(field, None)


def _only_added(new: list[Object], old: list[Object]) -> bool:
    return all(
        any(
            {k: v for k, v in toleration.items() if k != "tolerationSeconds"}
            == {k: v for k, v in candidate.items() if k != "tolerationSeconds"}
            for candidate in new
        )
        for toleration in old
    )


def spec_diff(new: Object, old: Object) -> str:
    """What differs, line by line in the manner of the real server's: removed, added, some context."""
    before, after = (json.dumps(spec, indent=1, sort_keys=True).splitlines() for spec in (new, old))
    lines = list(unified_diff(before, after, lineterm="", n=2))[3:]
    return "\n".join("..." if line.startswith("@@") else line for line in lines) + "\n"
