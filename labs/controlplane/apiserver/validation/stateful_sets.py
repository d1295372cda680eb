"""StatefulSets; mirrors `ValidateStatefulSet` and `ValidateStatefulSetUpdate`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labs.core.field import Findings
from labs.core.quantity import quantity_value
from labs.core.validation.claims import check_claim

from .templates import check_restarts, check_running_template, check_selector, shown_selector

Object = dict[str, Any]
_MANAGEMENT = ("OrderedReady", "Parallel")
_RETENTION = ("Retain", "Delete")
#: What may change in a StatefulSet that exists, in the order in which it is told.
_CHANGEABLE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip
#: What a pod has from the set, whatever its template says.
_GIVEN_NAMES = ("hostname", "subdomain")


def validate_stateful_set(spec: Object) -> Findings:
    """Everything wrong with a new one's spec."""
    found = Findings()
    _check_policies(found, spec)
    for index, claim in enumerate(spec.get("volumeClaimTemplates") or []):
        check_claim(found, f"spec.volumeClaimTemplates[{index}].spec", claim.get("spec") or {})
    _check_numbers(found, spec)
    if spec.get("serviceName"):
        found.label("spec.serviceName", spec["serviceName"])
    _check_template(found, spec)
    return found


def validate_stateful_set_update(new: Object, old: Object) -> Findings:
    """Everything wrong with a change of the spec: what had been taken once is not judged again."""
    found = Findings()
    _check_policies(found, new)
    _check_numbers(found, new)
    _check_template(found, new)
    if _fixed(new) != _fixed(old):
        *most, last = (f"'{part}'" for part in _CHANGEABLE)
        why = f"updates to statefulset spec for fields other than {', '.join(most)} and {last} are forbidden"
        found.forbidden("spec", why)
    return found


def stateful_set_warnings(spec: Object, *, is_new: bool) -> Iterator[str]:
    """What is told of a spec that is taken, its template aside."""
    for index, claim in enumerate(spec.get("volumeClaimTemplates") or []):
        # the real server names the claim's spec only in updates, and so
        path = f"spec.volumeClaimTemplates[{index}]" + ("" if is_new else ".Spec")
        resources = (claim.get("spec") or {}).get("resources") or {}
        for part in ("requests", "limits"):
            amount = (resources.get(part) or {}).get("storage", "0")
            if quantity_value(amount) % 1:
                why = f'fractional byte value "{amount}" is invalid, must be an integer'
                yield f"{path}.resources.{part}[storage]: {why}"
    if spec.get("revisionHistoryLimit", 0) < 0:
        why = "a negative value retains all historical revisions; a value >= 0 is recommended"
        yield f"spec.revisionHistoryLimit: {why}"


def _check_policies(found: Findings, spec: Object) -> None:
    if (management := spec["podManagementPolicy"]) not in _MANAGEMENT:
        found.invalid("spec.podManagementPolicy", management, "must be 'OrderedReady' or 'Parallel'")
    _check_update_strategy(found, "spec.updateStrategy", spec["updateStrategy"])
    path, retention = "persistentVolumeClaimRetentionPolicy", spec["persistentVolumeClaimRetentionPolicy"]
    for part in ("whenDeleted", "whenScaled"):
        if retention[part] not in _RETENTION:
            found.not_supported(f"spec.{path}.{part}", retention[part], _RETENTION)


def _check_update_strategy(found: Findings, path: str, strategy: Object) -> None:
    rolling = strategy.get("rollingUpdate")
    match strategy["type"]:
        case "OnDelete":
            if rolling is not None:
                why = "only allowed for updateStrategy 'RollingUpdate'"
                found.invalid(f"{path}.rollingUpdate", _shown_rollout(rolling), why)
        case "RollingUpdate":
            found.not_negative(f"{path}.rollingUpdate.partition", (rolling or {}).get("partition", 0))
        case kind:
            shown = {"Type": kind, "RollingUpdate": _shown_rollout(rolling)}
            found.invalid(path, shown, "must be 'RollingUpdate' or 'OnDelete'")


def _check_numbers(found: Findings, spec: Object) -> None:
    for part in ("replicas", "minReadySeconds"):
        found.not_negative(f"spec.{part}", spec.get(part, 0))
    found.not_negative("spec.ordinals.start", (spec.get("ordinals") or {}).get("start", 0))


def _check_template(found: Findings, spec: Object) -> None:
    selector, template = spec.get("selector"), _pod_template(spec)
    if check_selector(found, selector, "statefulset"):
        check_running_template(found, selector, template, "StatefulSet")
        return
    found.invalid("spec.selector", shown_selector(selector or {}))
    check_restarts(found, template, "StatefulSet")


def _pod_template(spec: Object) -> Object:
    """What its pods are made of in the end, with their claims for volumes and names by their number."""
    template = spec.get("template") or {}
    claims = [claim.get("metadata", {}).get("name", "") for claim in spec.get("volumeClaimTemplates") or []]
    pod = {part: value for part, value in template.get("spec", {}).items() if part not in _GIVEN_NAMES}
    volumes = [volume for volume in pod.get("volumes") or [] if volume.get("name", "") not in claims]
    volumes += ({"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims)
    return {**template, "spec": {**pod, "volumes": volumes}}


def _shown_rollout(rolling: Object | None) -> Object | None:
    """A rollout as the server has it."""
    if rolling is None:
        return None
    return {"Partition": rolling.get("partition", 0), "MaxUnavailable": rolling.get("maxUnavailable")}


def _fixed(spec: Object) -> Object:
    return {part: value for part, value in spec.items() if part not in _CHANGEABLE}
