"""The API's validation of a Pod, as far as static pods meet it (`pkg/apis/core/validation/validation.go`).

Each check appends `field: Problem[: value][: detail]` in upstream's order and wording; `validate` raises
InvalidPodError with all of them.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from labs.kubelet.pod.errors import InvalidPodError
from labs.kubelet.pod.quantity import quantity_value

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
    "and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
    "must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
KEY_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and "
    "must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
    "validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
HEADER = re.compile(r"[-A-Za-z0-9]+")
HEADER_TEXT = (
    "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used "
    "for validation is '[-A-Za-z0-9]+')"
)
VALUE_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef")
KEYED_FIELD = re.compile(r"metadata\.(labels|annotations)\['.+'\]")
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
KNOWN_FIELDS = frozenset((*ENV_FIELDS, *VOLUME_FIELDS))
RESOURCES = (
    "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage",
    "requests.memory",
)  # fmt: skip
SYSCTL = re.compile(r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?")
HUGE_PAGES = re.compile(r"(limits|requests)\.hugepages-.+")
HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")


class _Findings(list[str]):
    """What is wrong so far."""

    def required(self, path: str, detail: str = "") -> None:
        self.append(f"{path}: Required value" + (f": {detail}" if detail else ""))

    def invalid(self, path: str, value: object, detail: str) -> None:
        self.append(f"{path}: Invalid value: {json.dumps(value, ensure_ascii=False)}: {detail}")

    def unsupported(self, path: str, value: str, supported: Iterable[str]) -> None:
        names = ", ".join(json.dumps(s) for s in supported)
        self.append(f"{path}: Unsupported value: {json.dumps(value)}: supported values: {names}")

    def forbidden(self, path: str, detail: str) -> None:
        self.append(f"{path}: Forbidden: {detail}")

    def duplicate(self, path: str, value: str) -> None:
        self.append(f"{path}: Duplicate value: {json.dumps(value)}")

    def label(self, path: str, value: str) -> None:
        """A required DNS label."""
        if not value:
            self.required(path)
        elif len(value) > 63:
            self.invalid(path, value, "must be no more than 63 characters")
        elif not DNS_LABEL.fullmatch(value):
            self.invalid(path, value, LABEL_TEXT)

    def between(self, path: str, value: int, low: int, high: int) -> None:
        if not low <= value <= high:
            self.invalid(path, value, f"must be between {low} and {high}, inclusive")

    def not_negative(self, path: str, value: int) -> None:
        if value < 0:
            self.invalid(path, value, "must be greater than or equal to 0")


def _metadata(found: _Findings, metadata: dict[str, Any]) -> None:
    if not SUBDOMAIN.fullmatch(metadata["name"]):
        found.invalid("metadata.name", metadata["name"], SUBDOMAIN_TEXT)
    elif len(metadata["name"]) > 253:
        found.invalid("metadata.name", metadata["name"], "must be no more than 253 bytes")
    found.label("metadata.namespace", metadata["namespace"])
    for key, value in metadata.get("labels", {}).items():
        name = key.rsplit("/", 1)[-1]
        if not QUALIFIED.fullmatch(name):
            found.invalid("metadata.labels", key, KEY_TEXT)
        if not LABEL_VALUE.fullmatch(value):
            found.invalid("metadata.labels", value, VALUE_TEXT)


def _volumes(found: _Findings, volumes: list[dict[str, Any]]) -> set[str]:
    names: set[str] = set()
    for i, volume in enumerate(volumes):
        path = f"spec.volumes[{i}]"
        name = volume.get("name", "")
        found.label(f"{path}.name", name)
        if name in names:
            found.duplicate(f"{path}.name", name)
        names.add(name)
        kinds = [k for k in volume if k != "name"]
        for kind in kinds[1:]:
            found.forbidden(f"{path}.{kind}", "may not specify more than 1 volume type")
        if kinds and kinds[0] == "hostPath":
            _host_path(found, f"{path}.hostPath", volume["hostPath"])
        if kinds and kinds[0] == "downwardAPI":
            _downward_items(found, f"{path}.downwardAPI.items", volume["downwardAPI"].get("items", []))
        if kinds and kinds[0] == "projected":
            for j, source in enumerate(volume["projected"].get("sources", [])):
                items = source.get("downwardAPI", {}).get("items", [])
                _downward_items(found, f"{path}.projected.sources[{j}].downwardAPI.items", items)
            for j, source in enumerate(volume["projected"].get("sources", [])):
                if "serviceAccountToken" in source:
                    found.forbidden(
                        f"{path}.projected.sources[{j}].serviceAccountToken",
                        "must not be specified when serviceAccountName is not set",
                    )
    return names


def _host_path(found: _Findings, path: str, source: dict[str, Any]) -> None:
    if not source.get("path"):
        found.required(f"{path}.path")
    elif ".." in source["path"].split("/"):
        found.invalid(f"{path}.path", source["path"], "must not contain '..'")
    if source.get("type", "") not in HOST_PATH_TYPES:
        found.unsupported(f"{path}.type", source["type"], HOST_PATH_TYPES)


def _port(found: _Findings, path: str, port: dict[str, Any], host_network: bool) -> None:
    number = port.get("containerPort", 0)
    if not number:
        found.required(f"{path}.containerPort")
    else:
        found.between(f"{path}.containerPort", number, 1, 65535)
    if port.get("hostPort"):
        found.between(f"{path}.hostPort", port["hostPort"], 1, 65535)
        if host_network and port["hostPort"] != number:
            found.invalid(
                f"{path}.hostPort", port["hostPort"], "must match `containerPort` when `hostNetwork` is true"
            )
    if port["protocol"] not in ("SCTP", "TCP", "UDP"):
        found.unsupported(f"{path}.protocol", port["protocol"], ("SCTP", "TCP", "UDP"))


def _probe(found: _Findings, path: str, kind: str, probe: dict[str, Any]) -> None:
    handlers = [h for h in HANDLERS if h in probe]
    if not handlers:
        found.required(path, "must specify a handler type")
    for handler in handlers[1:]:
        found.forbidden(f"{path}.{handler}", "may not specify more than 1 handler type")
    if "exec" in probe and not probe["exec"].get("command"):
        found.required(f"{path}.exec.command")
    for handler in ("httpGet", "tcpSocket"):
        port = probe.get(handler, {}).get("port")
        if handler in probe and isinstance(port, int | None):
            found.between(f"{path}.{handler}.port", port or 0, 1, 65535)
    for header in probe.get("httpGet", {}).get("httpHeaders", []):
        if not HEADER.fullmatch(header.get("name", "")):
            found.invalid(f"{path}.httpGet.httpHeaders", header.get("name", ""), HEADER_TEXT)
    for field in (
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ):
        found.not_negative(f"{path}.{field}", probe.get(field, 0))
    if kind != "readinessProbe" and probe["successThreshold"] != 1:
        found.invalid(f"{path}.successThreshold", probe["successThreshold"], "must be 1")


_SECURITY_FIELDS = (
    "capabilities", "privileged", "seLinuxOptions", "windowsOptions", "runAsUser", "runAsGroup",
    "runAsNonRoot", "readOnlyRootFilesystem", "allowPrivilegeEscalation", "procMount", "seccompProfile",
    "appArmorProfile",
)  # fmt: skip


def _value_from(found: _Findings, path: str, variable: dict[str, Any]) -> None:
    """Where a variable's value comes from."""
    if "valueFrom" not in variable:
        return
    source = variable["valueFrom"]
    if not source:
        found.invalid(path, "", f"must specify one of: {', '.join(f'`{kind}`' for kind in VALUE_SOURCES)}")
    elif variable.get("value"):
        found.invalid(path, "", "may not be specified when `value` is not empty")
    elif len(source) > 1:
        found.invalid(path, "", "may not have more than one field specified at a time")
    if "fieldRef" in source:
        _field_ref(found, f"{path}.fieldRef", source["fieldRef"], ENV_FIELDS)
    if "resourceFieldRef" in source:
        _resource_ref(found, f"{path}.resourceFieldRef", source["resourceFieldRef"])


def _field_ref(found: _Findings, path: str, reference: dict[str, Any], supported: Iterable[str]) -> None:
    field = reference.get("fieldPath", "")
    keyed = KEYED_FIELD.fullmatch(field)
    if not field:
        found.required(f"{path}.fieldPath")
    elif not keyed and field not in KNOWN_FIELDS:
        why = f"error converting fieldPath: field label not supported: {field}"
        found.invalid(f"{path}.fieldPath", field, why)
    elif not keyed and field not in supported:
        found.unsupported(f"{path}.fieldPath", field, sorted(supported))


def _resource_ref(found: _Findings, path: str, reference: dict[str, Any]) -> None:
    resource = reference.get("resource", "")
    if not resource:
        found.required(f"{path}.resource")
    elif resource not in RESOURCES and not HUGE_PAGES.fullmatch(resource):
        found.unsupported(f"{path}.resource", resource, sorted(RESOURCES))


def _downward_items(found: _Findings, path: str, items: list[dict[str, Any]]) -> None:
    for i, item in enumerate(items):
        where = f"{path}[{i}]"
        target = item.get("path", "")
        if not target:
            found.required(f"{where}.path")
        elif target.startswith("/"):
            found.invalid(f"{where}.path", target, "must be a relative path")
        elif ".." in target.split("/"):
            found.invalid(f"{where}.path", target, "must not contain '..'")
        elif target.startswith(".."):
            found.invalid(f"{where}.path", target, "must not start with '..'")
        if "fieldRef" in item:
            _field_ref(found, f"{where}.fieldRef", item["fieldRef"], VOLUME_FIELDS)
            if "resourceFieldRef" in item:
                found.invalid(
                    where, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"
                )
        elif "resourceFieldRef" in item:
            if not item["resourceFieldRef"].get("containerName"):
                found.required(f"{where}.resourceFieldRef.containerName")
            _resource_ref(found, f"{where}.resourceFieldRef", item["resourceFieldRef"])
        else:
            found.required(where, "one of fieldRef and resourceFieldRef is required")


def _profiles(found: _Findings, path: str, security: dict[str, Any]) -> None:
    """seccompProfile and appArmorProfile."""
    for field, word in (("seccompProfile", "seccomp"), ("appArmorProfile", "AppArmor")):
        profile = security.get(field)
        if profile is None:
            continue
        kind, local = profile.get("type", ""), profile.get("localhostProfile")
        where = f"{path}.{field}"
        if not kind:
            found.required(
                f"{where}.type", "type is required when seccompProfile is set" if word == "seccomp" else ""
            )
        elif kind not in PROFILES:
            found.unsupported(f"{where}.type", kind, PROFILES)
        elif kind == "Localhost" and not local:
            found.required(f"{where}.localhostProfile", f"must be set when {word} type is Localhost")
        elif kind != "Localhost" and local is not None:
            found.invalid(
                f"{where}.localhostProfile", local, f"can only be set when {word} type is Localhost"
            )


def _sysctls(found: _Findings, settings: list[dict[str, Any]]) -> None:
    names: set[str] = set()
    for i, setting in enumerate(settings):
        path, name = f"spec.securityContext.sysctls[{i}].name", setting.get("name", "")
        if not name:
            found.required(path)
        elif len(name) > 253 or not SYSCTL.fullmatch(name):
            why = f"must have at most 253 characters and match regex ^{SYSCTL.pattern}$"
            found.invalid(path, name, why)
        elif name.replace("/", ".") in names:
            found.duplicate(path, name)
        names.add(name.replace("/", "."))


def _security(found: _Findings, path: str, security: dict[str, Any]) -> None:
    _profiles(found, path, security)
    if security.get("privileged") and security.get("allowPrivilegeEscalation") is False:
        shown = {
            "SELinuxOptions" if f == "seLinuxOptions" else f[0].upper() + f[1:]: security.get(f)
            for f in _SECURITY_FIELDS
        }
        value = json.dumps(shown, separators=(",", ":"))
        detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        found.append(f"{path}: Invalid value: {value}: {detail}")


def _resources(found: _Findings, path: str, resources: dict[str, Any]) -> None:
    limits = resources.get("limits", {})
    for name, request in resources.get("requests", {}).items():
        if name in limits and quantity_value(request) > quantity_value(limits[name]):
            found.invalid(
                f"{path}.requests", request, f"must be less than or equal to {name} limit of {limits[name]}"
            )


def _container(
    found: _Findings, path: str, c: dict[str, Any], volumes: set[str], spec: dict[str, Any], init: bool
) -> None:
    found.label(f"{path}.name", c.get("name", ""))
    image = c.get("image", "")
    if not image:
        found.required(f"{path}.image")
    elif image != image.strip():
        found.invalid(f"{path}.image", image, "must not have leading or trailing whitespace")
    if c["terminationMessagePolicy"] not in ("File", "FallbackToLogsOnError"):
        policies = ("FallbackToLogsOnError", "File")
        found.unsupported(f"{path}.terminationMessagePolicy", c["terminationMessagePolicy"], policies)
    for i, port in enumerate(c.get("ports", [])):
        _port(found, f"{path}.ports[{i}]", port, bool(spec.get("hostNetwork")))
    for i, variable in enumerate(c.get("env", [])):
        if not variable.get("name"):
            found.required(f"{path}.env[{i}].name")
        _value_from(found, f"{path}.env[{i}].valueFrom", variable)
    mounted: set[str] = set()
    for i, mount in enumerate(c.get("volumeMounts", [])):
        if not mount.get("name"):
            found.required(f"{path}.volumeMounts[{i}].name")
        elif mount["name"] not in volumes:
            found.append(f"{path}.volumeMounts[{i}].name: Not found: {json.dumps(mount['name'])}")
        if not mount.get("mountPath"):
            found.required(f"{path}.volumeMounts[{i}].mountPath")
        elif mount["mountPath"] in mounted:
            found.invalid(f"{path}.volumeMounts[{i}].mountPath", mount["mountPath"], "must be unique")
        mounted.add(mount.get("mountPath", ""))
    if c["imagePullPolicy"] not in ("Always", "IfNotPresent", "Never"):
        found.unsupported(
            f"{path}.imagePullPolicy", c["imagePullPolicy"], ("Always", "IfNotPresent", "Never")
        )
    _resources(found, f"{path}.resources", c["resources"])
    _security(found, f"{path}.securityContext", c.get("securityContext", {}))
    for kind in ("livenessProbe", "readinessProbe", "startupProbe"):
        if kind in c and init and c.get("restartPolicy") != "Always":
            found.forbidden(
                f"{path}.{kind}", "may not be set for init containers without restartPolicy=Always"
            )
        elif kind in c:
            _probe(found, f"{path}.{kind}", kind, c[kind])


def _containers(found: _Findings, spec: dict[str, Any], volumes: set[str]) -> None:
    if not spec.get("containers"):
        found.required("spec.containers")
    names: set[str] = set()
    for field in ("containers", "initContainers"):
        for i, container in enumerate(spec.get(field, [])):
            path = f"spec.{field}[{i}]"
            _container(found, path, container, volumes, spec, field == "initContainers")
            name = container.get("name", "")
            if name and name in names:
                found.duplicate(f"{path}.name", name)
            names.add(name)
    if spec.get("ephemeralContainers"):
        found.forbidden("spec.ephemeralContainers", "cannot be set on create")


def validate(pod: dict[str, Any]) -> None:
    """Raise InvalidPodError when the API would refuse this (decoded, defaulted, named) Pod."""
    found = _Findings()
    spec = pod["spec"]
    _metadata(found, pod["metadata"])
    volumes = _volumes(found, spec.get("volumes", []))
    _containers(found, spec, volumes)
    if spec["restartPolicy"] not in ("Always", "OnFailure", "Never"):
        found.unsupported("spec.restartPolicy", spec["restartPolicy"], ("Always", "OnFailure", "Never"))
    if spec["dnsPolicy"] not in DNS_POLICIES:
        found.unsupported("spec.dnsPolicy", spec["dnsPolicy"], DNS_POLICIES)
    if spec.get("activeDeadlineSeconds") is not None:
        found.between("spec.activeDeadlineSeconds", spec["activeDeadlineSeconds"], 1, 2147483647)
    _profiles(found, "spec.securityContext", spec["securityContext"])
    _sysctls(found, spec["securityContext"].get("sysctls", []))
    if spec.get("hostNetwork") and spec.get("hostUsers") is False:
        found.forbidden("spec.hostNetwork", "when `hostUsers` is false")
    if found:
        raise InvalidPodError(*found)
