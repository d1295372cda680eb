"""What a pod and its containers may do: users, profiles, sysctls (`ValidateSecurityContext`)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from labs.core.field import Findings
from labs.core.validation import capabilities
from labs.core.validation.paths import check_descending

Object = dict[str, Any]
MAX_ID = 2147483647
_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_PROC_MOUNTS = ("Default", "Unmasked")
_SYSCTL = re.compile(r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?")
_IPC_SYSCTLS = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")
_LONGEST_PROFILE = 4095
_GO_FIELDS = {
    "capabilities": "Capabilities", "privileged": "Privileged", "seLinuxOptions": "SELinuxOptions",
    "windowsOptions": "WindowsOptions", "runAsUser": "RunAsUser", "runAsGroup": "RunAsGroup",
    "runAsNonRoot": "RunAsNonRoot", "readOnlyRootFilesystem": "ReadOnlyRootFilesystem",
    "allowPrivilegeEscalation": "AllowPrivilegeEscalation", "procMount": "ProcMount",
    "seccompProfile": "SeccompProfile", "appArmorProfile": "AppArmorProfile",
}  # fmt: skip
_PROFILE_FIELDS = (("type", "Type", ""), ("localhostProfile", "LocalhostProfile", None))
_GO_STRUCTURES = {
    "appArmorProfile": _PROFILE_FIELDS,
    "capabilities": (("add", "Add", None), ("drop", "Drop", None)),
    "seLinuxOptions": (
        ("user", "User", ""), ("role", "Role", ""), ("type", "Type", ""), ("level", "Level", ""),
    ),
    "seccompProfile": _PROFILE_FIELDS,
    "windowsOptions": (
        ("gmsaCredentialSpecName", "GMSACredentialSpecName", None),
        ("gmsaCredentialSpec", "GMSACredentialSpec", None),
        ("runAsUserName", "RunAsUserName", None), ("hostProcess", "HostProcess", None),
    ),
}  # fmt: skip
_POD_CHOICES = (
    ("supplementalGroupsPolicy", ("Merge", "Strict")),
    ("seLinuxChangePolicy", ("Recursive",)),
)


def check_pod_security(found: Findings, path: str, spec: Object) -> None:
    """A pod's securityContext; `path` is its spec's."""
    security, here = spec.get("securityContext") or {}, f"{path}.securityContext"
    _ids(found, here, security, ("fsGroup", "runAsUser", "runAsGroup"))
    for index, group in enumerate(security.get("supplementalGroups") or []):
        found.between(f"{here}.supplementalGroups[{index}]", group, 0, MAX_ID)
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        why = "ShareProcessNamespace and HostPID cannot both be enabled"
        found.invalid(f"{here}.shareProcessNamespace", True, why)
    _sysctls(found, f"{here}.sysctls", security.get("sysctls") or [], spec)
    _choices(found, here, security, (("fsGroupChangePolicy", ("Always", "OnRootMismatch")),))
    _seccomp(found, f"{here}.seccompProfile", security.get("seccompProfile"))
    _windows_options(found, f"{here}.windowsOptions", security.get("windowsOptions"))
    _apparmor(found, f"{here}.appArmorProfile", security.get("appArmorProfile"))
    _choices(found, here, security, _POD_CHOICES)


def check_container_security(found: Findings, path: str, security: Object, spec: Object) -> None:
    """A container's securityContext."""
    if security.get("privileged") and not capabilities.ALLOWED.privileged:
        found.forbidden(f"{path}.privileged", "disallowed by cluster policy")
    _ids(found, path, security, ("runAsUser", "runAsGroup"))
    if (mount := security.get("procMount")) not in (None, *_PROC_MOUNTS):
        found.not_supported(f"{path}.procMount", mount, _PROC_MOUNTS)
    elif mount == "Unmasked" and spec.get("hostUsers") is not False:
        found.invalid(f"{path}.procMount", mount, "`hostUsers` must be false to use `Unmasked`")
    _seccomp(found, f"{path}.seccompProfile", security.get("seccompProfile"))
    _escalation(found, path, security)
    _windows_options(found, f"{path}.windowsOptions", security.get("windowsOptions"))
    _apparmor(found, f"{path}.appArmorProfile", security.get("appArmorProfile"))


def _escalation(found: Findings, path: str, security: Object) -> None:
    if security.get("allowPrivilegeEscalation") is not False:
        return
    if security.get("privileged"):
        _contradiction(found, path, security, "`privileged` to true")
    for capability in (security.get("capabilities") or {}).get("add") or []:
        if capability == "CAP_SYS_ADMIN":
            _contradiction(found, path, security, "`capabilities.Add` CAP_SYS_ADMIN")


def _contradiction(found: Findings, path: str, security: Object, other: str) -> None:
    shown = {go: _go_value(field, security.get(field)) for field, go in _GO_FIELDS.items()}
    found.invalid(path, shown, f"cannot set `allowPrivilegeEscalation` to false and {other}")


def _go_value(field: str, value: Any) -> Any:
    """As Go shows its structures: all fields, in order."""
    if value is None or field not in _GO_STRUCTURES:
        return value
    return {go: value.get(name, empty) for name, go, empty in _GO_STRUCTURES[field]}


def _ids(found: Findings, path: str, security: Object, names: Iterable[str]) -> None:
    for name in names:
        if name in security:
            found.between(f"{path}.{name}", security[name], 0, MAX_ID)


def _choices(
    found: Findings, path: str, security: Object, fields: Iterable[tuple[str, tuple[str, ...]]]
) -> None:
    for field, choices in fields:
        if (choice := security.get(field)) not in (None, *choices):
            found.not_supported(f"{path}.{field}", choice, choices)


def _sysctls(found: Findings, path: str, settings: list[Object], spec: Object) -> None:
    seen: set[str] = set()
    for index, setting in enumerate(settings):
        here, name = f"{path}[{index}].name", setting.get("name", "")
        if not name:
            found.required(here)
        elif len(name) > 253 or not _SYSCTL.fullmatch(name):
            why = f"must have at most 253 characters and match regex ^{_SYSCTL.pattern}$"
            found.invalid(here, name, why)
        elif name in seen:
            found.duplicate(here, name)
        seen.add(name)
        dotted = name.replace("/", ".")
        if spec.get("hostNetwork") and dotted.startswith("net."):
            found.invalid(here, name, "may not be specified when 'hostNetwork' is true")
        elif spec.get("hostIPC") and dotted.startswith(_IPC_SYSCTLS):
            found.invalid(here, name, "may not be specified when 'hostIPC' is true")


def _seccomp(found: Findings, path: str, profile: Object | None) -> None:
    if profile is None:
        return
    kind, local = profile.get("type", ""), profile.get("localhostProfile")
    if not kind:
        found.required(f"{path}.type", "type is required when seccompProfile is set")
    elif kind not in _PROFILES:
        found.not_supported(f"{path}.type", kind, _PROFILES)
    here = f"{path}.localhostProfile"
    if kind != "Localhost" and local is not None:
        shown = {"Type": kind, "LocalhostProfile": local}
        found.invalid(here, shown, "can only be set when seccomp type is Localhost")
    elif kind == "Localhost" and local is None:
        found.required(here, "must be set when seccomp type is Localhost")
    elif local is not None:
        check_descending(found, here, local)


def _apparmor(found: Findings, path: str, profile: Object | None) -> None:
    if profile is None:
        return
    kind, local = profile.get("type", ""), profile.get("localhostProfile")
    here = f"{path}.localhostProfile"
    if not kind:
        found.required(f"{path}.type", "type is required when appArmorProfile is set")
    elif kind not in _PROFILES:
        found.not_supported(f"{path}.type", kind, _PROFILES)
    elif kind != "Localhost" and local is not None:
        found.invalid(here, local, "can only be set when AppArmor type is Localhost")
    elif kind == "Localhost" and not local:
        found.required(here, "must be set when AppArmor type is Localhost")
    elif local:
        if local != local.strip():
            found.invalid(here, local, "must not be padded with whitespace")
        if len(local) > _LONGEST_PROFILE:
            found.too_long(here, _LONGEST_PROFILE)


def _windows_options(found: Findings, path: str, options: Object | None) -> None:
    if options is None:
        return
    if "gmsaCredentialSpecName" in options:
        found.subdomain(f"{path}.gmsaCredentialSpecName", options["gmsaCredentialSpecName"])
    for field in ("gmsaCredentialSpec", "runAsUserName"):
        if options.get(field) == "":
            found.invalid(f"{path}.{field}", "", f"{field} cannot be an empty string")
