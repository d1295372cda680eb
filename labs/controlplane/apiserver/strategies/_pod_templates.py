"""What pods and what they are made of have in common before they are looked at."""

from __future__ import annotations

from labs.core import names
from labs.core.defaults import default_template
from labs.core.validation.annotations import containers_of

from ..validation.pod_warnings import template_warnings
from ._base import Object

#: Fields of features that are not enabled unless asked for (`dropDisabledFields` in `pkg/api/pod/util.go`).
_DISABLED_SOURCES = ("clusterTrustBundle", "podCertificate")


def complete_template(template: Object) -> None:
    """Set the defaults of a pod's template and drop what is not enabled, in place."""
    default_template(template)
    show_empty(template["spec"])
    drop_disabled(template["spec"])


def changed_template_warnings(new: Object, old: Object | None, path: str) -> list[str]:
    """What is told of the template of a spec, unless it is as it was."""
    if old is not None and new.get("template") == old.get("template"):
        return []
    return list(template_warnings(new.get("template") or {}, f"{path}.template"))


def name_warnings(name: str) -> list[str]:
    """What is told of a new object whose name is the beginning of its pods' names."""
    faults = names.label_faults(name)
    why = "this is used in Pod names and hostnames, which can result in surprising behavior"
    return [f"metadata.name: {why}; a DNS label is recommended: [{' '.join(faults)}]"] if faults else []


def show_empty(spec: Object) -> None:
    """Lists that Go writes even when there is nothing in them, as null."""
    for volume in spec.get("volumes") or []:
        if "projected" in volume:
            volume["projected"]["sources"] = volume["projected"].get("sources") or None


def drop_disabled(spec: Object) -> None:
    """Drop fields that only features read which are off, in place."""
    for _, container in containers_of(spec, ""):
        if container.get("lifecycle", {}).pop("stopSignal", None) is not None and not container["lifecycle"]:
            del container["lifecycle"]
    for volume in spec.get("volumes") or []:
        for source in volume.get("projected", {}).get("sources") or []:
            for field in _DISABLED_SOURCES:
                source.pop(field, None)
