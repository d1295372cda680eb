"""Volumes of kinds that were built into Kubernetes once: what each must have (`validateVolumeSource`)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from labs.core.field import Findings

Object = dict[str, Any]
_REQUIRED = {
    "awsElasticBlockStore": ("volumeID",), "azureDisk": ("diskName", "diskURI"),
    "azureFile": ("secretName", "shareName"), "cephfs": ("monitors",), "cinder": ("volumeID",),
    "flexVolume": ("driver",), "gcePersistentDisk": ("pdName",), "glusterfs": ("endpoints", "path"),
    "iscsi": ("targetPortal",), "persistentVolumeClaim": ("claimName",), "photonPersistentDisk": ("pdID",),
    "portworxVolume": ("volumeID",), "rbd": ("monitors", "image"),
    "scaleIO": ("gateway", "system", "volumeName"), "vsphereVolume": ("volumePath",),
}  # fmt: skip
_INITIATORS = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([\w.-]+)(:[^,;*&$|\s]+)", re.ASCII),
    "eui": re.compile(r"eui.[A-Za-z0-9]{16}"),
    "naa": re.compile(r"naa.[A-Za-z0-9]{32}"),
}
_CACHING, _DISKS = ("None", "ReadOnly", "ReadWrite"), ("Dedicated", "Managed", "Shared")
_MANAGED_DISK = (
    "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
)
_BLOB = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
_REGISTRY = "must be a host:port pair or multiple pairs separated by commas"


def check_intree_volume(found: Findings, path: str, kind: str, source: Object) -> None:
    """A volume's source; `path` is the volume's."""
    # the field is blamed by a name that it has not
    here = f"{path}.{'persistentDisk' if kind == 'gcePersistentDisk' else kind}"
    for field in _REQUIRED.get(kind, ()):
        if not source.get(field):
            found.required(f"{here}.{field}")
    if kind in _CHECKS:
        _CHECKS[kind](found, here, source)


def _partition(found: Findings, path: str, source: Object) -> None:
    partition = source.get("partition", 0)
    if not 0 <= partition <= 255:
        found.invalid(f"{path}.partition", partition, "must be between 1 and 255, inclusive")


def _azure_disk(found: Findings, path: str, source: Object) -> None:
    for field, choices in (("cachingMode", _CACHING), ("kind", _DISKS)):
        if source.get(field) not in (None, *choices):
            found.not_supported(f"{path}.{field}", source[field], choices)
    uri, managed = source.get("diskURI", ""), source.get("kind") == "Managed"
    if managed and not uri.startswith("/subscriptions/"):
        found.not_supported(f"{path}.diskURI", uri, (_MANAGED_DISK,))
    if not managed and not uri.startswith("https://"):
        found.not_supported(f"{path}.diskURI", uri, (_BLOB,))


def _secret_named(found: Findings, path: str, source: Object) -> None:
    if source.get("secretRef") is not None and not source["secretRef"].get("name"):
        found.required(f"{path}.secretRef.name")


def _fc(found: Findings, path: str, source: Object) -> None:
    names, lun = source.get("targetWWNs") or [], source.get("lun")
    if not names and not source.get("wwids"):
        found.required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both")
    if names and source.get("wwids"):
        why = "targetWWNs and wwids can not be specified simultaneously"
        found.invalid(f"{path}.targetWWNs", names, why)
    if names and lun is None:
        found.required(f"{path}.lun", "lun is required if targetWWNs is specified")
    elif names and lun is not None:
        found.between(f"{path}.lun", lun, 0, 255)


def _flex(found: Findings, path: str, source: Object) -> None:
    for key in source.get("options") or {}:
        if f".{key.partition('/')[0].lower()}".endswith((".kubernetes.io", ".k8s.io")):
            why = "kubernetes.io and k8s.io namespaces are reserved"
            found.invalid(f"{path}.options[{key}]", key, why)


def _flocker(found: Findings, path: str, source: Object) -> None:
    name, uuid = source.get("datasetName", ""), source.get("datasetUUID", "")
    if not name and not uuid:
        found.required(path, "one of datasetName and datasetUUID is required")
    if name and uuid:
        why = "datasetName and datasetUUID can not be specified simultaneously"
        found.invalid(path, "resource", why)
    if "/" in name:
        found.invalid(f"{path}.datasetName", name, "must not contain '/'")


def _iscsi(found: Findings, path: str, source: Object) -> None:
    if source.get("iqn"):
        _initiator(found, f"{path}.iqn", source["iqn"])
    else:
        found.required(f"{path}.iqn")
    found.between(f"{path}.lun", source.get("lun", 0), 0, 255)
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and "secretRef" not in source:
        found.required(f"{path}.secretRef")
    if "initiatorName" in source:
        _initiator(found, f"{path}.initiatorname", source["initiatorName"])


def _initiator(found: Findings, path: str, name: str) -> None:
    pattern = _INITIATORS.get(name[:3])
    if pattern is None:
        found.invalid(path, name, "must be valid format starting with iqn, eui, or naa")
    elif not pattern.fullmatch(name):
        found.invalid(path, name, "must be valid format")


def _quobyte(found: Findings, path: str, source: Object) -> None:
    registry = source.get("registry", "")
    if not registry:
        found.required(f"{path}.registry", _REGISTRY)
    elif len(source.get("tenant", "")) >= 65:
        why = "must be a UUID and may not exceed a length of 64 characters"
        found.required(f"{path}.tenant", why)
    else:
        for pair in registry.split(","):
            if ":" not in pair:
                found.invalid(f"{path}.registry", registry, _REGISTRY)
    if not source.get("volume"):
        found.required(f"{path}.volume")


def _storage_os(found: Findings, path: str, source: Object) -> None:
    found.required_label(f"{path}.volumeName", source.get("volumeName", ""))
    if source.get("volumeNamespace"):
        found.label(f"{path}.volumeNamespace", source["volumeNamespace"])
    _secret_named(found, path, source)


_CHECKS: dict[str, Callable[[Findings, str, Object], None]] = {
    "awsElasticBlockStore": _partition,
    "azureDisk": _azure_disk,
    "cinder": _secret_named,
    "fc": _fc,
    "flexVolume": _flex,
    "flocker": _flocker,
    "gcePersistentDisk": _partition,
    "iscsi": _iscsi,
    "quobyte": _quobyte,
    "storageos": _storage_os,
}
