"""The API's validation of a Pod, as far as static pods meet it (`pkg/apis/core/validation/validation.go`).

Each check appends `field: Problem[: value][: detail]` in upstream's order and wording; `validate` raises
InvalidPodError with all of them.
"""

import json
import math
import re
from collections.abc import Iterable
from typing import Any

from labs.kubelet.pod.errors import InvalidPodError
from labs.kubelet.pod.findings import Findings
from labs.kubelet.pod.quantity import quantity_value
from labs.kubelet.pod.validation_pod import (
    check_ids,
    check_key,
    check_local_path,
    check_metadata,
    check_pod,
    check_profiles,
)
from labs.kubelet.pod.validation_sources import check_env_from, check_value_from
from labs.kubelet.pod.validation_volumes import check_volumes

HEADER = re.compile(r"[-A-Za-z0-9]+")
HEADER_TEXT = (
    "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used "
    "for validation is '[-A-Za-z0-9]+')"
)
ENV_NAME_TEXT = (
    "a valid environment variable name must consist only of printable ASCII characters other than '='"
)
PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
ONLY_SIDECARS = "may not be set for init containers without restartPolicy=Always"
CONTAINER_RESOURCES = ("cpu", "memory", "ephemeral-storage")
RESTART_POLICIES = ("Always", "Never", "OnFailure")
RULE_ACTIONS = ("Restart", "RestartAllContainers")
RESIZE_POLICIES = ("NotRequired", "RestartContainer")
#: Amounts that quotas know and containers have not.
QUOTA_RESOURCES = (
    "configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers", "resourcequotas", "secrets",
    "services", "storage",
)  # fmt: skip
MAX_INT64 = 2**63 - 1
HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")


def _port_name_faults(name: str) -> Iterable[str]:
    if len(name) > 15:
        yield "must be no more than 15 characters"
    if not re.fullmatch(r"[-a-z0-9]+", name):
        yield "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
    if not re.search(r"[a-z]", name):
        yield "must contain at least one letter (a-z)"
    if "--" in name:
        yield "must not contain consecutive hyphens"
    if name.startswith("-") or name.endswith("-"):
        yield "must not begin or end with a hyphen"


def _port(found: Findings, path: str, port: dict[str, Any], host_network: bool) -> None:
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
    if name := port.get("name"):
        for why in _port_name_faults(name):
            found.invalid(f"{path}.name", name, why)
    if port["protocol"] not in ("SCTP", "TCP", "UDP"):
        found.unsupported(f"{path}.protocol", port["protocol"], ("SCTP", "TCP", "UDP"))


def _handler(found: Findings, path: str, action: dict[str, Any], kinds: Iterable[str]) -> None:
    """What a probe or a hook does: exactly one thing."""
    handlers = [h for h in kinds if h in action]
    if not handlers:
        found.required(path, "must specify a handler type")
    for handler in handlers[1:]:
        found.forbidden(f"{path}.{handler}", "may not specify more than 1 handler type")
    if "exec" in action and not action["exec"].get("command"):
        found.required(f"{path}.exec.command")
    for handler in ("httpGet", "tcpSocket", "grpc"):
        port = action.get(handler, {}).get("port")
        if handler in action and isinstance(port, int | None):
            found.between(f"{path}.{handler}.port", port or 0, 1, 65535)
        elif handler in action:
            for why in _port_name_faults(str(port)):
                found.invalid(f"{path}.{handler}.port", port, why)
    if (scheme := action.get("httpGet", {}).get("scheme", "HTTP")) not in ("HTTP", "HTTPS"):
        found.unsupported(f"{path}.httpGet.scheme", scheme, ("HTTP", "HTTPS"))
    for header in action.get("httpGet", {}).get("httpHeaders", []):
        if not HEADER.fullmatch(header.get("name", "")):
            found.invalid(f"{path}.httpGet.httpHeaders", header.get("name", ""), HEADER_TEXT)


def _lifecycle(found: Findings, path: str, hooks: dict[str, Any], spec: dict[str, Any]) -> None:
    grace = spec["terminationGracePeriodSeconds"]
    for kind in ("postStart", "preStop"):
        if kind not in hooks:
            continue
        _handler(found, f"{path}.{kind}", hooks[kind], ("exec", "httpGet", "tcpSocket", "sleep"))
        seconds = hooks[kind].get("sleep", {}).get("seconds", 0)
        if not 0 <= seconds <= grace:
            why = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
            found.invalid(f"{path}.{kind}.sleep", seconds, why)
    if "stopSignal" in hooks and not spec.get("os", {}).get("name"):
        why = "may not be set for containers with empty `spec.os.name`"
        found.forbidden(f"{path}.stopSignal", why)


def _probe(found: Findings, path: str, kind: str, probe: dict[str, Any]) -> None:
    _handler(found, path, probe, HANDLERS)
    for field in (
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ):
        if field in probe:
            found.not_negative(f"{path}.{field}", probe[field])
    grace, field = probe.get("terminationGracePeriodSeconds"), f"{path}.terminationGracePeriodSeconds"
    if grace is not None and grace <= 0:
        found.invalid(field, grace, "must be greater than 0")
    if grace is not None and kind == "readinessProbe":
        found.invalid(field, grace, "must not be set for readinessProbes")
    if kind != "readinessProbe" and probe["successThreshold"] != 1:
        found.invalid(f"{path}.successThreshold", probe["successThreshold"], "must be 1")


PROC_MOUNTS = ("Default", "Unmasked")
_SECURITY_FIELDS = (
    "capabilities", "privileged", "seLinuxOptions", "windowsOptions", "runAsUser", "runAsGroup",
    "runAsNonRoot", "readOnlyRootFilesystem", "allowPrivilegeEscalation", "procMount", "seccompProfile",
    "appArmorProfile",
)  # fmt: skip


def _sub_path(found: Findings, path: str, index: int, mount: dict[str, Any]) -> None:
    inside, expression = mount.get("subPath", ""), mount.get("subPathExpr", "")
    check_local_path(found, f"{path}.volumeMounts.subPath", inside)
    if inside and expression:
        why = "subPathExpr and subPath are mutually exclusive"
        found.invalid(f"{path}.volumeMounts[{index}].subPathExpr", expression, why)
    check_local_path(found, f"{path}.volumeMounts.subPathExpr", expression)


def _recursive_read_only(found: Findings, path: str, mount: dict[str, Any]) -> None:
    mode, choices = mount.get("recursiveReadOnly", "Disabled"), ("Disabled", "Enabled", "IfPossible")
    if mode not in choices:
        found.unsupported(path, mode, choices)
    elif mode != "Disabled" and not mount.get("readOnly"):
        found.forbidden(path, "may only be specified when readOnly is true")
    elif mode != "Disabled" and mount.get("mountPropagation", "None") != "None":
        found.forbidden(path, "may only be specified when mountPropagation is None or not specified")


def _security(found: Findings, path: str, security: dict[str, Any], spec: dict[str, Any]) -> None:
    check_ids(found, path, security, ("runAsUser", "runAsGroup"))
    check_profiles(found, path, security)
    if (mount := security.get("procMount")) not in (None, *PROC_MOUNTS):
        found.unsupported(f"{path}.procMount", mount, PROC_MOUNTS)
    elif mount == "Unmasked" and spec.get("hostUsers") is not False:
        found.invalid(f"{path}.procMount", mount, "`hostUsers` must be false to use `Unmasked`")
    if security.get("privileged") and security.get("allowPrivilegeEscalation") is False:
        shown = {
            "SELinuxOptions" if f == "seLinuxOptions" else f[0].upper() + f[1:]: security.get(f)
            for f in _SECURITY_FIELDS
        }
        value = json.dumps(shown, separators=(",", ":"))
        detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        found.append(f"{path}: Invalid value: {value}: {detail}")


def _resize_policy(found: Findings, path: str, policies: list[dict[str, Any]]) -> None:
    seen: set[str] = set()
    for i, policy in enumerate(policies):
        name, restart = policy.get("resourceName", ""), policy.get("restartPolicy", "")
        if name in seen:
            found.duplicate(f"{path}[{i}]", name)
        seen.add(name)
        if name not in ("cpu", "memory"):
            found.unsupported(path, name, ("cpu", "memory"))
        if not restart:
            found.required(path)
        elif restart not in RESIZE_POLICIES:
            found.unsupported(path, restart, RESIZE_POLICIES)


def _resources(found: Findings, path: str, resources: dict[str, Any], spec: dict[str, Any]) -> None:
    limits = resources.get("limits", {})
    for name, amount in limits.items():
        _resource(found, f"{path}.limits[{name}]", name, amount)
    for name, request in resources.get("requests", {}).items():
        _resource(found, f"{path}.requests[{name}]", name, request)
        if name in limits and quantity_value(request) > quantity_value(limits[name]):
            found.invalid(
                f"{path}.requests", request, f"must be less than or equal to {name} limit of {limits[name]}"
            )
        elif name not in limits and ("/" in name or name.startswith("hugepages-")):
            why = "Limit must be set for non overcommitable resources"
            found.required(f"{path}.limits", why)
    for i, claim in enumerate(resources.get("claims", [])):
        if not spec.get("resourceClaims"):
            why = "must be one of the names in pod.spec.resourceClaims which is empty"
            found.not_found(f"{path}.claims[{i}]", claim.get("name", ""), why)
    named = {*limits, *resources.get("requests", {})}
    if any(name.startswith("hugepages-") for name in named) and named.isdisjoint(("cpu", "memory")):
        found.forbidden(path, "HugePages require cpu or memory")


def _resource(found: Findings, path: str, name: str, amount: str) -> None:
    huge = name.startswith("hugepages-")
    if "/" not in name and name not in CONTAINER_RESOURCES and not huge:
        if name not in QUOTA_RESOURCES:
            found.invalid(path, name, "must be a standard resource type or fully qualified")
        found.invalid(path, name, "must be a standard resource for containers")
    elif quantity_value(amount) < 0:
        found.invalid(path, amount, "must be greater than or equal to 0")
    elif "/" in name and _whole(amount, 1000) % 1000:
        found.invalid(path, amount, "must be an integer")
    elif huge and (size := _whole(name.removeprefix("hugepages-"))) and _whole(amount) % size:
        found.invalid(path, amount, f"{amount} is not positive integer multiple of {name}")


def _whole(amount: str, scale: int = 1) -> int:
    """An amount in Go's int64, `scale` times: what is more is the most that it holds."""
    value = quantity_value(amount)
    return MAX_INT64 if value.adjusted() > 18 else min(math.ceil(value * scale), MAX_INT64)


def _container(
    found: Findings, path: str, c: dict[str, Any], volumes: set[str], spec: dict[str, Any]
) -> None:
    """What all containers have in common."""
    found.label(f"{path}.name", c.get("name", ""))
    image = c.get("image", "")
    if not image:
        found.required(f"{path}.image")
    elif image != image.strip():
        found.invalid(f"{path}.image", image, "must not have leading or trailing whitespace")
    if c["terminationMessagePolicy"] not in ("File", "FallbackToLogsOnError"):
        policies = ("File", "FallbackToLogsOnError")
        found.unsupported(f"{path}.terminationMessagePolicy", c["terminationMessagePolicy"], policies)
    names: set[str] = set()
    for i, port in enumerate(c.get("ports", [])):
        if (name := port.get("name")) and name in names:
            found.duplicate(f"{path}.ports[{i}].name", name)
        names.add(name)
        _port(found, f"{path}.ports[{i}]", port, bool(spec.get("hostNetwork")))
    for i, variable in enumerate(c.get("env", [])):
        if not variable.get("name"):
            found.required(f"{path}.env[{i}].name")
        elif not re.fullmatch(r"[ -<>-~]+", variable["name"]):
            found.invalid(f"{path}.env[{i}].name", variable["name"], ENV_NAME_TEXT)
        check_value_from(found, f"{path}.env[{i}].valueFrom", variable)
    check_env_from(found, f"{path}.envFrom", c.get("envFrom", []))
    mounted: set[str] = set()
    for i, mount in enumerate(c.get("volumeMounts", [])):
        where, name, target = f"{path}.volumeMounts[{i}]", mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            found.required(f"{where}.name")
        if name not in volumes:
            found.not_found(f"{where}.name", name)
        if not target:
            found.required(f"{where}.mountPath")
        if target in mounted:
            found.invalid(f"{where}.mountPath", target, "must be unique")
        mounted.add(target)
        _sub_path(found, path, i, mount)
        _recursive_read_only(found, f"{path}.volumeMounts.recursiveReadOnly", mount)
        propagation = mount.get("mountPropagation", "None")
        if propagation not in PROPAGATIONS:
            found.unsupported(f"{path}.volumeMounts.mountPropagation", propagation, PROPAGATIONS)
        elif propagation == "Bidirectional" and not c.get("securityContext", {}).get("privileged"):
            why = "Bidirectional mount propagation is available only to privileged containers"
            found.forbidden(f"{path}.volumeMounts.mountPropagation", why)
    for i, device in enumerate(c.get("volumeDevices", [])):
        name = device.get("name", "")
        if not name:
            found.required(f"{path}.volumeDevices[{i}].name")
        if name not in volumes:
            found.not_found(f"{path}.volumeDevices[{i}].name", name)
        if not device.get("devicePath"):
            found.required(f"{path}.volumeDevices[{i}].devicePath")
    if c["imagePullPolicy"] not in ("Always", "IfNotPresent", "Never"):
        found.unsupported(
            f"{path}.imagePullPolicy", c["imagePullPolicy"], ("Always", "IfNotPresent", "Never")
        )
    _resources(found, f"{path}.resources", c["resources"], spec)
    _resize_policy(found, f"{path}.resizePolicy", c.get("resizePolicy", []))
    _security(found, f"{path}.securityContext", c.get("securityContext", {}), spec)


def _life(found: Findings, path: str, c: dict[str, Any], spec: dict[str, Any], init: bool) -> None:
    """Hooks, restarts and probes, which ordinary init containers have not."""
    ordinary_init = init and c.get("restartPolicy") != "Always"
    if ordinary_init and "lifecycle" in c:
        found.forbidden(f"{path}.lifecycle", ONLY_SIDECARS)
    elif "lifecycle" in c:
        _lifecycle(found, f"{path}.lifecycle", c["lifecycle"], spec)
    if c.get("restartPolicyRules") and not c.get("restartPolicy"):
        found.required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used")
    elif (policy := c.get("restartPolicy")) not in (None, *RESTART_POLICIES):
        found.unsupported(f"{path}.restartPolicy", str(policy), RESTART_POLICIES)
    for i, rule in enumerate(c.get("restartPolicyRules", [])):
        if rule.get("action") not in RULE_ACTIONS:
            found.unsupported(f"{path}.restartPolicyRules[{i}].action", rule.get("action", ""), RULE_ACTIONS)
        if "exitCodes" not in rule:
            found.required(f"{path}.restartPolicyRules[{i}].exitCodes", "must be specified")
    for kind in ("livenessProbe", "readinessProbe", "startupProbe"):
        if kind in c and ordinary_init:
            found.forbidden(f"{path}.{kind}", ONLY_SIDECARS)
        elif kind in c:
            _probe(found, f"{path}.{kind}", kind, c[kind])


def _containers(found: Findings, spec: dict[str, Any], volumes: set[str]) -> None:
    if not spec.get("containers"):
        found.required("spec.containers")
    names: set[str] = set()
    for field in ("containers", "initContainers"):
        for i, container in enumerate(spec.get(field, [])):
            path = f"spec.{field}[{i}]"
            _container(found, path, container, volumes, spec)
            name = container.get("name", "")
            if name in names:
                found.duplicate(f"{path}.name", name)
            if name or field == "containers":
                names.add(name)
            _life(found, path, container, spec, field == "initContainers")
    taken: set[str] = set()
    for i, container in enumerate(spec.get("containers", [])):
        for j, port in enumerate(container.get("ports", [])):
            key = f"{port['protocol']}/{port.get('hostIP', '')}/{port.get('hostPort')}"
            if port.get("hostPort") and key in taken:
                found.duplicate(f"spec.containers[{i}].ports[{j}].hostPort", key)
            taken.add(key)
    if spec.get("ephemeralContainers"):
        found.forbidden("spec.ephemeralContainers", "cannot be set on create")
    for i, gate in enumerate(spec.get("schedulingGates", [])):
        check_key(found, f"spec.schedulingGates[{i}]", gate.get("name", ""))
    if spec.get("schedulingGates"):  # static pods have a node
        found.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared")


def validate(pod: dict[str, Any]) -> None:
    """Raise InvalidPodError when the API would refuse this (decoded, defaulted, named) Pod."""
    found = Findings()
    spec = pod["spec"]
    check_metadata(found, pod["metadata"])
    volumes = check_volumes(found, spec.get("volumes", []))
    _containers(found, spec, volumes)
    check_pod(found, spec)
    if found:
        raise InvalidPodError(*found)
