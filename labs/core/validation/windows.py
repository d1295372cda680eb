"""Pods for Windows, which no node here runs, and what they and others may not have (`validateWindows`)."""

from __future__ import annotations

from typing import Any

from labs.core.field import Findings
from labs.core.validation.annotations import containers_of

Object = dict[str, Any]
_SYSTEMS = ("linux", "windows")
#: Of a pod in the order of their being looked at: of its spec, else of its securityContext.
_SPEC = frozenset(("hostUsers", "hostPID", "hostIPC", "shareProcessNamespace"))
_NOT_POD = (
    "appArmorProfile", "seLinuxOptions", "hostUsers", "hostPID", "hostIPC", "seccompProfile", "fsGroup",
    "fsGroupChangePolicy", "sysctls", "shareProcessNamespace", "runAsUser", "runAsGroup",
    "supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy",
)  # fmt: skip
#: These are not given when they are false or empty.
_ABSENT = frozenset(("hostPID", "hostIPC", "sysctls"))
_NOT_CONTAINER = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem",
    "privileged", "allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup",
)  # fmt: skip
_NOT_FOR_WINDOWS = "cannot be set for a windows pod"


def check_system(found: Findings, path: str, spec: Object) -> None:
    """A spec's `os`, and what does not go with it."""
    system = spec.get("os")
    if system is None:
        return
    match system.get("name", ""):
        case "":
            found.required(f"{path}.os.name")
        case "linux":
            _linux(found, path, spec)
        case "windows":
            _windows(found, path, spec)
        case name:
            found.not_supported(f"{path}.os", name, _SYSTEMS)


def _linux(found: Findings, path: str, spec: Object) -> None:
    settings = [(path, spec), *containers_of(spec, path)]
    for here, holder in settings:
        if "windowsOptions" in (holder.get("securityContext") or {}):
            why = "windows options cannot be set for a linux pod"
            found.forbidden(f"{here}.securityContext.windowsOptions", why)


def _windows(found: Findings, path: str, spec: Object) -> None:
    security = spec.get("securityContext") or {}
    for field in _NOT_POD:
        holder, here = (spec, path) if field in _SPEC else (security, f"{path}.securityContext")
        if field in holder and (holder[field] or field not in _ABSENT):
            found.forbidden(f"{here}.{field}", _NOT_FOR_WINDOWS)
    for here, container in containers_of(spec, path):
        for field in _NOT_CONTAINER:
            if field in (container.get("securityContext") or {}):
                found.forbidden(f"{here}.securityContext.{field}", _NOT_FOR_WINDOWS)


def check_host_process(found: Findings, path: str, spec: Object) -> None:
    """Containers that are processes of a Windows host: all of a pod's or none."""
    wanted = _host_process(spec)
    given = [(here, _host_process(container)) for here, container in containers_of(spec, path)]
    for here, own in given:
        if wanted is not None and own is not None and own != wanted:
            shown = str(wanted).lower()
            why = f"pod hostProcess value must be identical if both are specified, was {shown}"
            found.invalid(f"{here}.securityContext.windowsOptions.hostProcess", own, why)
    are = [wanted if own is None else own for _, own in given]
    if not any(are):
        return
    if not all(are):
        why = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        found.invalid(path, "", why)
    if not spec.get("hostNetwork"):
        why = "hostNetwork must be true if pod contains any hostProcess containers"
        found.invalid(f"{path}.hostNetwork", False, why)


def _host_process(holder: Object) -> bool | None:
    options: Object = (holder.get("securityContext") or {}).get("windowsOptions") or {}
    return options.get("hostProcess")
