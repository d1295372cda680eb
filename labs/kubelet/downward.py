"""What a pod may know of itself: variables and downwardAPI files (`kubelet_pods.go`, `fieldpath`)."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from labs.core.quantity import milli, quantity_value
from labs.kubelet.api_objects import CONFIG_MAP, NONE, SECRET, ObjectError, Objects, Reference
from labs.kubelet.payload import File
from labs.kubelet.pod.model import Container, Pod

_KEYED = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")
_REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))")
#: The resources whose limit is the node's where none is set (`resource.MergeContainerResourceLimits`).
_CEILED = ("cpu", "memory", "ephemeral-storage")


def _escaped(values: Mapping[str, str]) -> str:
    return "\n".join(f'{k}="{v}"' for k, v in sorted(values.items()))


def field_value(pod: Pod, path: str, runtime: Mapping[str, str]) -> str:
    """The value of `metadata.name` and its like; `runtime` has what only the running pod knows."""
    keyed = _KEYED.fullmatch(path)
    if keyed:
        return (pod.labels if keyed[1] == "labels" else pod.annotations).get(keyed[2], "")
    spec = pod.object["spec"]
    values: dict[str, str] = {
        "metadata.name": pod.name,
        "metadata.namespace": pod.namespace,
        "metadata.uid": pod.uid,
        "metadata.labels": _escaped(pod.labels),
        "metadata.annotations": _escaped(pod.annotations),
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.host": spec.get("nodeName", ""),  # its old name
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        **runtime,
    }
    return values.get(path, "")


def resource_value(container: Container, reference: Mapping[str, Any], most: Mapping[str, str]) -> str:
    """`limits.cpu` and its like, divided and rounded up; `most` stands for limits that are not set."""
    kind, _, name = str(reference["resource"]).partition(".")
    amount = container.resources.get(kind, {}).get(name, "0")
    if kind == "limits" and name in _CEILED and not quantity_value(amount):
        amount = most.get(name, "0")
    divisor = reference["divisor"]
    if divisor == "0":
        divisor = "1"
    if name == "cpu":
        return str(-(-milli(amount) // milli(divisor)))
    return str(-(-int(quantity_value(amount)) // int(quantity_value(divisor))))


def downward_files(
    pod: Pod, items: Iterable[Mapping[str, Any]], mode: int, allocatable: Mapping[str, str]
) -> dict[str, File]:
    """The files of a downwardAPI volume; `mode` is that of files that have none of their own."""
    files: dict[str, File] = {}
    for item in items:
        own = item.get("mode", mode)
        if "fieldRef" in item:
            text = field_value(pod, item["fieldRef"]["fieldPath"], {})
            files[item["path"]] = File(text.encode(), own)
        elif container := pod.container(item["resourceFieldRef"]["containerName"]):
            text = resource_value(container, item["resourceFieldRef"], allocatable)
            files[item["path"]] = File(text.encode(), own)
    return files


def expand(text: str, values: Mapping[str, str]) -> str:
    """`$(NAME)` replaced where NAME is known, `$$` by `$` (`third_party/forked/golang/expansion`)."""

    def one(found: re.Match[str]) -> str:
        if found[1] == "$":
            return "$"
        return values.get(found[2], found[0])

    return _REFERENCE.sub(one, text)


def references(text: str) -> set[str]:
    """The variables that `expand` would put in."""
    return {found[2] for found in _REFERENCE.finditer(text) if found[2]}


#: How the API calls what variables are taken from: as a whole, one key of it, and in messages.
_ORIGINS = (
    (CONFIG_MAP, "configMapRef", "configMapKeyRef", "ConfigMap"),
    (SECRET, "secretRef", "secretKeyRef", "Secret"),
)


def _all_of(container: Container, objects: Objects) -> dict[str, str]:
    """`envFrom`: a variable for each key; later ones win."""
    values: dict[str, str] = {}
    for source in container.env_from:
        for kind, whole, _, _ in _ORIGINS:
            if whole in source:
                reference = Reference(kind, source[whole].get("name", ""))
                content = objects.content(reference, bool(source[whole].get("optional")))
                prefix = source.get("prefix", "")
                values |= {f"{prefix}{key}": _text(value) for key, value in content.items()}
    return values


def _one_of(pod: Pod, source: Mapping[str, Any], objects: Objects) -> str | None:
    """The value of a `configMapKeyRef` or `secretKeyRef`; None when it is optional and missing."""
    for kind, _, one, called in _ORIGINS:
        if one in source:
            selector = source[one]
            optional, key = bool(selector.get("optional")), selector["key"]
            content = objects.content(Reference(kind, selector.get("name", "")), optional)
            if key in content:
                return _text(content[key])
            if optional:
                return None
            where = f"{called} {pod.namespace}/{selector.get('name', '')}"
            raise ObjectError(f"couldn't find key {key} in {where}")
    return ""


def _text(value: bytes) -> str:
    return value.decode(errors="replace")


def environment(
    pod: Pod,
    container: Container,
    runtime: Mapping[str, str],
    services: Mapping[str, str],
    objects: Objects = NONE,
    allocatable: Mapping[str, str] = {},
) -> dict[str, str]:
    """A container's variables, in the manifest's order, references expanded; then those of services.

    Raises ObjectError.
    """
    values = _all_of(container, objects)
    for variable in container.env:
        source = variable.get("valueFrom", {})
        if any(one in source for _, _, one, _ in _ORIGINS):
            found = _one_of(pod, source, objects)
            if found is None:
                continue
            value = found
        elif "fieldRef" in source:
            value = field_value(pod, source["fieldRef"]["fieldPath"], runtime)
        elif "resourceFieldRef" in source:
            owner = pod.container(source["resourceFieldRef"].get("containerName", "")) or container
            limits = pod.object["spec"].get("resources", {}).get("limits", {})  # files are not told of these
            value = resource_value(owner, source["resourceFieldRef"], {**allocatable, **limits})
        else:
            value = expand(variable.get("value", ""), {**services, **values})
        values[variable["name"]] = value
    return {**values, **{name: value for name, value in services.items() if name not in values}}
