"""Where the values of variables and files come from: fields, resources, ConfigMaps and Secrets."""

import re
from collections.abc import Iterable
from typing import Any

from labs.kubelet.pod.findings import Findings
from labs.kubelet.pod.validation_pod import check_key

VALUE_SOURCES = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")
CONFIG_KEY_TEXT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
    f"'KEY_NAME',  or 'key-name', regex used for validation is '{CONFIG_KEY.pattern}')"
)
KEYED_FIELD = re.compile(r"metadata\.(?:labels|annotations)\['(.*)'\]")
ENV_FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
VOLUME_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.labels",
    "metadata.annotations",
    "metadata.uid",
)
KNOWN_FIELDS = frozenset(
    (*ENV_FIELDS, *VOLUME_FIELDS, "spec.restartPolicy", "spec.schedulerName", "status.phase")
)
#: What a field was called once.
OLD_FIELDS = {"spec.host": "spec.nodeName"}
RESOURCES = (
    "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage",
    "requests.memory",
)  # fmt: skip
HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")


def check_value_from(found: Findings, path: str, variable: dict[str, Any]) -> None:
    """Where a variable's value comes from."""
    if "valueFrom" not in variable:
        return
    source = variable["valueFrom"]
    if "fieldRef" in source:
        check_field_ref(found, f"{path}.fieldRef", source["fieldRef"], ENV_FIELDS)
    if "resourceFieldRef" in source:
        check_resource_ref(found, f"{path}.resourceFieldRef", source["resourceFieldRef"])
    for kind in ("configMapKeyRef", "secretKeyRef"):
        if kind in source:
            _key_ref(found, f"{path}.{kind}", source[kind])
    if not source:
        found.invalid(path, "", f"must specify one of: {VALUE_SOURCES}")
    elif variable.get("value"):
        found.invalid(path, "", "may not be specified when `value` is not empty")
    elif len(source) > 1:
        found.invalid(path, "", "may not have more than one field specified at a time")


def check_env_from(found: Findings, path: str, sources: list[dict[str, Any]]) -> None:
    """Whole ConfigMaps and Secrets as variables."""
    for i, source in enumerate(sources):
        given = [kind for kind in ("configMapRef", "secretRef") if kind in source]
        for kind in given:
            name = source[kind].get("name", "")
            if not name:
                found.required(f"{path}[{i}].{kind}.name")
            else:
                found.subdomain(f"{path}[{i}].{kind}.name", name)
        if not given:
            found.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(given) > 1:
            found.invalid(path, "", "may not have more than one field specified at a time")


def _key_ref(found: Findings, path: str, reference: dict[str, Any]) -> None:
    if not reference.get("name"):
        found.required(f"{path}.name")
    if not (key := reference.get("key")):
        found.required(f"{path}.key")
    elif not CONFIG_KEY.fullmatch(key):
        found.invalid(f"{path}.key", key, CONFIG_KEY_TEXT)


def check_field_ref(found: Findings, path: str, reference: dict[str, Any], supported: Iterable[str]) -> None:
    """A field of the pod, of those that are `supported` here."""
    field = reference.get("fieldPath", "")
    field = OLD_FIELDS.get(field, field)
    if keyed := KEYED_FIELD.fullmatch(field):
        check_key(found, path, keyed[1])
    elif not field:
        found.required(f"{path}.fieldPath")
    elif field not in KNOWN_FIELDS:
        why = f"error converting fieldPath: field label not supported: {field}"
        found.invalid(f"{path}.fieldPath", field, why)
    elif field not in supported:
        found.unsupported(f"{path}.fieldPath", field, sorted(supported))


def check_resource_ref(found: Findings, path: str, reference: dict[str, Any]) -> None:
    """A container\'s request or limit."""
    resource = reference.get("resource")
    if not resource:
        found.required(f"{path}.resource")
    elif resource not in RESOURCES and not resource.startswith(HUGE_PAGES):
        found.unsupported(f"{path}.resource", resource, sorted(RESOURCES))
