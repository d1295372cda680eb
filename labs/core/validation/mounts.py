"""Where a container has its pod's volumes (`ValidateVolumeMounts`, `ValidateVolumeDevices`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labs.core.field import Findings
from labs.core.validation.paths import check_descending

Object = dict[str, Any]
_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_READ_ONLY_MODES = ("Disabled", "Enabled", "IfPossible")


def _by_name(uses: list[Object], field: str) -> dict[str, str]:
    """Where each volume is, the last place of those that are in several."""
    return {use.get("name", ""): use.get(field, "") for use in uses}


def check_mounts(found: Findings, path: str, container: Object, volumes: Mapping[str, Object]) -> None:
    """Volumes as directories and files; `volumes` are those with nothing wrong."""
    devices = _by_name(container.get("volumeDevices") or [], "devicePath")
    taken: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or []):
        here = f"{path}.volumeMounts[{index}]"
        name, target = mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            found.required(f"{here}.name")
        if name not in volumes:
            found.not_found(f"{here}.name", name)
        if not target:
            found.required(f"{here}.mountPath")
        if target in taken:
            found.invalid(f"{here}.mountPath", target, "must be unique")
        taken.add(target)
        if name in devices:
            found.invalid(f"{here}.name", name, "must not already exist in volumeDevices")
        if target in devices.values():
            found.invalid(f"{here}.mountPath", target, "must not already exist as a path in volumeDevices")
        _sub_path(found, f"{path}.volumeMounts", here, mount)
        _propagation(found, f"{path}.volumeMounts.mountPropagation", mount, container)
        _recursive_read_only(found, f"{path}.volumeMounts.recursiveReadOnly", mount)


def _sub_path(found: Findings, path: str, here: str, mount: Object) -> None:
    inside, expression = mount.get("subPath", ""), mount.get("subPathExpr", "")
    check_descending(found, f"{path}.subPath", inside)
    if inside and expression:
        why = "subPathExpr and subPath are mutually exclusive"
        found.invalid(f"{here}.subPathExpr", expression, why)
    check_descending(found, f"{path}.subPathExpr", expression)


def _propagation(found: Findings, path: str, mount: Object, container: Object) -> None:
    propagation = mount.get("mountPropagation", "None")
    if propagation not in _PROPAGATIONS:
        found.not_supported(path, propagation, _PROPAGATIONS)
    elif propagation == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
        why = "Bidirectional mount propagation is available only to privileged containers"
        found.forbidden(path, why)


def _recursive_read_only(found: Findings, path: str, mount: Object) -> None:
    mode = mount.get("recursiveReadOnly", "Disabled")
    if mode not in _READ_ONLY_MODES:
        found.not_supported(path, mode, _READ_ONLY_MODES)
    elif mode != "Disabled":
        if not mount.get("readOnly"):
            found.forbidden(path, "may only be specified when readOnly is true")
        if mount.get("mountPropagation", "None") != "None":
            found.forbidden(path, "may only be specified when mountPropagation is None or not specified")


def check_devices(found: Findings, path: str, container: Object, volumes: Mapping[str, Object]) -> None:
    """Volumes as block devices."""
    mounts = _by_name(container.get("volumeMounts") or [], "mountPath")
    names: set[str] = set()
    targets: set[str] = set()
    for index, device in enumerate(container.get("volumeDevices") or []):
        here = f"{path}.volumeDevices[{index}]"
        name, target = device.get("name", ""), device.get("devicePath", "")
        if not name:
            found.required(f"{here}.name")
        if name in names:
            found.invalid(f"{here}.name", name, "must be unique")
        if name not in volumes:
            found.not_found(f"{here}.name", name)
        elif volumes[name].keys().isdisjoint(("persistentVolumeClaim", "ephemeral")):
            why = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            found.invalid(f"{here}.name", name, why)
        if not target:
            found.required(f"{here}.devicePath")
        if target in targets:
            found.invalid(f"{here}.devicePath", target, "must be unique")
        if ".." in target.split("/"):
            found.invalid(f"{here}.devicePath", target, "can not contain backsteps ('..')")
        if name in mounts:
            found.invalid(f"{here}.name", name, "must not already exist in volumeMounts")
        if target in mounts.values():
            found.invalid(f"{here}.devicePath", target, "must not already exist as a path in volumeMounts")
        names |= {name} - {""}
        targets.add(target)
