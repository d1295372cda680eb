"""Checks of a pod's volumes (`validateVolumeSource`)."""

from typing import Any

from labs.kubelet.pod.findings import Findings
from labs.kubelet.pod.quantity import quantity_value
from labs.kubelet.pod.validation_pod import check_local_path
from labs.kubelet.pod.validation_sources import VOLUME_FIELDS, check_field_ref, check_resource_ref

HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
#: The kinds of volumes in the order in which they are looked at; the first one found is the volume's.
VOLUME_KINDS = (
    "emptyDir", "hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore", "secret", "nfs", "iscsi",
    "glusterfs", "flocker", "persistentVolumeClaim", "rbd", "cinder", "cephfs", "quobyte", "downwardAPI",
    "fc", "flexVolume", "configMap", "azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume",
    "azureDisk", "storageos", "projected", "scaleIO", "csi", "ephemeral", "image",
)  # fmt: skip


def check_volumes(found: Findings, volumes: list[dict[str, Any]]) -> set[str]:
    """The names of those with nothing wrong: mounts know no others."""
    names: set[str] = set()
    for i, volume in enumerate(volumes):
        path, before = f"spec.volumes[{i}]", len(found)
        kinds = [kind for kind in VOLUME_KINDS if kind in volume]
        match kinds[0] if kinds else None:
            case "hostPath":
                _host_path(found, f"{path}.hostPath", volume["hostPath"])
            case "emptyDir" if quantity_value(volume["emptyDir"].get("sizeLimit", "0")) < 0:
                why = "SizeLimit field must be a valid resource quantity"
                found.forbidden(f"{path}.emptyDir.sizeLimit", why)
            case "configMap":
                _keys(found, f"{path}.configMap", volume["configMap"], "name")
            case "secret":
                _keys(found, f"{path}.secret", volume["secret"], "secretName")
            case "persistentVolumeClaim" if not volume["persistentVolumeClaim"].get("claimName"):
                found.required(f"{path}.persistentVolumeClaim.claimName")
            case "nfs":
                _nfs(found, f"{path}.nfs", volume["nfs"])
            case "downwardAPI":
                _mode(found, f"{path}.downwardAPI", volume["downwardAPI"])
                _downward_items(found, f"{path}.downwardAPI", volume["downwardAPI"].get("items", []))
            case "projected":
                _projected(found, f"{path}.projected", volume["projected"].get("sources", []))
        for kind in kinds[1:]:
            # the misspelling is the API's own
            field = "downwarAPI" if kind == "downwardAPI" else kind
            found.forbidden(f"{path}.{field}", "may not specify more than 1 volume type")
        name = volume.get("name", "")
        found.label(f"{path}.name", name)
        if name in names:
            found.duplicate(f"{path}.name", name)
        if len(found) == before:
            names.add(name)
    return names


def _mode(found: Findings, path: str, source: dict[str, Any]) -> None:
    if not 0 <= source.get("defaultMode", 0) <= 0o777:
        why = "must be a number between 0 and 0777 (octal), both inclusive"
        found.invalid(f"{path}.defaultMode", source["defaultMode"], why)


def _keys(found: Findings, path: str, source: dict[str, Any], name: str) -> None:
    """A ConfigMap's or a Secret's files."""
    if not source.get(name):
        found.required(f"{path}.{name}")
    _mode(found, path, source)
    for i, item in enumerate(source.get("items", [])):
        if not item.get("key"):
            found.required(f"{path}.items[{i}].key")
        if not item.get("path"):
            found.required(f"{path}.items[{i}].path")
        check_local_path(found, f"{path}.items[{i}].path", item.get("path", ""))


def _nfs(found: Findings, path: str, source: dict[str, Any]) -> None:
    if not source.get("server"):
        found.required(f"{path}.server")
    if not (exported := source.get("path", "")):
        found.required(f"{path}.path")
    elif not exported.startswith("/"):
        found.invalid(f"{path}.path", exported, "must be an absolute path")


def _projected(found: Findings, path: str, sources: list[dict[str, Any]]) -> None:
    for i, source in enumerate(sources):
        items = source.get("downwardAPI", {}).get("items", [])
        _downward_items(found, f"{path}.sources[{i}].downwardAPI", items)
    for i, source in enumerate(sources):
        if "serviceAccountToken" in source:
            why = "must not be specified when serviceAccountName is not set"
            found.forbidden(f"{path}.sources[{i}].serviceAccountToken", why)


def _host_path(found: Findings, path: str, source: dict[str, Any]) -> None:
    if not source.get("path"):
        found.required(f"{path}.path")
        return
    if ".." in source["path"].split("/"):
        found.invalid(f"{path}.path", source["path"], "must not contain '..'")
    if source["type"] not in HOST_PATH_TYPES:
        found.unsupported(f"{path}.type", source["type"], HOST_PATH_TYPES)


def _downward_items(found: Findings, path: str, items: list[dict[str, Any]]) -> None:
    for item in items:
        target = item.get("path", "")
        if not target:
            found.required(f"{path}.path")
        check_local_path(found, f"{path}.path", target)
        if target.startswith("..") and not target.startswith("../"):
            found.invalid(f"{path}.path", target, "must not start with '..'")
        if "fieldRef" in item:
            check_field_ref(found, f"{path}.fieldRef", item["fieldRef"], VOLUME_FIELDS)
            if "resourceFieldRef" in item:
                why = "fieldRef and resourceFieldRef can not be specified simultaneously"
                found.invalid(path, "resource", why)
        elif "resourceFieldRef" not in item:
            found.required(path, "one of fieldRef and resourceFieldRef is required")
        elif not item["resourceFieldRef"].get("containerName"):
            found.required(f"{path}.resourceFieldRef.containerName")
        else:
            check_resource_ref(found, f"{path}.resourceFieldRef", item["resourceFieldRef"])
