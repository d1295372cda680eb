"""Where the values of variables and files come from: fields, resources, ConfigMaps and Secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from labs.core import names
from labs.core.field import Findings
from labs.core.quantity import quantity_value
from labs.core.validation.paths import check_no_backsteps

Object = dict[str, Any]
VALUE_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_SUBSCRIPTED = re.compile(r"(.*)\['(.*)'\]")
_KEYED_FIELDS = ("metadata.annotations", "metadata.labels")
ENV_FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
VOLUME_FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.labels", "metadata.annotations", "metadata.uid",
)  # fmt: skip
_KNOWN_FIELDS = frozenset(
    (*ENV_FIELDS, *VOLUME_FIELDS, "spec.restartPolicy", "spec.schedulerName", "status.phase")
)
#: What a field was called once.
_OLD_FIELDS = {"spec.host": "spec.nodeName"}
RESOURCES = (
    "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage",
    "requests.memory",
)  # fmt: skip
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_CPU_DIVISORS = ("1m", "1")
_BYTE_DIVISORS = (
    "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei",
)  # fmt: skip


def check_environment(found: Findings, path: str, container: Object, volumes: Mapping[str, Object]) -> None:
    """A container's variables, and whole ConfigMaps and Secrets of them; `volumes` are those of its pod."""
    for index, variable in enumerate(container.get("env") or []):
        here = f"{path}.env[{index}]"
        if not variable.get("name"):
            found.required(f"{here}.name")
        else:
            found.faults(f"{here}.name", variable["name"], names.variable_faults(variable["name"]))
        if variable.get("valueFrom") is not None:
            _value_from(found, f"{here}.valueFrom", variable)
    for index, variable in enumerate(container.get("env") or []):
        if (source := (variable.get("valueFrom") or {}).get("fileKeyRef")) is not None:
            here = f"{path}.env[{index}].valueFrom.fileKeyRef.volumeName"
            _file_volume(found, here, source.get("volumeName", ""), volumes)
    for index, source in enumerate(container.get("envFrom") or []):
        _env_from(found, f"{path}.envFrom", index, source)


def _value_from(found: Findings, path: str, variable: Object) -> None:
    source = variable["valueFrom"]
    if "fieldRef" in source:
        check_field_ref(found, f"{path}.fieldRef", source["fieldRef"], ENV_FIELDS)
    if "resourceFieldRef" in source:
        check_resource_ref(found, f"{path}.resourceFieldRef", source["resourceFieldRef"])
    for kind in ("configMapKeyRef", "secretKeyRef"):
        if kind in source:
            _key_ref(found, f"{path}.{kind}", source[kind])
    if "fileKeyRef" in source:
        _file_ref(found, f"{path}.fileKeyRef", source["fileKeyRef"])
    if not source:
        listed = ", ".join(f"`{kind}`" for kind in VALUE_SOURCES[:-1])
        found.invalid(path, "", f"must specify one of: {listed} or `{VALUE_SOURCES[-1]}`")
    elif variable.get("value"):
        found.invalid(path, "", "may not be specified when `value` is not empty")
    elif len(source) > 1:
        found.invalid(path, "", "may not have more than one field specified at a time")


def _env_from(found: Findings, path: str, index: int, source: Object) -> None:
    if source.get("prefix"):
        found.faults(f"{path}[{index}].prefix", source["prefix"], names.variable_faults(source["prefix"]))
    given = [kind for kind in ("configMapRef", "secretRef") if kind in source]
    for kind in given:
        name, here = source[kind].get("name", ""), f"{path}[{index}].{kind}.name"
        if name:
            found.faults(here, name, names.subdomain_faults(names.beginning(name)))
        else:
            found.required(here)
    if not given:
        found.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
    elif len(given) > 1:
        found.invalid(path, "", "may not have more than one field specified at a time")


def _key_ref(found: Findings, path: str, reference: Object) -> None:
    found.subdomain(f"{path}.name", reference.get("name", ""))
    if key := reference.get("key"):
        found.faults(f"{path}.key", key, names.config_key_faults(key))
    else:
        found.required(f"{path}.key")


def _file_ref(found: Findings, path: str, reference: Object) -> None:
    """A key of a file that another container writes."""
    if key := reference.get("key"):
        found.faults(f"{path}.key", key, names.variable_faults(key))
    else:
        found.required(f"{path}.key")
    found.required_label(f"{path}.volumeName", reference.get("volumeName", ""))
    if target := reference.get("path"):
        check_no_backsteps(found, f"{path}.path", target)
    else:
        found.required(f"{path}.path")


def _file_volume(found: Findings, path: str, name: str, volumes: Mapping[str, Object]) -> None:
    if name not in volumes:
        found.not_found(path, name)
    elif "emptyDir" not in volumes[name]:
        found.invalid(path, name, "referenced volume must be of type emptyDir")


def check_field_ref(found: Findings, path: str, reference: Object, supported: Iterable[str]) -> None:
    """A field of the pod, of those that are `supported` here."""
    given: str = reference.get("fieldPath", "")
    if not given:
        found.required(f"{path}.fieldPath")
        return
    if (version := reference.get("apiVersion", "v1")) != "v1":
        why = f"error converting fieldPath: unsupported pod version: {version}"
        found.invalid(f"{path}.fieldPath", given, why)
        return
    field: str = _OLD_FIELDS.get(given, given)
    subscripted = _SUBSCRIPTED.fullmatch(field)
    if subscripted and subscripted[1] in _KEYED_FIELDS:
        key = subscripted[2]
        found.qualified_name(path, key.lower() if subscripted[1] == "metadata.annotations" else key)
    elif subscripted or field not in _KNOWN_FIELDS:
        why = "does not support subscript" if subscripted else "not supported"
        found.invalid(f"{path}.fieldPath", given, f"error converting fieldPath: field label {why}: {field}")
    elif field not in supported:
        found.not_supported(f"{path}.fieldPath", field, sorted(supported))


def check_resource_ref(found: Findings, path: str, reference: Object, *, container: bool = False) -> None:
    """A request or limit, of the container itself or of the one that must be named."""
    resource = reference.get("resource", "")
    if container and not reference.get("containerName"):
        found.required(f"{path}.containerName")
    elif not resource:
        found.required(f"{path}.resource")
    elif resource not in RESOURCES and not resource.startswith(_HUGE_PAGES):
        found.not_supported(f"{path}.resource", resource, sorted(RESOURCES))
    divisor = reference.get("divisor", "0")
    if quantity_value(divisor) == 0:
        return
    divisors, what = _divisors(resource)
    if divisors and divisor not in divisors:
        listed = " and ".join(divisors) if divisors is _CPU_DIVISORS else ", ".join(divisors)
        detail = f"only divisor's values {listed} are supported with the {what} resource"
        found.invalid(f"{path}.divisor", resource, detail)


def _divisors(resource: str) -> tuple[tuple[str, ...], str]:
    match resource.partition(".")[2]:
        case "cpu":
            return _CPU_DIVISORS, "cpu"
        case "memory":
            return _BYTE_DIVISORS, "memory"
        case "ephemeral-storage":
            return _BYTE_DIVISORS, "local ephemeral storage"
    return (_BYTE_DIVISORS, "hugepages") if resource.startswith(_HUGE_PAGES) else ((), "")
