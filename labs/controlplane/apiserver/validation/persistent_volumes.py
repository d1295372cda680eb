"""Volumes of the cluster, which claims are bound to (`ValidatePersistentVolumeSpec`)."""

from __future__ import annotations

import posixpath
from decimal import ROUND_UP
from typing import Any

from labs.core.field import Findings
from labs.core.quantity import quantity_value
from labs.core.validation.claims import VOLUME_MODES, check_access_modes
from labs.core.validation.intree_volumes import check_intree_volume
from labs.core.validation.paths import check_no_backsteps
from labs.core.validation.scheduling import check_node_selector
from labs.core.validation.volumes import check_driver, check_host_path, check_nfs

Object = dict[str, Any]
#: The kinds of volumes in the order in which they are looked at; the first one found is the volume's.
VOLUME_KINDS = (
    "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "flocker", "nfs", "rbd", "quobyte",
    "cephfs", "iscsi", "cinder", "fc", "flexVolume", "azureFile", "vsphereVolume", "photonPersistentDisk",
    "portworxVolume", "azureDisk", "scaleIO", "local", "storageos", "csi",
)  # fmt: skip
_RECLAIM_POLICIES = ("Delete", "Recycle", "Retain")
_CSI_SECRETS = (
    "controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef",
)  # fmt: skip
#: Secrets of built-in kinds, by what must be told of them.
_SECRETS = {
    "cinder": ("namespace",),
    "iscsi": ("name",),
    "storageos": ("namespace",),
}
_INITIATOR_LIMIT = 64


def check_persistent_volume(found: Findings, path: str, spec: Object, name: str) -> None:
    """What a volume of that name is, how much it holds and who may have it."""
    check_access_modes(found, path, spec, "")
    _capacity(found, f"{path}.capacity", spec.get("capacity"))
    policy = spec.get("persistentVolumeReclaimPolicy")
    if policy and policy not in _RECLAIM_POLICIES:
        found.not_supported(f"{path}.persistentVolumeReclaimPolicy", policy, _RECLAIM_POLICIES)
    if (affinity := spec.get("nodeAffinity")) is not None:
        _node_affinity(found, f"{path}.nodeAffinity.required", affinity.get("required"))
    _sources(found, path, spec, name)
    if policy == "Recycle" and _is_root(spec.get("hostPath", {}).get("path", "")):
        why = "may not be 'recycle' for a hostPath mount of '/'"
        found.forbidden(f"{path}.persistentVolumeReclaimPolicy", why)
    if spec.get("storageClassName"):
        found.subdomain(f"{path}.storageClassName", spec["storageClassName"])
    if (mode := spec.get("volumeMode")) not in (None, *VOLUME_MODES):
        found.not_supported(f"{path}.volumeMode", mode, VOLUME_MODES)
    if (attributes := spec.get("volumeAttributesClassName")) is not None:
        _attributes(found, path, attributes, csi="csi" in spec)


def _capacity(found: Findings, path: str, capacity: Object | None) -> None:
    if not capacity:
        found.required(path)
    if capacity is None or capacity.keys() != {"storage"}:
        shown = capacity and dict(sorted(capacity.items()))
        found.not_supported(path, shown, ("storage",))
    for name, amount in (capacity or {}).items():
        value = quantity_value(amount)
        if value < 0:
            whole = int(value.to_integral_value(ROUND_UP))
            found.invalid(f"{path}[{name}]", whole, "must be a valid resource quantity")
        if value <= 0:
            found.invalid(f"{path}[{name}]", amount, "must be greater than zero")


def _node_affinity(found: Findings, path: str, selector: Object | None) -> None:
    if selector is None:
        found.required(path, "must specify required node constraints")
    else:
        check_node_selector(found, path, selector)


def _sources(found: Findings, path: str, spec: Object, name: str) -> None:
    kinds = [kind for kind in VOLUME_KINDS if kind in spec]
    if not kinds:
        found.required(path, "must specify a volume type")
    for kind in kinds:
        # flexVolume is looked at even beside others
        if kind in (kinds[0], "flexVolume"):
            _source(found, path, kind, spec, name)
        else:
            shown = "cephFS" if kind == "cephfs" else kind
            found.forbidden(f"{path}.{shown}", "may not specify more than 1 volume type")


def _source(found: Findings, path: str, kind: str, spec: Object, name: str) -> None:
    here, source = f"{path}.{kind}", spec[kind]
    match kind:
        case "hostPath":
            check_host_path(found, here, source)
        case "nfs":
            check_nfs(found, here, source)
        case "local":
            _local(found, here, source)
            if "nodeAffinity" not in spec:
                found.required(f"{path}.nodeAffinity", "Local volume requires node affinity")
        case "csi":
            _csi(found, here, source)
        case _:
            check_intree_volume(found, path, kind, source)
            _shared(found, here, kind, source, name)


def _is_root(path: str) -> bool:
    """Whether it is all of the node's files, however that is written."""
    return path.startswith("/") and posixpath.normpath(f"/{path.lstrip('/')}") == "/"


def _local(found: Findings, path: str, source: Object) -> None:
    if source.get("path"):
        check_no_backsteps(found, f"{path}.path", source["path"])
    else:
        found.required(f"{path}.path")


def _csi(found: Findings, path: str, source: Object) -> None:
    check_driver(found, f"{path}.driver", source.get("driver", ""))
    if not source.get("volumeHandle"):
        found.required(f"{path}.volumeHandle")
    for part in _CSI_SECRETS:
        if (secret := source.get(part)) is not None:
            here = f"{path}.{part}"
            if secret.get("name"):
                found.subdomain(f"{here}.name", secret["name"])
            else:
                found.required(f"{here}.name")
            found.required_label(f"{here}.namespace", secret.get("namespace", ""))


def _shared(found: Findings, path: str, kind: str, source: Object, name: str) -> None:
    """What a volume of a built-in kind tells besides if it is no pod's own: no namespace is understood."""
    if (secret := source.get("secretRef")) is not None:
        for part in _SECRETS.get(kind, ()):
            if not secret.get(part):
                found.required(f"{path}.secretRef.{part}")
    namespace = source.get("endpointsNamespace")
    if kind == "glusterfs" and namespace == "":
        why = "if the endpointnamespace is set, it must be a valid namespace name"
        found.invalid(f"{path}.endpointsNamespace", "", why)
    elif kind == "glusterfs" and namespace is not None:
        found.label(f"{path}.endpointsNamespace", namespace)
    if kind == "azureFile" and source.get("secretNamespace") == "":
        found.required(f"{path}.secretNamespace")
    portal = source.get("targetPortal", "")
    if kind == "iscsi" and "initiatorName" in source and len(f"{name}:{portal}") > _INITIATOR_LIMIT:
        why = (
            "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if "
            "iscsi.initiatorName is specified."
        )
        found.invalid(f"{path}.targetportal", portal, why)


def _attributes(found: Findings, path: str, name: str, *, csi: bool) -> None:
    here = f"{path}.volumeAttributesClassName"
    if name:
        found.subdomain(here, name)
    else:
        found.required(here, "an empty string is disallowed")
    if not csi:
        found.required(f"{path}.csi", "has to be specified when using volumeAttributesClassName")
