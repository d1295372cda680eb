"""Pod templates of controllers; mirrors `ValidatePodTemplateSpecForReplicaSet` and its kin."""

from __future__ import annotations

from typing import Any

from labs.core.field import FieldError, Findings, invalid
from labs.core.selectors import is_empty, selects
from labs.core.validation.pods import validate_pod_template
from labs.core.validation.selectors import validate_label_selector

Object = dict[str, Any]
_PATH = "spec.template"
_SELECTOR_PARTS = ("matchLabels", "matchExpressions")
_REQUIREMENT_PARTS = ("key", "operator", "values")


def validate_replica_template(spec: Object) -> Findings:
    """`spec.selector` and `spec.template` of what makes ReplicaSets, or is one."""
    found, selector = Findings(), spec.get("selector")
    if check_selector(found, selector, "deployment"):
        check_running_template(found, selector, spec.get("template") or {}, "ReplicaSet")
    else:
        found.invalid("spec.selector", shown_selector(selector or {}), "invalid label selector")
    return found


def validate_daemon_template(spec: Object) -> Findings:
    """The same of a DaemonSet, which need not say what it selects but finds nothing then."""
    selector, template = spec.get("selector"), spec.get("template") or {}
    found = Findings(validate_label_selector(selector or {}, "spec.selector"))
    if not found:
        check_template_labels(found, selector, template)
    if selector is not None and is_empty(selector):
        found.invalid("spec.selector", {}, "empty selector is invalid for daemonset")
    found.extend(validate_pod_template(template, _PATH))
    check_restarts(found, template, "DaemonSet")
    return found


def check_selector(found: Findings, selector: Object | None, owner: str) -> bool:
    """A selector must be given and say something; answers whether it is clear what it selects."""
    if selector is None:
        found.required("spec.selector")
        return True
    faults = validate_label_selector(selector, "spec.selector")
    found.extend(faults)
    if is_empty(selector):
        found.invalid("spec.selector", {}, f"empty selector is invalid for {owner}")
    return not faults


def check_running_template(found: Findings, selector: Object | None, template: Object, owner: str) -> None:
    """What keeps its pods running makes them so that it finds them again, and they start again."""
    check_template_labels(found, selector, template)
    found.extend(validate_pod_template(template, _PATH))
    check_restarts(found, template, owner)


def check_template_labels(found: Findings, selector: Object | None, template: Object) -> None:
    """The labels must be selected; no selector selects nothing."""
    labels: dict[str, str] | None = (template.get("metadata") or {}).get("labels")
    if not selects(selector, labels):
        shown = labels and dict(sorted(labels.items()))
        why = "`selector` does not match template `labels`"
        found.invalid(f"{_PATH}.metadata.labels", shown, why)


def check_restarts(found: Findings, template: Object, owner: str) -> None:
    """Pods that are to run for good; `owner` is whom deadlines do not suit."""
    pod = template.get("spec") or {}
    if pod.get("restartPolicy") != "Always":
        found.not_supported(f"{_PATH}.spec.restartPolicy", pod.get("restartPolicy", ""), ("Always",))
    if pod.get("activeDeadlineSeconds") is not None:
        why = f"activeDeadlineSeconds in {owner} is not Supported"
        found.forbidden(f"{_PATH}.spec.activeDeadlineSeconds", why)


def shown_selector(selector: Object) -> Object:
    """A selector as Go writes it: in its own order, and without what is empty."""
    shown = {part: selector[part] for part in _SELECTOR_PARTS if selector.get(part)}
    if "matchLabels" in shown:
        shown["matchLabels"] = dict(sorted(shown["matchLabels"].items()))
    if "matchExpressions" in shown:
        shown["matchExpressions"] = [_shown_requirement(each) for each in shown["matchExpressions"]]
    return shown


def _shown_requirement(requirement: Object) -> Object:
    given = {"key": "", "operator": "", **requirement}
    return {part: given[part] for part in _REQUIREMENT_PARTS if part != "values" or given.get(part)}


def immutable(new: Object, old: Object, field: str, part: str) -> list[FieldError]:
    """A part that stays as it was."""
    if new.get(part) == old.get(part):
        return []
    return [invalid(f"{field}.{part}" if field else part, new.get(part), "field is immutable")]
