"""What the files of a volume are that the API fills (`pkg/volume/{configmap,secret,projected}`)."""

from collections.abc import Mapping
from typing import Any

from labs.kubelet.api_objects import (
    CONFIG_MAP,
    SECRET,
    ObjectError,
    Objects,
    Reference,
    TokenReference,
    secret_name,
)
from labs.kubelet.downward import downward_files
from labs.kubelet.payload import File
from labs.kubelet.pod.model import Pod, Volume

DEFAULT_MODE = 0o644
#: Of a token's file where not only root is to read it: its group is the pod's.
TOKEN_MODE = 0o600
NO_KEY = {
    CONFIG_MAP: "configmap references non-existent config key: {}",
    SECRET: "references non-existent secret key: {}",
}

Files = dict[str, File]


def files_of(pod: Pod, volume: Volume, objects: Objects, allocatable: Mapping[str, str]) -> Files:
    """By their paths in the volume. Raises ObjectError."""
    mode = volume.source.get("defaultMode", DEFAULT_MODE)
    if volume.kind == "projected":
        return _projected(pod, volume.source, mode, objects, allocatable)
    return _of_source(pod, {volume.kind: volume.source}, mode, objects, allocatable)


def _projected(
    pod: Pod, source: Mapping[str, Any], mode: int, objects: Objects, allocatable: Mapping[str, str]
) -> Files:
    """All sources over one another; what fails is told together (`utilerrors.NewAggregate`)."""
    files: Files = {}
    failures: list[str] = []
    for part in source.get("sources", ()):
        try:
            files |= _of_source(pod, part, mode, objects, allocatable)
        except ObjectError as error:
            failures.append(str(error))
    if failures:
        told = list(dict.fromkeys(failures))
        raise ObjectError(told[0] if len(told) == 1 else f"[{', '.join(told)}]")
    return files


def _of_source(
    pod: Pod, source: Mapping[str, Any], mode: int, objects: Objects, allocatable: Mapping[str, str]
) -> Files:
    if "configMap" in source:
        part = source["configMap"]
        return _selected(Reference(CONFIG_MAP, part.get("name", "")), part, mode, objects)
    if "secret" in source:
        part = source["secret"]
        return _selected(Reference(SECRET, secret_name(part)), part, mode, objects)
    if "serviceAccountToken" in source:
        part = source["serviceAccountToken"]
        owned = "fsGroup" in pod.security or "runAsUser" in pod.security
        token = objects.token(TokenReference.of(part))
        return {part["path"]: File(token.encode(), TOKEN_MODE if owned else mode)}
    if "downwardAPI" in source:
        return downward_files(pod, source["downwardAPI"].get("items", ()), mode, allocatable)
    raise ObjectError(f"unsupported projection {next(iter(source), '')}")


def _selected(reference: Reference, source: Mapping[str, Any], mode: int, objects: Objects) -> Files:
    """Every key, or those that `items` names, at the paths that it names."""
    optional = source.get("optional", False)
    values = objects.content(reference, optional)
    if "items" not in source:
        return {key: File(value, mode) for key, value in values.items()}
    files: Files = {}
    for item in source["items"]:
        if item["key"] in values:
            files[item["path"]] = File(values[item["key"]], item.get("mode", mode))
        elif not optional:
            raise ObjectError(NO_KEY[reference.kind].format(item["key"]))
    return files
