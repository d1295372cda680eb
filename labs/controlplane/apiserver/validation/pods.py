"""What a pod must be to be stored; mirrors `ValidatePodCreate` and `ValidatePodSpec`."""

from __future__ import annotations

import re
from typing import Any

from labs.controlplane.helpers.quantity import QUANTITY_RULE, parse_quantity

from ..meta import LABEL_RULE, is_label, is_subdomain, validate_labels, validate_name
from ..status import FieldError, absent, duplicate, forbidden_field, invalid, not_supported, required

Object = dict[str, Any]
MIRROR = "kubernetes.io/config.mirror"
PORT_RULE = "must be between 1 and 65535, inclusive"
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_HANDLERS = ("exec", "grpc", "httpGet", "tcpSocket")
_VOLUME_SOURCES = frozenset(
    (
        *("awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "configMap", "csi"),
        *("downwardAPI", "emptyDir", "ephemeral", "fc", "flexVolume", "flocker", "gcePersistentDisk"),
        *("gitRepo", "glusterfs", "hostPath", "image", "iscsi", "nfs", "persistentVolumeClaim"),
        *("photonPersistentDisk", "portworxVolume", "projected", "quobyte", "rbd", "scaleIO", "secret"),
        *("storageos", "vsphereVolume"),
    )
)
_ENV_NAME = re.compile(r"[ -<>-~]+")
ENV_SOURCES = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
ENV_RULE = "a valid environment variable name must consist only of printable ASCII characters other than '='"


def validate_pod(pod: Object) -> list[FieldError]:
    """Everything wrong with a new pod."""
    mirror = MIRROR in (pod["metadata"].get("annotations") or {})
    errors = _mirror_spec(pod) if mirror else []
    return errors + validate_spec(pod["spec"], "spec", mirror=mirror)


def _mirror_spec(pod: Object) -> list[FieldError]:
    field = f"metadata.annotations[{MIRROR}]"
    errors = []
    if not pod["spec"].get("nodeName"):
        value = pod["metadata"]["annotations"][MIRROR]
        errors.append(invalid(field, value, "must set spec.nodeName if mirror pod annotation is set"))
    return errors


def validate_spec(spec: Object, field: str, *, mirror: bool = False) -> list[FieldError]:
    """Everything wrong with a pod's spec."""
    volumes, errors = _volumes(spec.get("volumes") or [], f"{field}.volumes")
    containers = spec.get("containers") or []
    if not containers:
        errors.append(required(f"{field}.containers"))
    names: set[str] = set()
    for part in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(part) or []):
            errors += _container(container, f"{field}.{part}[{index}]", volumes, names)
    errors += _choice(spec, "restartPolicy", field, ("Always", "OnFailure", "Never"))
    errors += _choice(
        spec, "dnsPolicy", field, ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
    )
    errors += validate_labels(spec.get("nodeSelector") or {}, f"{field}.nodeSelector")
    for part in ("nodeName", "serviceAccountName", "priorityClassName"):
        if spec.get(part):
            errors += validate_name(spec[part], f"{field}.{part}")
    for part in ("hostname", "subdomain"):
        if spec.get(part):
            errors += _label(spec[part], f"{field}.{part}")
    errors += _host_ports(spec, field)
    errors += _tolerations(spec.get("tolerations") or [], f"{field}.tolerations")
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= 2**31 - 1:
        errors.append(
            invalid(f"{field}.activeDeadlineSeconds", deadline, "must be between 1 and 2147483647, inclusive")
        )
    grace = spec.get("terminationGracePeriodSeconds")
    if grace is not None and grace < 0:
        errors.append(
            invalid(f"{field}.terminationGracePeriodSeconds", grace, "must be greater than or equal to 0")
        )
    return errors


def validate_ephemeral(spec: Object) -> list[FieldError]:
    """What is wrong with containers that are put beside those of a running pod."""
    taken = {c["name"] for part in ("containers", "initContainers") for c in spec.get(part) or []}
    errors: list[FieldError] = []
    for index, container in enumerate(spec.get("ephemeralContainers") or []):
        field, name = f"spec.ephemeralContainers[{index}]", container.get("name", "")
        if not name:
            errors.append(required(f"{field}.name"))
        elif faults := _label(name, f"{field}.name"):
            errors += faults
        elif name in taken:
            errors.append(duplicate(f"{field}.name", name))
        taken.add(name)
        if not container.get("image"):
            errors.append(required(f"{field}.image"))
        errors += [
            forbidden_field(f"{field}.{part}", "cannot be set for an Ephemeral Container")
            for part in ("ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle")
            if container.get(part)
        ]
    return errors


def _label(value: str, field: str) -> list[FieldError]:
    """A DNS label (`ValidateDNS1123Label`)."""
    if len(value) > 63:
        return [invalid(field, value, "must be no more than 63 characters")]
    if is_label(value):
        return []
    return [invalid(field, value, "must not contain dots" if is_subdomain(value) else LABEL_RULE)]


def _choice(obj: Object, part: str, field: str, choices: tuple[str, ...]) -> list[FieldError]:
    value = obj.get(part)
    if not value:
        return [required(f"{field}.{part}")]
    return [] if value in choices else [not_supported(f"{field}.{part}", value, choices)]


def _volumes(volumes: list[Object], field: str) -> tuple[set[str], list[FieldError]]:
    """The names of those with nothing wrong, as mounts know no others; and what is wrong."""
    names: set[str] = set()
    errors: list[FieldError] = []
    for index, volume in enumerate(volumes):
        here, name, before = f"{field}[{index}]", volume.get("name", ""), len(errors)
        sources = [key for key in volume if key in _VOLUME_SOURCES]
        if len(sources) > 1:
            errors += [
                forbidden_field(f"{here}.{source}", "may not specify more than 1 volume type")
                for source in sorted(sources)[1:]
            ]
        elif not sources:
            errors.append(required(here, "must specify a volume type"))
        errors += _volume_source(volume, here)
        if not name:
            errors.append(required(f"{here}.name"))
        elif faults := _label(name, f"{here}.name"):
            errors += faults
        if name in names:
            errors.append(duplicate(f"{here}.name", name))
        if len(errors) == before:
            names.add(name)
    return names, errors


def _volume_source(volume: Object, here: str) -> list[FieldError]:
    errors = []
    host_path = volume.get("hostPath")
    if host_path is not None:
        path = host_path.get("path", "")
        kinds = (
            "",
            "BlockDevice",
            "CharDevice",
            "Directory",
            "DirectoryOrCreate",
            "File",
            "FileOrCreate",
            "Socket",
        )
        if not path:
            errors.append(required(f"{here}.hostPath.path"))
        if ".." in path.split("/"):
            errors.append(invalid(f"{here}.hostPath.path", path, "must not contain '..'"))
        if host_path.get("type", "") not in kinds:
            errors.append(not_supported(f"{here}.hostPath.type", host_path["type"], kinds))
    for kind, key in (("secret", "secretName"), ("configMap", "name")):
        if volume.get(kind) is not None and not volume[kind].get(key):
            errors.append(required(f"{here}.{kind}.{key}"))
    return errors


def _container(container: Object, field: str, volumes: set[str], names: set[str]) -> list[FieldError]:
    errors = []
    name, image = container.get("name", ""), container.get("image", "")
    if not name:
        errors.append(required(f"{field}.name"))
    elif faults := _label(name, f"{field}.name"):
        errors += faults
    elif name in names:
        errors.append(duplicate(f"{field}.name", name))
    names.add(name)
    if not image:
        errors.append(required(f"{field}.image"))
    elif image != image.strip():
        errors.append(invalid(f"{field}.image", image, "must not have leading or trailing whitespace"))
    errors += _choice(container, "imagePullPolicy", field, ("Always", "IfNotPresent", "Never"))
    errors += _choice(container, "terminationMessagePolicy", field, ("File", "FallbackToLogsOnError"))
    errors += _ports(container.get("ports") or [], f"{field}.ports")
    errors += _environment(container.get("env") or [], f"{field}.env")
    errors += _mounts(container.get("volumeMounts") or [], f"{field}.volumeMounts", volumes)
    errors += _resources(container.get("resources") or {}, f"{field}.resources")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(probe) is not None:
            errors += _probe(container[probe], f"{field}.{probe}", once=probe != "readinessProbe")
    for hook, action in (container.get("lifecycle") or {}).items():
        if isinstance(action, dict):
            errors += _handler(action, f"{field}.lifecycle.{hook}", (*_HANDLERS, "sleep"))
    return errors


def _ports(ports: list[Object], field: str) -> list[FieldError]:
    errors = []
    names: set[str] = set()
    for index, port in enumerate(ports):
        here, name = f"{field}[{index}]", port.get("name", "")
        if name:
            if not is_label(name) or len(name) > 15:
                errors.append(invalid(f"{here}.name", name, "must be no more than 15 characters"))
            elif name in names:
                errors.append(duplicate(f"{here}.name", name))
            names.add(name)
        number = port.get("containerPort", 0)
        if not number:
            errors.append(required(f"{here}.containerPort"))
        elif not 1 <= number <= 65535:
            errors.append(invalid(f"{here}.containerPort", number, PORT_RULE))
        host = port.get("hostPort", 0)
        if host and not 1 <= host <= 65535:
            errors.append(invalid(f"{here}.hostPort", host, PORT_RULE))
        if port.get("protocol") not in _PROTOCOLS:
            errors.append(not_supported(f"{here}.protocol", port.get("protocol", ""), _PROTOCOLS))
    return errors


def _environment(variables: list[Object], field: str) -> list[FieldError]:
    errors = []
    for index, variable in enumerate(variables):
        here, name = f"{field}[{index}]", variable.get("name", "")
        if not name:
            errors.append(required(f"{here}.name"))
        elif not _ENV_NAME.fullmatch(name):
            errors.append(invalid(f"{here}.name", name, ENV_RULE))
        source = variable.get("valueFrom")
        if source is not None and variable.get("value"):
            errors.append(invalid(f"{here}.valueFrom", "", "may not be specified when `value` is not empty"))
        if source is not None and len(source) != 1:
            detail = "may not have more than one field specified at a time"
            if not source:
                detail = f"must specify one of: {ENV_SOURCES}"
            errors.append(invalid(f"{here}.valueFrom", "", detail))
    return errors


def _mounts(mounts: list[Object], field: str, volumes: set[str]) -> list[FieldError]:
    errors = []
    paths: set[str] = set()
    for index, mount in enumerate(mounts):
        here, name, path = f"{field}[{index}]", mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            errors.append(required(f"{here}.name"))
        if name not in volumes:
            errors.append(absent(f"{here}.name", name))
        if not path:
            errors.append(required(f"{here}.mountPath"))
        elif path in paths:
            errors.append(invalid(f"{here}.mountPath", path, "must be unique"))
        paths.add(path)
        if ".." in mount.get("subPath", "").split("/"):
            errors.append(invalid(f"{field}.subPath", mount["subPath"], "must not contain '..'"))
    return errors


def _resources(resources: Object, field: str) -> list[FieldError]:
    errors = []
    limits = resources.get("limits") or {}
    for part in ("limits", "requests"):
        for name, text in (resources.get(part) or {}).items():
            here, amount = f"{field}.{part}[{name}]", parse_quantity(text)
            if amount is None:
                errors.append(invalid(here, text, QUANTITY_RULE))
                continue
            if amount < 0:
                errors.append(invalid(here, text, "must be greater than or equal to 0"))
            limit = parse_quantity(limits[name]) if part == "requests" and name in limits else None
            if limit is not None and amount > limit:
                detail = f"must be less than or equal to {name} limit of {limits[name]}"
                errors.append(invalid(f"{field}.requests", text, detail))
    return errors


def _probe(probe: Object, field: str, *, once: bool) -> list[FieldError]:
    errors = _handler(probe, field, _HANDLERS)
    for part in (
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ):
        if probe.get(part, 0) < 0:
            errors.append(invalid(f"{field}.{part}", probe[part], "must be greater than or equal to 0"))
    if once and probe.get("successThreshold", 1) != 1:
        errors.append(invalid(f"{field}.successThreshold", probe["successThreshold"], "must be 1"))
    return errors


def _handler(action: Object, field: str, kinds: tuple[str, ...]) -> list[FieldError]:
    given = [kind for kind in kinds if action.get(kind) is not None]
    if not given:
        return [required(field, "must specify a handler type")]
    errors = [
        forbidden_field(f"{field}.{kind}", "may not specify more than 1 handler type") for kind in given[1:]
    ]
    for kind in ("httpGet", "tcpSocket"):
        port = (action.get(kind) or {}).get("port")
        if isinstance(port, int) and not 1 <= port <= 65535:
            errors.append(invalid(f"{field}.{kind}.port", port, PORT_RULE))
        if kind in given and port is None:
            errors.append(invalid(f"{field}.{kind}.port", 0, PORT_RULE))
    if action.get("exec") is not None and not action["exec"].get("command"):
        errors.append(required(f"{field}.exec.command"))
    return errors


def _host_ports(spec: Object, field: str) -> list[FieldError]:
    errors = []
    taken: set[tuple[str, str, int]] = set()
    for index, container in enumerate(spec.get("containers") or []):
        for position, port in enumerate(container.get("ports") or []):
            host = port.get("hostPort", 0)
            here = f"{field}.containers[{index}].ports[{position}]"
            if not host:
                continue
            if spec.get("hostNetwork") and host != port.get("containerPort"):
                errors.append(
                    invalid(
                        f"{here}.containerPort",
                        port.get("containerPort"),
                        "must match `hostPort` when `hostNetwork` is true",
                    )
                )
            key = (port.get("protocol", ""), port.get("hostIP", ""), host)
            if key in taken:
                errors.append(duplicate(f"{here}.hostPort", f"{key[0]}/{key[1]}/{key[2]}"))
            taken.add(key)
    return errors


def _tolerations(tolerations: list[Object], field: str) -> list[FieldError]:
    errors = []
    for index, toleration in enumerate(tolerations):
        here, operator = f"{field}[{index}]", toleration.get("operator", "Equal") or "Equal"
        effects = ("NoSchedule", "PreferNoSchedule", "NoExecute")
        if operator not in ("Equal", "Exists"):
            errors.append(not_supported(f"{here}.operator", operator, ("Equal", "Exists")))
        if not toleration.get("key") and operator != "Exists":
            errors.append(
                invalid(f"{here}.operator", toleration.get("operator", ""),
                        "operator must be Exists when `key` is empty, which means \"match all values and "
                        "all keys\"")
            )  # fmt: skip
        if toleration.get("effect") and toleration["effect"] not in effects:
            errors.append(not_supported(f"{here}.effect", toleration["effect"], effects))
        if toleration.get("tolerationSeconds") is not None and toleration.get("effect") != "NoExecute":
            errors.append(
                invalid(
                    f"{here}.effect",
                    toleration.get("effect", ""),
                    "effect must be 'NoExecute' when `tolerationSeconds` is set",
                )
            )
    return errors
