"""A pod's volumes (`ValidateVolumes`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labs.core import names
from labs.core.field import Findings
from labs.core.quantity import quantity_value
from labs.core.validation.claims import check_claim_template
from labs.core.validation.intree_volumes import check_intree_volume
from labs.core.validation.paths import check_descending, check_file, check_mode, check_no_backsteps
from labs.core.validation.selectors import validate_label_selector
from labs.core.validation.sources import VOLUME_FIELDS, check_field_ref, check_resource_ref

Object = dict[str, Any]
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
#: Where a field of another name is blamed than the volume has.
_MISSPELT = {"downwardAPI": "downwarAPI", "cephfs": "cephFS"}
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_TOKEN_SECONDS = 600, 1 << 32


def check_volumes(
    found: Findings, path: str, volumes: list[Object], pod: str, *, stored: bool
) -> dict[str, Object]:
    """Those with nothing wrong, by name: mounts know no others.

    `pod` is its name, "" of a template; `stored`, whether it is a pod that the API is to keep.
    """
    good: dict[str, Object] = {}
    created = {f"{pod}-{volume.get('name', '')}" for volume in volumes if pod and "ephemeral" in volume}
    for index, volume in enumerate(volumes):
        here, before, name = f"{path}[{index}]", len(found), volume.get("name", "")
        _source(found, here, volume, pod, stored)
        found.required_label(f"{here}.name", name)
        if name in good:
            found.duplicate(f"{here}.name", name)
        if len(found) == before:
            good[name] = volume
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if claim in created:
            why = "must not reference a PVC that gets created for an ephemeral volume"
            found.invalid(f"{here}.persistentVolumeClaim.claimName", claim, why)
    return good


def _source(found: Findings, path: str, volume: Object, pod: str, stored: bool) -> None:
    kinds = [kind for kind in VOLUME_KINDS if kind in volume]
    if not kinds:
        found.required(path, "must specify a volume type")
        return
    kind, source = kinds[0], volume[kinds[0]]
    here = f"{path}.{kind}"
    match kind:
        case "emptyDir" if quantity_value(source.get("sizeLimit", "0")) < 0:
            found.forbidden(f"{here}.sizeLimit", "SizeLimit field must be a valid resource quantity")
        case "hostPath":
            check_host_path(found, here, source)
        case "configMap":
            _keys(found, here, source, "name")
        case "secret":
            _keys(found, here, source, "secretName")
        case "nfs":
            check_nfs(found, here, source)
        case "gitRepo":
            if not source.get("repository"):
                found.required(f"{here}.repository")
            check_descending(found, f"{here}.directory", source.get("directory", ""))
        case "downwardAPI":
            check_mode(found, f"{here}.defaultMode", source.get("defaultMode"))
            for item in source.get("items", []):
                _downward_item(found, here, item)
        case "projected":
            check_mode(found, f"{here}.defaultMode", source.get("defaultMode"))
            _projected(found, here, source.get("sources") or [])
        case "csi":
            _csi(found, here, source)
        case "ephemeral":
            _ephemeral(found, path, volume, pod)
        case "image":
            if stored and not source.get("reference"):
                found.required(f"{here}.reference")
            found.choice(f"{here}.pullPolicy", source.get("pullPolicy", "Always"), _PULL_POLICIES)
        case _:
            check_intree_volume(found, path, kind, source)
    for other in kinds[1:]:
        found.forbidden(f"{path}.{_MISSPELT.get(other, other)}", "may not specify more than 1 volume type")


def check_host_path(found: Findings, path: str, source: Object) -> None:
    """Something of the node's own files."""
    if not source.get("path"):
        found.required(f"{path}.path")
        return
    check_no_backsteps(found, f"{path}.path", source["path"])
    if (kind := source.get("type", "")) not in HOST_PATH_TYPES:
        found.not_supported(f"{path}.type", kind, HOST_PATH_TYPES)


def _keys(found: Findings, path: str, source: Object, name: str) -> None:
    """A ConfigMap's or a Secret's files."""
    if not source.get(name):
        found.required(f"{path}.{name}")
    check_mode(found, f"{path}.defaultMode", source.get("defaultMode"))
    for index, item in enumerate(source.get("items", [])):
        here = f"{path}.items[{index}]"
        for field in ("key", "path"):
            if not item.get(field):
                found.required(f"{here}.{field}")
        check_file(found, f"{here}.path", item.get("path", ""))
        check_mode(found, f"{here}.mode", item.get("mode"))


def check_nfs(found: Findings, path: str, source: Object) -> None:
    """Something that a server exports."""
    if not source.get("server"):
        found.required(f"{path}.server")
    if not (exported := source.get("path", "")):
        found.required(f"{path}.path")
    if not exported.startswith("/"):
        found.invalid(f"{path}.path", exported, "must be an absolute path")


def _csi(found: Findings, path: str, source: Object) -> None:
    check_driver(found, f"{path}.driver", source.get("driver", ""))
    secret = source.get("nodePublishSecretRef")
    if secret is not None and not secret.get("name"):
        found.required(f"{path}.nodePublishSecretRef.name")
    elif secret is not None:
        found.subdomain(f"{path}.name", secret["name"])


def check_driver(found: Findings, path: str, driver: str) -> None:
    """The name of what brings volumes to nodes (`ValidateCSIDriverName`)."""
    if not driver:
        found.required(path)
        return
    if len(driver) > 63:
        found.too_long(path, 63)
    found.faults(path, driver, names.subdomain_faults(driver.lower()))


def _ephemeral(found: Findings, path: str, volume: Object, pod: str) -> None:
    template, here = volume["ephemeral"].get("volumeClaimTemplate"), f"{path}.ephemeral.volumeClaimTemplate"
    if template is None:
        found.required(here)
    else:
        check_claim_template(found, here, template)
    if pod and (name := volume.get("name")):
        claim = f"{pod}-{name}"
        faults = (f'PVC name "{claim}": {fault}' for fault in names.subdomain_faults(claim))
        found.faults(f"{path}.name", name, faults)


def _downward_item(found: Findings, path: str, item: Object) -> None:
    if not item.get("path"):
        found.required(f"{path}.path")
    check_file(found, f"{path}.path", item.get("path", ""))
    if "fieldRef" in item:
        check_field_ref(found, f"{path}.fieldRef", item["fieldRef"], VOLUME_FIELDS)
        if "resourceFieldRef" in item:
            why = "fieldRef and resourceFieldRef can not be specified simultaneously"
            found.invalid(path, "resource", why)
    elif "resourceFieldRef" in item:
        check_resource_ref(found, f"{path}.resourceFieldRef", item["resourceFieldRef"], container=True)
    else:
        found.required(path, "one of fieldRef and resourceFieldRef is required")
    check_mode(found, f"{path}.mode", item.get("mode"))


def _projected(found: Findings, path: str, sources: list[Object]) -> None:
    taken: set[str] = set()
    for index, source in enumerate(sources):
        here = f"{path}.sources[{index}]"
        for kind in ("secret", "configMap"):
            if kind in source:
                _keys(found, f"{here}.{kind}", source[kind], "name")
        for item in source.get("downwardAPI", {}).get("items", []):
            _downward_item(found, f"{here}.downwardAPI", item)
        if "serviceAccountToken" in source:
            _token(found, path, f"{here}.serviceAccountToken", source["serviceAccountToken"])
        if "clusterTrustBundle" in source:
            _trust_bundle(found, f"{here}.clusterTrustBundle", source["clusterTrustBundle"])
        for name, target in _projected_files(source):
            if target in taken:
                found.invalid(path, name or target, "conflicting duplicate paths")
            taken.add(target)
        if len(source) > 1:
            found.forbidden(here, "may not specify more than 1 volume type per source")


def _projected_files(source: Object) -> Iterator[tuple[str, str]]:
    """The files of a source, each with the name of the object that it comes from."""
    for kind, settings in source.items():
        name = settings.get("name", "") if kind in ("secret", "configMap") else ""
        for item in settings.get("items", []):
            if item.get("path"):
                yield name, item["path"]
        if kind == "clusterTrustBundle":
            yield "", settings.get("path", "")


def _token(found: Findings, path: str, here: str, source: Object) -> None:
    least, most = _TOKEN_SECONDS
    seconds = source.get("expirationSeconds", 3600)
    if seconds < least:
        why = "may not specify a duration less than 10 minutes"
        found.invalid(f"{here}.expirationSeconds", seconds, why)
    if seconds > most:
        why = "may not specify a duration larger than 2^32 seconds"
        found.invalid(f"{here}.expirationSeconds", seconds, why)
    if target := source.get("path"):
        check_file(found, f"{path}.path", target)
    else:
        found.required(f"{path}.path")


def _trust_bundle(found: Findings, path: str, source: Object) -> None:
    if "name" in source and "signerName" in source:
        shown = {
            "Name": source["name"], "SignerName": source["signerName"],
            "LabelSelector": source.get("labelSelector"), "Optional": source.get("optional"),
            "Path": source.get("path", ""),
        }  # fmt: skip
        found.invalid(path, shown, "only one of name and signerName may be used")
    elif "name" in source:
        if not source["name"]:
            found.required(f"{path}.name", "must be a valid object name")
        faults = names.subdomain_faults(source["name"].replace(":", "."))
        found.faults(
            f"{path}.name", source["name"], (f"not a valid clustertrustbundlename: {f}" for f in faults)
        )
        if "labelSelector" in source:
            why = "labelSelector must be unset if name is specified"
            found.invalid(f"{path}.labelSelector", source["labelSelector"], why)
    elif "signerName" in source:
        if not source["signerName"]:
            found.required(f"{path}.signerName", "must be a valid signer name")
        found.extend(validate_label_selector(source.get("labelSelector") or {}, f"{path}.labelSelector"))
    else:
        found.required(path, "either name or signerName must be specified")
    if not source.get("path"):
        found.required(f"{path}.path")
    check_file(found, f"{path}.path", source.get("path", ""))
