"""A pod's containers: the ordinary ones, those before them, and those put beside (`validateContainers`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labs.core import names
from labs.core.field import Findings
from labs.core.validation.handlers import PROBES, check_lifecycle, check_probe
from labs.core.validation.mounts import check_devices, check_mounts
from labs.core.validation.resources import check_resources
from labs.core.validation.security import check_container_security
from labs.core.validation.sources import check_environment

Object = dict[str, Any]
Volumes = Mapping[str, Object]
_ONLY_SIDECARS = "may not be set for init containers without restartPolicy=Always"
_NOT_EPHEMERAL = "cannot be set for an Ephemeral Container"
#: What nobody may rely on a container for that is there to look at others.
_EPHEMERAL_FIELDS = ("ports", "resources", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_RESTART_POLICIES = ("Always", "Never", "OnFailure")
_RULE_ACTIONS = ("Restart", "RestartAllContainers")
_EXIT_CODE_OPERATORS = ("In", "NotIn")
_MOST_RULES, _MOST_EXIT_CODES = 20, 255
_RESIZED = ("cpu", "memory")
_RESIZE_POLICIES = ("NotRequired", "RestartContainer")


def check_containers(found: Findings, path: str, spec: Object, volumes: Volumes) -> None:
    """All that a spec has; `path` is the spec's, `volumes` those with nothing wrong."""
    containers = spec.get("containers") or []
    if not containers:
        found.required(f"{path}.containers")
    taken: set[str] = set()
    for index, container in enumerate(containers):
        here = f"{path}.containers[{index}]"
        _common(found, here, container, volumes, spec)
        _unique(found, here, container, taken)
        _life(found, here, container, spec)
    _host_ports(found, f"{path}.containers", containers)
    for index, container in enumerate(spec.get("initContainers") or []):
        here = f"{path}.initContainers[{index}]"
        _common(found, here, container, volumes, spec)
        if container.get("name"):
            _unique(found, here, container, taken)
        _init_life(found, here, container, spec)
        _host_ports(found, f"{path}.initContainers", [container])
    for index, container in enumerate(spec.get("ephemeralContainers") or []):
        here = f"{path}.ephemeralContainers[{index}]"
        _common(found, here, container, volumes, spec)
        check_image_spaces(found, here, container)
        _ephemeral(found, here, container, taken, spec)


def check_image_spaces(found: Findings, path: str, container: Object) -> None:
    """What templates may have for what is put in later, and pods may not."""
    image = container.get("image", "")
    if image != image.strip():
        found.invalid(f"{path}.image", image, "must not have leading or trailing whitespace")


def _common(found: Findings, path: str, container: Object, volumes: Volumes, spec: Object) -> None:
    """What all containers have."""
    found.required_label(f"{path}.name", container.get("name", ""))
    if not container.get("image"):
        found.required(f"{path}.image")
    policy = container.get("terminationMessagePolicy", "")
    found.choice(f"{path}.terminationMessagePolicy", policy, _MESSAGE_POLICIES)
    _ports(found, f"{path}.ports", container.get("ports") or [])
    check_environment(found, path, container, volumes)
    check_mounts(found, path, container, volumes)
    check_devices(found, path, container, volumes)
    found.choice(f"{path}.imagePullPolicy", container.get("imagePullPolicy", ""), _PULL_POLICIES)
    claims = (claim.get("name", "") for claim in spec.get("resourceClaims") or [])
    check_resources(found, f"{path}.resources", container.get("resources") or {}, filter(None, claims))
    _resize(found, f"{path}.resizePolicy", container.get("resizePolicy") or [], spec)
    check_container_security(found, f"{path}.securityContext", container.get("securityContext") or {}, spec)


def _unique(found: Findings, path: str, container: Object, taken: set[str]) -> None:
    name = container.get("name", "")
    if name in taken:
        found.duplicate(f"{path}.name", name)
    taken.add(name)


def _ports(found: Findings, path: str, ports: list[Object]) -> None:
    taken: set[str] = set()
    for index, port in enumerate(ports):
        here, name, number = f"{path}[{index}]", port.get("name", ""), port.get("containerPort", 0)
        if name and (faults := names.port_name_faults(name)):
            found.faults(f"{here}.name", name, faults)
        elif name in taken:
            found.duplicate(f"{here}.name", name)
        elif name:
            taken.add(name)
        if not number:
            found.required(f"{here}.containerPort")
        else:
            found.between(f"{here}.containerPort", number, 1, 65535)
        if port.get("hostPort"):
            found.between(f"{here}.hostPort", port["hostPort"], 1, 65535)
        found.choice(f"{here}.protocol", port.get("protocol", ""), _PROTOCOLS)


def _host_ports(found: Findings, path: str, containers: list[Object]) -> None:
    """Each of a host's ports goes to one only, of those that run at once."""
    taken: set[str] = set()
    for index, container in enumerate(containers):
        for position, port in enumerate(container.get("ports") or []):
            if not port.get("hostPort"):
                continue
            key = f"{port.get('protocol', '')}/{port.get('hostIP', '')}/{port['hostPort']}"
            if key in taken:
                found.duplicate(f"{path}[{index}].ports[{position}].hostPort", key)
            taken.add(key)


def _resize(found: Findings, path: str, policies: list[Object], spec: Object) -> None:
    seen: set[str] = set()
    for index, policy in enumerate(policies):
        name, restart = policy.get("resourceName", ""), policy.get("restartPolicy", "")
        if name in seen:
            found.duplicate(f"{path}[{index}]", name)
        seen.add(name)
        found.choice(path, name, _RESIZED)
        found.choice(path, restart, _RESIZE_POLICIES)
        if spec.get("restartPolicy") == "Never" and restart != "NotRequired":
            found.invalid(path, restart, "must be 'NotRequired' when pod `restartPolicy` is 'Never'")


def _restart(found: Findings, path: str, container: Object) -> None:
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or []
    if policy is not None and policy not in _RESTART_POLICIES:
        found.not_supported(f"{path}.restartPolicy", policy, _RESTART_POLICIES)
    elif rules and not policy:
        found.required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used")
    if len(rules) > _MOST_RULES:
        found.too_many(f"{path}.restartPolicyRules", len(rules), _MOST_RULES)
    for index, rule in enumerate(rules):
        here = f"{path}.restartPolicyRules[{index}]"
        if rule.get("action") not in _RULE_ACTIONS:
            found.not_supported(f"{here}.action", rule.get("action", ""), _RULE_ACTIONS)
        if (codes := rule.get("exitCodes")) is None:
            found.required(f"{here}.exitCodes", "must be specified")
        elif codes.get("operator") not in _EXIT_CODE_OPERATORS:
            found.not_supported(f"{here}.exitCodes.operator", codes.get("operator", ""), _EXIT_CODE_OPERATORS)
        elif len(values := codes.get("values") or []) > _MOST_EXIT_CODES:
            found.too_many(f"{here}.exitCodes.values", len(values), _MOST_EXIT_CODES)


def _life(found: Findings, path: str, container: Object, spec: Object) -> None:
    """Hooks, restarts and probes."""
    if "lifecycle" in container:
        check_lifecycle(found, f"{path}.lifecycle", container["lifecycle"], spec)
    _restart(found, path, container)
    for kind in PROBES:
        if kind in container:
            check_probe(found, f"{path}.{kind}", kind, container[kind])


def _init_life(found: Findings, path: str, container: Object, spec: Object) -> None:
    """The same of those that run before the others: only sidecars, which go on, have hooks and probes."""
    if container.get("restartPolicy") == "Always":
        _life(found, path, container, spec)
        return
    if "lifecycle" in container:
        found.forbidden(f"{path}.lifecycle", _ONLY_SIDECARS)
    _restart(found, path, container)
    for kind in PROBES:
        if kind in container:
            found.forbidden(f"{path}.{kind}", _ONLY_SIDECARS)


def _ephemeral(found: Findings, path: str, container: Object, taken: set[str], spec: Object) -> None:
    _unique(found, path, container, taken)
    target = container.get("targetContainerName")
    others = (c.get("name") for part in ("containers", "initContainers") for c in spec.get(part) or [])
    if target and target not in others:
        found.not_found(f"{path}.targetContainerName", target)
    for field in _EPHEMERAL_FIELDS:
        if container.get(field):
            found.forbidden(f"{path}.{field}", _NOT_EPHEMERAL)
    for index, mount in enumerate(container.get("volumeMounts") or []):
        for field in ("subPath", "subPathExpr"):
            if mount.get(field):
                found.forbidden(f"{path}.volumeMounts[{index}].{field}", _NOT_EPHEMERAL)
