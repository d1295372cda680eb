"""When a Job has failed or succeeded; mirrors `validatePodFailurePolicy` and `validateSuccessPolicy`."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from labs.core.field import FieldError, Findings
from labs.golang.quoting import quote

Object = dict[str, Any]
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS = ("In", "NotIn")
_STATUSES = ("False", "True", "Unknown")
_MOST_RULES, _MOST_CODES, _MOST_CONDITIONS = 20, 255, 20
_LONGEST_INDEXES = 64 * 1024
_INTEGER = re.compile(r"[-+]?[0-9]+")


def check_failure_policy(found: Findings, path: str, spec: Object) -> None:
    """Rules by which pods that failed are judged, the first that fits."""
    rules, pod = spec["podFailurePolicy"].get("rules") or [], spec.get("template", {}).get("spec", {})
    containers = {
        container.get("name", "")
        for part in ("containers", "initContainers")
        for container in pod.get(part) or []
    }
    _limit(found, f"{path}.rules", rules, _MOST_RULES)
    for index, rule in enumerate(rules):
        here = f"{path}.rules[{index}]"
        _check_action(found, f"{here}.action", rule.get("action", ""), spec)
        _check_failure_rule(found, here, rule, containers)


def check_success_policy(found: Findings, path: str, spec: Object) -> None:
    """Rules by which an indexed Job is done before all indexes are."""
    rules = spec["successPolicy"].get("rules") or []
    if not rules:
        why = "at least one rules must be specified when the successPolicy is specified"
        found.required(f"{path}.rules", why)
    _limit(found, f"{path}.rules", rules, _MOST_RULES)
    for index, rule in enumerate(rules):
        _check_success_rule(found, f"{path}.rules[{index}]", rule, spec.get("completions", 0))


def shown_success_policy(policy: Object) -> Object:
    """A policy as the server has it."""
    rules = policy.get("rules")
    names = {"SucceededIndexes": "succeededIndexes", "SucceededCount": "succeededCount"}
    return {"Rules": rules and [{go: rule.get(field) for go, field in names.items()} for rule in rules]}


def shown_failure_policy(policy: Object) -> Object:
    """The same of when it has failed."""
    return {"Rules": [_shown_failure_rule(rule) for rule in policy.get("rules") or []]}


def _shown_failure_rule(rule: Object) -> Object:
    codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions")
    names = {"ContainerName": None, "Operator": "", "Values": None}
    shown = codes and {go: codes.get(f"{go[0].lower()}{go[1:]}", absent) for go, absent in names.items()}
    listed = conditions and [{"Type": c.get("type", ""), "Status": c.get("status", "")} for c in conditions]
    return {"Action": rule.get("action", ""), "OnExitCodes": shown, "OnPodConditions": listed}


def _check_action(found: Findings, path: str, action: str, spec: Object) -> None:
    if action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
        found.invalid(path, action, "requires the backoffLimitPerIndex to be set")
    _check_choice(found, path, action, _ACTIONS)


def _check_failure_rule(found: Findings, path: str, rule: Object, containers: set[str]) -> None:
    codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions") or []
    if codes is not None:
        _check_exit_codes(found, f"{path}.onExitCodes", codes, containers)
    _limit(found, f"{path}.onPodConditions", conditions, _MOST_CONDITIONS)
    for index, condition in enumerate(conditions):
        here = f"{path}.onPodConditions[{index}]"
        found.qualified_name(f"{here}.type", condition.get("type", ""))
        _check_choice(found, f"{here}.status", condition.get("status", ""), _STATUSES)
    if codes is not None and conditions:
        _invalid(found, path, "specifying both OnExitCodes and OnPodConditions is not supported")
    if codes is None and not conditions:
        _invalid(found, path, "specifying one of OnExitCodes and OnPodConditions is required")


def _check_exit_codes(found: Findings, path: str, requirement: Object, containers: set[str]) -> None:
    operator, values = requirement.get("operator", ""), requirement.get("values") or []
    _check_choice(found, f"{path}.operator", operator, _OPERATORS)
    container = requirement.get("containerName")
    if container is not None and container not in containers:
        why = "must be one of the container or initContainer names in the pod template"
        found.invalid(f"{path}.containerName", container, why)
    if not values:
        found.invalid(f"{path}.values", requirement.get("values"), "at least one value is required")
    _limit(found, f"{path}.values", values, _MOST_CODES)
    seen: set[int] = set()
    for index, value in enumerate(values):
        if operator == "In" and value == 0:
            found.invalid(f"{path}.values[{index}]", value, "must not be 0 for the In operator")
        if value in seen:
            found.duplicate(f"{path}.values[{index}]", value)
        seen.add(value)
    if values != sorted(values):
        found.invalid(f"{path}.values", values, "must be ordered")


def _check_success_rule(found: Findings, path: str, rule: Object, completions: int) -> None:
    indexes, count, total = rule.get("succeededIndexes"), rule.get("succeededCount"), 0
    if indexes is None and count is None:
        found.required(path, "at least one of succeededCount or succeededIndexes must be specified")
    if indexes is not None:
        here = f"{path}.succeededIndexes"
        if len(indexes.encode()) > _LONGEST_INDEXES:
            found.too_long(here, _LONGEST_INDEXES)
        try:
            total = _count_indexes(indexes, completions)
        except ValueError as fault:
            found.invalid(here, indexes, f"error parsing succeededIndexes: {fault}")
    if count is not None:
        here, limit = f"{path}.succeededCount", "must be less than or equal to"
        found.not_negative(here, count)
        if count > completions:
            found.invalid(here, count, f"{limit} {completions} (the number of specified completions)")
        if indexes is not None and count > total:
            what = "the number of indexes in the specified succeededIndexes field"
            found.invalid(here, count, f"{limit} {total} ({what})")


def _count_indexes(text: str, completions: int) -> int:
    """How many indexes a text such as `1,3-5` names. Raises ValueError."""
    total, last = 0, -1
    for interval in text.split(",") if text else []:
        limits = interval.split("-")
        if len(limits) > 2:
            why = (
                "violates the requirement that an index interval can have at most two parts separated by '-'"
            )
            raise ValueError(f"the fragment {quote(interval)} {why}")
        bounds = [_index(limit, completions) for limit in limits]
        for previous, current in (*pairwise(bounds), (last, bounds[0])):
            if previous >= current:
                raise ValueError(f"non-increasing order, previous: {previous}, current: {current}")
        last = bounds[-1]
        total += last - bounds[0] + 1
    return total


def _index(text: str, completions: int) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"cannot convert string to integer for index: {quote(text)}")
    if int(text) >= completions:
        raise ValueError(f"too large index: {quote(text)}")
    return int(text)


def _check_choice(found: Findings, path: str, value: str, choices: tuple[str, ...]) -> None:
    if not value:
        found.required(path, f"valid values: [{' '.join(quote(choice) for choice in choices)}]")
    elif value not in choices:
        found.not_supported(path, value, choices)


def _limit(found: Findings, path: str, items: list[Any], limit: int) -> None:
    if len(items) > limit:
        found.too_many(path, len(items), limit)


def _invalid(found: Findings, path: str, detail: str) -> None:
    """What is wrong with a structure that is not shown."""
    found.append(FieldError("FieldValueInvalid", path, f"Invalid value: {detail}"))
