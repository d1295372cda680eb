"""What may change of a claim for a volume (`ValidatePersistentVolumeClaimUpdate`)."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from typing import Any

from labs.core.field import Findings
from labs.core.quantity import quantity_value

from .differences import difference

Object = dict[str, Any]
_FIXED = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound "
    "claims"
)


def validate_claim_update(new: Object, old: Object) -> Findings:
    """A volume is named once; who has one may ask for more."""
    found, wanted, was = Findings(), deepcopy(new["spec"]), deepcopy(old["spec"])
    if not was.get("volumeName") and "volumeName" in wanted:
        was["volumeName"] = wanted["volumeName"]
    if was.get("storageClassName") is None:  # the default class is found out about later
        wanted.pop("storageClassName", None)
    if (new.get("status") or {}).get("phase") == "Bound":
        _overlook(wanted, was)
    if wanted != was:
        shown = difference(was, wanted, "PersistentVolumeClaimSpec")
        found.forbidden("spec", f"{_FIXED}\n{shown}")
    size, had = _storage(new["spec"]), _storage(old["spec"])
    held = (old.get("status") or {}).get("capacity") or {}
    if size < had and size <= quantity_value(held.get("storage", "0")):
        found.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")
    if (mode := new["spec"].get("volumeMode")) != old["spec"].get("volumeMode"):
        found.invalid("volumeMode", mode, "field is immutable")
    return found


def _overlook(wanted: Object, was: Object) -> None:
    """Parts that may change of a claim that has its volume."""
    before = (was.get("resources") or {}).get("requests") or {}
    if (asked := (wanted.get("resources") or {}).get("requests")) is not None and "storage" in before:
        asked["storage"] = before["storage"]
    wanted.pop("volumeAttributesClassName", None)
    was.pop("volumeAttributesClassName", None)


def _storage(spec: Object) -> Decimal:
    requests = (spec.get("resources") or {}).get("requests") or {}
    return quantity_value(requests.get("storage", "0"))
