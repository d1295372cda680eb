"""Pods: created, changed and deleted as `pkg/registry/core/pod/strategy.go` has it."""

from __future__ import annotations

from copy import deepcopy

from labs.core.defaults import default_pod
from labs.core.field import FieldError, forbidden
from labs.core.qos import qos_class
from labs.core.validation.annotations import MIRROR
from labs.core.validation.pods import validate_pod, validate_pod_create

from ..meta import now, validate_metadata_update
from ..validation.pod_updates import validate_pod_status_update, validate_pod_update
from ..validation.pod_warnings import apparmor_annotations, apparmor_warnings, pod_warnings
from ._base import Object, Strategy
from ._pod_templates import drop_disabled, show_empty

#: Of a pod that no scheduler looks at yet.
GATED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "SchedulingGated",
    "message": "Scheduling is blocked due to non-empty scheduling gates",
    "lastProbeTime": None,
}
TERMINAL = ("Succeeded", "Failed")


class PodStrategy(Strategy):
    """A pod, static ones' mirrors included."""

    has_status = True
    returns_deleted = True

    def default(self, obj: Object) -> None:
        default_pod(obj)
        show_empty(obj["spec"])

    def deprecations(self, obj: Object) -> list[str]:
        return list(apparmor_warnings(obj))

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        return list(pod_warnings(new)) if old is None else []

    def prepare_create(self, obj: Object) -> None:
        drop_disabled(obj["spec"])
        _set_apparmor_profiles(obj)
        obj["metadata"]["generation"] = 1
        obj["status"] = {"phase": "Pending", "qosClass": qos_class(obj["spec"])}
        if obj["spec"].get("schedulingGates"):
            obj["status"]["conditions"] = [{**GATED, "lastTransitionTime": now()}]

    def validate_create(self, obj: Object) -> list[FieldError]:
        return validate_pod_create(obj)

    def prepare_update(self, new: Object, old: Object) -> None:
        super().prepare_update(new, old)
        bump_generation(new, old)

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        return (
            validate_metadata_update(new["metadata"], old["metadata"])
            + validate_pod(new)
            + validate_pod_update(new, old)
        )

    def prepare_status(self, new: Object, old: Object) -> None:
        super().prepare_status(new, old)
        status = new.setdefault("status", {})
        status["qosClass"] = old["status"].get("qosClass") or qos_class(old["spec"])
        for part in ("ownerReferences", "deletionTimestamp"):
            if part in old["metadata"]:
                new["metadata"][part] = old["metadata"][part]
            else:
                new["metadata"].pop(part, None)

    def validate_status(self, new: Object, old: Object) -> list[FieldError]:
        return validate_metadata_update(new["metadata"], old["metadata"]) + validate_pod_status_update(
            new, old
        )

    def validate_ephemeral(self, new: Object, old: Object) -> list[FieldError]:
        wanted = (new.get("spec") or {}).get("ephemeralContainers") or []
        for part in [part for part in new if part != "metadata"]:
            del new[part]
        new.update({part: deepcopy(value) for part, value in old.items() if part != "metadata"})
        new["metadata"] = {**old["metadata"], "managedFields": new["metadata"].get("managedFields", [])}
        before = old["spec"].get("ephemeralContainers") or []
        if wanted:
            new["spec"]["ephemeralContainers"] = wanted
        default_pod(new)
        if MIRROR in (old["metadata"].get("annotations") or {}):
            return [forbidden("", "static pods do not support ephemeral containers")]
        bump_generation(new, old)
        names = {container.get("name") for container in wanted}
        field = "spec.ephemeralContainers"
        for container in before:
            if container["name"] not in names:
                return [
                    forbidden(
                        field, f'existing ephemeral containers "{container["name"]}" may not be removed\n'
                    )
                ]
            if container not in wanted:
                return [
                    forbidden(
                        field, f'existing ephemeral containers "{container["name"]}" may not be changed\n'
                    )
                ]
        return validate_metadata_update(new["metadata"], old["metadata"]) + validate_pod(new)

    def grace_seconds(self, obj: Object, asked: int | None) -> int | None:
        seconds = asked if asked is not None else obj["spec"].get("terminationGracePeriodSeconds", 0)
        if not obj["spec"].get("nodeName") or obj.get("status", {}).get("phase") in TERMINAL:
            return 0
        return 1 if seconds < 0 else int(seconds)


def _set_apparmor_profiles(pod: Object) -> None:
    """Profiles that annotations tell become fields (`applyAppArmorVersionSkew`)."""
    annotations = pod["metadata"].get("annotations") or {}
    for key, container in apparmor_annotations(pod).items():
        match annotations.get(key, "").partition("/"):
            case "runtime", "/", "default":
                profile = {"type": "RuntimeDefault"}
            case "unconfined", "", "":
                profile = {"type": "Unconfined"}
            case "localhost", "/", name if name:
                profile = {"type": "Localhost", "localhostProfile": name}
            case _:
                continue
        container.setdefault("securityContext", {})["appArmorProfile"] = profile


def bump_generation(new: Object, old: Object) -> None:
    """A changed spec is a new generation."""
    if new["spec"] != old["spec"]:
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
