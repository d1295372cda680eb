"""What a client is told of volumes, claims and classes of storage that are taken all the same.

Mirrors `pkg/api/{persistentvolume,persistentvolumeclaim,storage}/util.go`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labs.core.quantity import quantity_value

from .deprecations import node_term_warnings, old_label, volume_kind_warnings

Object = dict[str, Any]
#: Kinds that the real server warns of in pods only.
_UNTOLD = ("flocker", "quobyte")
_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"


def volume_warnings(volume: Object) -> Iterator[str]:
    """Of a persistent volume."""
    yield from _class_annotation(volume)
    spec = volume["spec"]
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        why = "The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use"
        yield f"spec.persistentVolumeReclaimPolicy: {why} dynamic provisioning."
    required = (spec.get("nodeAffinity") or {}).get("required") or {}
    for index, term in enumerate(required.get("nodeSelectorTerms") or []):
        yield from node_term_warnings(f"spec.nodeAffinity.required.nodeSelectorTerms[{index}]", term)
    yield from volume_kind_warnings("spec", spec, _UNTOLD)


def claim_warnings(claim: Object) -> Iterator[str]:
    """Of a claim."""
    yield from _class_annotation(claim)
    for part in ("requests", "limits"):
        amount = (claim["spec"].get("resources", {}).get(part) or {}).get("storage", "0")
        if quantity_value(amount) % 1:
            why = f'fractional byte value "{amount}" is invalid, must be an integer'
            yield f"spec.resources.{part}[storage]: {why}"


def class_warnings(storage_class: Object) -> Iterator[str]:
    """Of a class of storage."""
    for index, term in enumerate(storage_class.get("allowedTopologies") or []):
        for position, expression in enumerate(term.get("matchLabelExpressions") or []):
            if why := old_label(expression.get("key", "")):
                yield f"allowedTopologies[{index}].matchLabelExpressions[{position}].key: {why}"


def _class_annotation(obj: Object) -> Iterator[str]:
    if _CLASS_ANNOTATION in (obj["metadata"].get("annotations") or {}):
        why = 'deprecated since v1.8; use "storageClassName" attribute instead'
        yield f"metadata.annotations[{_CLASS_ANNOTATION}]: {why}"
