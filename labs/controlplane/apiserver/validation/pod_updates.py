"""What may change in a pod that exists; mirrors `ValidatePodUpdate` and `ValidatePodStatusUpdate`."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from labs.core.field import FieldError, forbidden, invalid, required
from labs.core.validation.annotations import APPARMOR, MIRROR
from labs.core.validation.pods import MAX_INT32

from .differences import difference, go_value

Object = dict[str, Any]
UPDATABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_CONTAINER_LISTS = ("containers", "initContainers")


def validate_pod_update(new: Object, old: Object) -> list[FieldError]:
    """Images, deadlines and further tolerations may change; the rest of a pod's spec is for its life."""
    errors = _kept_annotations(new, old)
    for part in _CONTAINER_LISTS:
        if len(new["spec"].get(part) or []) != len(old["spec"].get(part) or []):
            return [*errors, forbidden(f"spec.{part}", "pod updates may not add or remove containers")]
    deadline, final = _deadline(new["spec"], old["spec"])
    errors += deadline
    if final:
        return errors
    errors += _tolerations(new["spec"], old["spec"])
    errors += _gates(new["spec"], old["spec"])
    frozen = _with_updatable_fields_of(new["spec"], old["spec"])
    if old["spec"].get("schedulingGates"):
        errors += _gated(frozen, old["spec"])
    if frozen != old["spec"]:
        errors.append(forbidden("spec", f"{UPDATABLE}\n{difference(old['spec'], frozen, 'PodSpec')}"))
    return errors


def validate_pod_status_update(new: Object, old: Object) -> list[FieldError]:
    """Node names do not change and mirrors stay mirrors."""
    errors = _kept_annotations(new, old)
    if new["spec"].get("nodeName") != old["spec"].get("nodeName"):
        errors.append(forbidden("spec.nodeName", "may not be changed directly"))
    if old.get("status", {}).get("nominatedNodeName") and not new.get("status"):
        errors.append(required("status.nominatedNodeName"))
    return errors


def _kept_annotations(new: Object, old: Object) -> list[FieldError]:
    """What makes a pod a mirror, or told profiles once, stays."""
    was, now = (pod["metadata"].get("annotations") or {} for pod in (old, new))
    errors = []
    for key in {**was, **now}:
        what = "mirror pod annotation" if key == MIRROR else "AppArmor annotations"
        if was.get(key) == now.get(key) or not (key == MIRROR or key.startswith(APPARMOR)):
            continue
        verb = "remove or update" if key in was else "add"
        errors.append(forbidden(f"metadata.annotations[{key}]", f"may not {verb} {what}"))
    return errors


def _deadline(new: Object, old: Object) -> tuple[list[FieldError], bool]:
    """What is wrong with a deadline's change, and whether nothing else is looked at."""
    field = "spec.activeDeadlineSeconds"
    was, now = (spec.get("activeDeadlineSeconds") for spec in (old, new))
    if now is None:
        why = "must not update from a positive integer to nil value"
        return ([] if was is None else [invalid(field, None, why)]), False
    if not 0 <= now <= MAX_INT32:
        return [invalid(field, now, f"must be between 0 and {MAX_INT32}, inclusive")], True
    if was is not None and now > was:
        return [invalid(field, now, "must be less than or equal to previous value")], True
    return [], False


def _tolerations(new: Object, old: Object) -> list[FieldError]:
    def settled(toleration: Object) -> Object:
        return {part: value for part, value in toleration.items() if part != "tolerationSeconds"}

    now = [settled(toleration) for toleration in new.get("tolerations") or []]
    if all(settled(toleration) in now for toleration in old.get("tolerations") or []):
        return []
    why = "existing toleration can not be modified except its tolerationSeconds"
    return [forbidden("spec.tolerations", why)]


def _gates(new: Object, old: Object) -> list[FieldError]:
    """Gates are opened one by one, and none is put in later."""
    known = {gate.get("name") for gate in old.get("schedulingGates") or []}
    return [
        forbidden(
            f"spec.schedulingGates[{index}].name",
            f"only deletion is allowed, but found new scheduling gate '{gate.get('name', '')}'",
        )
        for index, gate in enumerate(new.get("schedulingGates") or [])
        if gate.get("name") not in known
    ]


def _gated(new: Object, old: Object) -> list[FieldError]:
    """Where a pod behind gates may run can be narrowed; sets back in `new` what has been looked at."""
    errors = []
    was, now = old.get("nodeSelector") or {}, new.get("nodeSelector") or {}
    if any(now.get(key) != value for key, value in was.items()):
        why = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        errors.append(invalid("spec.nodeSelector", now or None, why))
    _copy(new, old, "nodeSelector")
    errors += _narrowed(_terms(new), _terms(old))
    affinity = {k: v for k, v in (new.get("affinity") or {}).items() if k != "nodeAffinity"}
    if (nodes := (old.get("affinity") or {}).get("nodeAffinity")) is not None:
        affinity["nodeAffinity"] = nodes
    if affinity or "affinity" in old:
        new["affinity"] = affinity
    else:
        new.pop("affinity", None)
    return errors


def _terms(spec: Object) -> list[Object]:
    nodes = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    selector = nodes.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    return selector.get("nodeSelectorTerms") or []


def _narrowed(new: list[Object], old: list[Object]) -> list[FieldError]:
    field = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
    shown = [go_value(term, "NodeSelectorTerm") for term in new]
    if old and len(new) != len(old):
        why = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        return [invalid(field, shown or None, why)]
    why = "only additions are allowed (no mutations or deletions)"
    return [
        invalid(f"{field}[{index}]", shown[index], why)
        for index, (now, was) in enumerate(zip(new, old, strict=False))
        if not _only_more(now, was)
    ]


def _only_more(new: Object, old: Object) -> bool:
    parts = ("matchExpressions", "matchFields")
    if not any(old.get(part) for part in parts) and any(new.get(part) for part in parts):
        return False
    return all((new.get(part) or [])[: len(old.get(part) or [])] == (old.get(part) or []) for part in parts)


def _with_updatable_fields_of(new: Object, old: Object) -> Object:
    """The new spec with all that may change set back to what it was: what then differs may not."""
    spec = deepcopy(new)
    for part in _CONTAINER_LISTS:
        for container, before in zip(spec.get(part) or [], old.get(part) or [], strict=False):
            _copy(container, before, "image")
    for part in ("activeDeadlineSeconds", "schedulingGates", "tolerations"):
        _copy(spec, old, part)
    if old.get("terminationGracePeriodSeconds", 0) < 0 and new.get("terminationGracePeriodSeconds") == 1:
        _copy(spec, old, "terminationGracePeriodSeconds")
    return spec


def _copy(target: Object, source: Object, field: str) -> None:
    if field in source:
        target[field] = source[field]
    else:
        target.pop(field, None)
