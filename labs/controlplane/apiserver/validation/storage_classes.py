"""Classes of storage: who provides volumes, and where (`ValidateStorageClass`)."""

from __future__ import annotations

from typing import Any

from labs.core.field import Findings

Object = dict[str, Any]
_PARAMETERS_COUNT, _PARAMETERS_SIZE = 512, 256 * 1024
_RECLAIM_POLICIES = ("Delete", "Retain")
_BINDING_MODES = ("Immediate", "WaitForFirstConsumer")


def check_storage_class(found: Findings, obj: Object) -> None:
    """Everything but its metadata."""
    if provisioner := obj.get("provisioner"):
        found.qualified_name("provisioner", provisioner.lower())
    else:
        found.required("provisioner")
    _parameters(found, "parameters", obj.get("parameters") or {})
    if (policy := obj.get("reclaimPolicy")) and policy not in _RECLAIM_POLICIES:
        found.not_supported("reclaimPolicy", policy, _RECLAIM_POLICIES)
    if (mode := obj.get("volumeBindingMode")) not in _BINDING_MODES:
        found.not_supported("volumeBindingMode", mode, _BINDING_MODES)
    _topologies(found, "allowedTopologies", obj.get("allowedTopologies") or [])


def _parameters(found: Findings, path: str, parameters: Object) -> None:
    if len(parameters) > _PARAMETERS_COUNT:
        found.too_long(path, _PARAMETERS_COUNT)
        return
    if "" in parameters:
        found.invalid(path, "", "field can not be empty.")
    if sum(len(key.encode()) + len(value.encode()) for key, value in parameters.items()) > _PARAMETERS_SIZE:
        found.too_long(path, _PARAMETERS_SIZE)


def _topologies(found: Findings, path: str, terms: list[Object]) -> None:
    # one that says nothing counts as said before
    known: list[dict[str, set[str]]] = [{}]
    for index, term in enumerate(terms):
        here, values = f"{path}[{index}].matchLabelExpressions", dict[str, set[str]]()
        for position, expression in enumerate(term.get("matchLabelExpressions") or []):
            key, wanted = expression.get("key", ""), expression.get("values") or []
            _topology(found, f"{here}[{position}]", key, wanted)
            if key in values:
                found.duplicate(f"{here}[{position}].key", key)
            values[key] = set(wanted)
        if values in known:
            found.duplicate(here, "")
        known.append(values)


def _topology(found: Findings, path: str, key: str, values: list[str]) -> None:
    if not values:
        found.required(f"{path}.values")
    for index, value in enumerate(values):
        if value in values[:index]:
            found.duplicate(f"{path}.values[{index}]", value)
    found.qualified_name(f"{path}.key", key)
