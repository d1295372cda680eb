"""Pod templates of controllers; mirrors `ValidatePodTemplateSpecForReplicaSet` and its kin."""

from __future__ import annotations

from typing import Any

from labs.core.field import FieldError, forbidden, invalid, not_supported, required
from labs.core.validation.pods import validate_pod_template
from labs.core.validation.selectors import is_empty, matches, validate_label_selector

Object = dict[str, Any]


def validate_selected_template(spec: Object, owner: str, *, deadline: str = "") -> list[FieldError]:
    """`spec.selector` and `spec.template` of a controller that keeps its pods running.

    `owner` is how the empty selector is refused; `deadline` who does not support activeDeadlineSeconds.
    """
    errors, selector = [], spec.get("selector")
    if selector is None:
        errors.append(required("spec.selector"))
    else:
        errors += validate_label_selector(selector, "spec.selector")
        if is_empty(selector):
            errors.append(invalid("spec.selector", selector, f"empty selector is invalid for {owner}"))
    return errors + _running_template(spec, selector, deadline)


def _running_template(spec: Object, selector: Object | None, deadline: str) -> list[FieldError]:
    field, template = "spec.template", spec.get("template") or {}
    errors = []
    labels = (template.get("metadata") or {}).get("labels")
    if selector is None or not (is_empty(selector) or matches(selector, labels or {})):
        here = f"{field}.metadata.labels"
        errors.append(invalid(here, labels, "`selector` does not match template `labels`"))
    errors += validate_pod_template(template, field)
    pod = template.get("spec") or {}
    if pod.get("restartPolicy") != "Always":
        errors.append(not_supported(f"{field}.spec.restartPolicy", pod.get("restartPolicy", ""), ("Always",)))
    if pod.get("activeDeadlineSeconds") is not None and deadline:
        detail = f"activeDeadlineSeconds in {deadline} is not Supported"
        errors.append(forbidden(f"{field}.spec.activeDeadlineSeconds", detail))
    return errors


def immutable(new: Object, old: Object, field: str, part: str) -> list[FieldError]:
    """A part that stays as it was."""
    if new.get(part) == old.get(part):
        return []
    return [invalid(f"{field}.{part}", new.get(part), "field is immutable")]
