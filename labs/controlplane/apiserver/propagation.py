"""What a deletion means for the object's dependents: kept on it as a finalizer, for the garbage collector.

Mirrors `deletionFinalizersForGarbageCollection` of `registry/generic/registry/store.go`.
"""

from __future__ import annotations

from typing import Any

from labs.core.field import FieldError, invalid

from . import status

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
POLICIES = ("Orphan", "Background", "Foreground")


def policy_of(options: dict[str, Any]) -> str:
    """The policy that the options of a deletion ask for; "" leaves it to the object and its kind."""
    policy, orphan = options.get("propagationPolicy") or "", options.get("orphanDependents")
    if policy and policy not in POLICIES:
        error = FieldError(
            "FieldValueNotSupported",
            "propagationPolicy",
            f'Unsupported value: "{policy}": supported values: "Foreground", "Background", "Orphan", "nil"',
        )
        raise status.invalid_object("meta.k8s.io", "DeleteOptions", "", [error])
    if orphan is None:
        return str(policy)
    if policy:
        both = "orphanDependents and deletionPropagation cannot be both set"
        error = invalid("propagationPolicy", policy, both)
        raise status.invalid_object("meta.k8s.io", "DeleteOptions", "", [error])
    return "Orphan" if orphan else "Background"


def set_finalizers(metadata: dict[str, Any], policy: str, *, orphans: bool) -> bool:
    """Note the policy on an object that is to be deleted; True when that changed it.

    Without a policy the finalizers that are there decide, and then whether its kind `orphans` by default.
    """
    before = list(metadata.get("finalizers") or [])
    after = [name for name in before if name not in (ORPHAN, FOREGROUND)]
    if policy == "Orphan" or (not policy and (ORPHAN in before or (orphans and FOREGROUND not in before))):
        after.append(ORPHAN)
    elif policy == "Foreground" or (not policy and FOREGROUND in before):
        after.append(FOREGROUND)
    if sorted(after) == sorted(before):
        return False
    if after:
        metadata["finalizers"] = after
    else:
        metadata.pop("finalizers", None)
    return True
