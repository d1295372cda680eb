"""Where a pod may run: node selectors, affinity, spread and tolerations."""

from __future__ import annotations

from typing import Any

from labs.core import names
from labs.core.field import Findings
from labs.core.validation.selectors import check_values, validate_label_selector

Object = dict[str, Any]
_REQUIRED, _PREFERRED = (
    f"{rule}DuringSchedulingIgnoredDuringExecution" for rule in ("required", "preferred")
)
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_UNSATISFIABLE = ("DoNotSchedule", "ScheduleAnyway")
_INCLUSION = ("Honor", "Ignore")


def check_affinity(found: Findings, path: str, affinity: Object) -> None:
    """Nodes and neighbours that a pod must have or would like."""
    nodes, here = affinity.get("nodeAffinity") or {}, f"{path}.nodeAffinity"
    if (required := nodes.get(_REQUIRED)) is not None:
        check_node_selector(found, f"{here}.{_REQUIRED}", required)
    for index, term in enumerate(nodes.get(_PREFERRED) or []):
        _weight(found, f"{here}.{_PREFERRED}[{index}]", term)
        preference = term.get("preference") or {}
        _node_term(found, f"{here}.{_PREFERRED}[{index}].preference", preference, any_value=True)
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(kind) or {}
        for index, term in enumerate(terms.get(_REQUIRED) or []):
            _pod_term(found, f"{path}.{kind}.{_REQUIRED}[{index}]", term)
        for index, weighted in enumerate(terms.get(_PREFERRED) or []):
            here = f"{path}.{kind}.{_PREFERRED}[{index}]"
            _weight(found, here, weighted)
            _pod_term(found, f"{here}.podAffinityTerm", weighted.get("podAffinityTerm") or {})


def check_node_selector(found: Findings, path: str, selector: Object) -> None:
    """Terms of which one must hold."""
    terms = selector.get("nodeSelectorTerms") or []
    if not terms:
        found.required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")
    for index, term in enumerate(terms):
        _node_term(found, f"{path}.nodeSelectorTerms[{index}]", term)


def _weight(found: Findings, path: str, term: Object) -> None:
    if not 1 <= (weight := term.get("weight", 0)) <= 100:
        found.invalid(f"{path}.weight", weight, "must be in the range 1-100")


def _node_term(found: Findings, path: str, term: Object, *, any_value: bool = False) -> None:
    """What a node must have; values of preferences are looked at by nobody."""
    for index, requirement in enumerate(term.get("matchExpressions") or []):
        _node_requirement(found, f"{path}.matchExpressions[{index}]", requirement, any_value)
    for index, requirement in enumerate(term.get("matchFields") or []):
        _node_field(found, f"{path}.matchFields[{index}]", requirement)


def _node_requirement(found: Findings, path: str, requirement: Object, any_value: bool) -> None:
    operator, values = requirement.get("operator", ""), requirement.get("values") or []
    if operator in ("Gt", "Lt"):
        if len(values) != 1:
            why = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            found.required(f"{path}.values", why)
    elif not check_values(found, f"{path}.values", operator, values):
        found.invalid(f"{path}.operator", operator, "not a valid selector operator")
    found.qualified_name(f"{path}.key", requirement.get("key", ""))
    if any_value:
        return
    for index, value in enumerate(values):
        found.faults(f"{path}.values[{index}]", value, names.label_value_faults(value))


def _node_field(found: Findings, path: str, requirement: Object) -> None:
    operator, values = requirement.get("operator", ""), requirement.get("values") or []
    if operator not in ("In", "NotIn"):
        found.invalid(f"{path}.operator", operator, "not a valid selector operator")
    elif len(values) != 1:
        why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        found.required(f"{path}.values", why)
    if (key := requirement.get("key", "")) != "metadata.name":
        found.invalid(f"{path}.key", key, "not a valid field selector key")
        return
    for index, value in enumerate(values):
        found.subdomain(f"{path}.values[{index}]", value)


def _pod_term(found: Findings, path: str, term: Object) -> None:
    for part in ("labelSelector", "namespaceSelector"):
        found.extend(validate_label_selector(term.get(part) or {}, f"{path}.{part}"))
    for namespace in term.get("namespaces") or []:
        found.label(f"{path}.namespace", namespace)
    _label_keys(found, path, term)
    key = term.get("topologyKey", "")
    if not key:
        found.required(f"{path}.topologyKey", "can not be empty")
    found.qualified_name(f"{path}.topologyKey", key)


def _label_keys(found: Findings, path: str, term: Object) -> None:
    """Keys whose values are the pod's own."""
    selector, own = term.get("labelSelector"), term.get("matchLabelKeys") or []
    for part in ("matchLabelKeys", "mismatchLabelKeys"):
        keys = term.get(part) or []
        if keys and selector is None:
            found.forbidden(f"{path}.{part}", "must not be specified when labelSelector is not set")
            continue
        for index, key in enumerate(keys):
            found.qualified_name(f"{path}.{part}[{index}]", key)
    selected = set((selector or {}).get("matchLabels") or {})
    for expression in (selector or {}).get("matchExpressions") or []:
        key = expression.get("key", "")
        if key in own and key in selected:
            why = "exists in both matchLabelKeys and labelSelector"
            found.invalid(f"{path}[{own.index(key)}]", key, why)
        selected.add(key)
    for index, key in enumerate(own):
        if key in (term.get("mismatchLabelKeys") or []):
            why = "exists in both matchLabelKeys and mismatchLabelKeys"
            found.invalid(f"{path}.matchLabelKeys[{index}]", key, why)


def check_spread(found: Findings, path: str, constraints: list[Object]) -> None:
    """How evenly equal pods lie."""
    for index, constraint in enumerate(constraints):
        here = f"{path}[{index}]"
        key, action = constraint.get("topologyKey", ""), constraint.get("whenUnsatisfiable", "")
        if constraint.get("maxSkew", 0) <= 0:
            found.invalid(f"{here}.maxSkew", constraint.get("maxSkew", 0), "must be greater than zero")
        if not key:
            found.required(f"{here}.topologyKey", "can not be empty")
        if action not in _UNSATISFIABLE:
            found.not_supported(f"{here}.whenUnsatisfiable", action, _UNSATISFIABLE)
        if any(
            (key, action) == (other.get("topologyKey", ""), other.get("whenUnsatisfiable", ""))
            for other in constraints[index + 1 :]
        ):
            found.duplicate(f"{here}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {action}}}")
        _least_domains(found, f"{here}.minDomains", constraint.get("minDomains"), action)
        for part in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            if (policy := constraint.get(part)) not in (None, *_INCLUSION):
                found.not_supported(f"{here}.{part}", policy, _INCLUSION)
        _label_keys(found, here, constraint)
        found.extend(validate_label_selector(constraint.get("labelSelector") or {}, f"{here}.labelSelector"))


def _least_domains(found: Findings, path: str, least: int | None, action: str) -> None:
    if least is None:
        return
    if least <= 0:
        found.invalid(path, least, "must be greater than zero")
    if action != "DoNotSchedule":
        why = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
        found.invalid(path, least, why)


def check_tolerations(found: Findings, path: str, tolerations: list[Object]) -> None:
    """Taints that do not keep a pod away (`ValidateTolerations`)."""
    for index, toleration in enumerate(tolerations):
        here = f"{path}[{index}]"
        operator, effect = toleration.get("operator", ""), toleration.get("effect", "")
        if key := toleration.get("key"):
            found.qualified_name(f"{here}.key", key)
        elif operator != "Exists":
            why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            found.invalid(f"{here}.operator", operator, why)
        if "tolerationSeconds" in toleration and effect != "NoExecute":
            why = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            found.invalid(f"{here}.effect", effect, why)
        _tolerated_value(found, f"{here}.operator", operator, toleration.get("value", ""))
        if effect not in ("", *_EFFECTS):
            found.not_supported(f"{here}.effect", effect, _EFFECTS)


def _tolerated_value(found: Findings, path: str, operator: str, value: str) -> None:
    if operator in ("", "Equal"):
        if faults := names.label_value_faults(value):
            found.invalid(path, value, ";".join(faults))
    elif operator != "Exists":
        # those that compare numbers are known and not enabled
        known = ("Equal", "Exists", "Lt", "Gt") if operator in ("Lt", "Gt") else ("Equal", "Exists")
        found.not_supported(path, operator, known)
    elif value:
        found.invalid(path, value, "value must be empty when `operator` is 'Exists'")
