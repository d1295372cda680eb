"""What a pod has that its author left out (`pkg/apis/core/v1/defaults.go`), set in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labs.core.quantity import summed

Object = dict[str, Any]
#: What a pod may have limits of as a whole, besides huge pages.
_POD_LEVEL = ("cpu", "memory")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_PROBE_TIMES = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_HTTP_GET = {"path": "/", "scheme": "HTTP"}
_FILE_MODE = 0o644
_TOKEN_SECONDS = 3600
#: Kinds of volumes with defaults of their own.
_VOLUMES: Mapping[str, Mapping[str, object]] = {
    "azureDisk": {"cachingMode": "ReadWrite", "fsType": "ext4", "kind": "Shared", "readOnly": False},
    "configMap": {"defaultMode": _FILE_MODE},
    "downwardAPI": {"defaultMode": _FILE_MODE},
    "hostPath": {"type": ""},
    "iscsi": {"iscsiInterface": "default"},
    "projected": {"defaultMode": _FILE_MODE},
    "rbd": {"keyring": "/etc/ceph/keyring", "pool": "rbd", "user": "admin"},
    "scaleIO": {"fsType": "xfs", "storageMode": "ThinProvisioned"},
    "secret": {"defaultMode": _FILE_MODE},
}


def default_pod(pod: Object) -> None:
    """Fill what the API fills when a pod is decoded."""
    default_template(pod)
    spec = pod["spec"]
    spec.setdefault("enableServiceLinks", True)
    if spec["terminationGracePeriodSeconds"] < 0:
        spec["terminationGracePeriodSeconds"] = 1
    for part in ("initContainers", "containers"):
        for container in spec.get(part) or []:
            _default_requests(container["resources"])
            for port in container.get("ports") or [] if spec.get("hostNetwork") else []:
                if not port.get("hostPort") and port.get("containerPort"):
                    port["hostPort"] = port["containerPort"]
    _pod_requests(spec)


def default_template(template: Object) -> None:
    """Fill what it fills of a pod's template, too."""
    template.setdefault("metadata", {})
    spec = template.setdefault("spec", {})
    _fill(
        spec, {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler"}
    )
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("securityContext", {})
    if account := spec.get("serviceAccountName") or spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for part in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(part) or []:
            _container(container)
    for volume in spec.get("volumes") or []:
        _volume(volume)


def pull_policy_of(image: str) -> str:
    """`Always` for `:latest` or no tag at all, else `IfNotPresent`."""
    name = image.rpartition("/")[2]
    if "@" in name:
        return "IfNotPresent"
    return "Always" if ":" not in name or name.endswith(":latest") else "IfNotPresent"


def _fill(obj: Object, defaults: Mapping[str, object]) -> None:
    """What is empty is not given."""
    for field, value in defaults.items():
        obj[field] = obj.get(field) or value


def _set(obj: Object, defaults: Mapping[str, object]) -> None:
    """Pointers in Go: what is empty is given."""
    for field, value in defaults.items():
        obj.setdefault(field, value)


def _container(container: Object) -> None:
    container.setdefault("resources", {})
    _fill(
        container,
        {
            "imagePullPolicy": pull_policy_of(container.get("image", "")),
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
        },
    )
    for port in container.get("ports") or []:
        _fill(port, {"protocol": "TCP"})
    for name in _PROBES:
        if name in container:
            _probe(container[name])
    lifecycle = container.get("lifecycle") or {}
    for hook in ("postStart", "preStop"):
        if "httpGet" in lifecycle.get(hook, {}):
            _fill(lifecycle[hook]["httpGet"], _HTTP_GET)
    for variable in container.get("env") or []:
        source = variable.get("valueFrom") or {}
        _references(source)
        if "fileKeyRef" in source:
            source["fileKeyRef"].setdefault("optional", False)


def _probe(probe: Object) -> None:
    _fill(probe, _PROBE_TIMES)
    if "httpGet" in probe:
        _fill(probe["httpGet"], _HTTP_GET)
    if "grpc" in probe:
        probe["grpc"].setdefault("service", "")


def _references(source: Object) -> None:
    """References to a field or a resource of the pod itself."""
    if "fieldRef" in source:
        _fill(source["fieldRef"], {"apiVersion": "v1"})
    if "resourceFieldRef" in source:
        source["resourceFieldRef"].setdefault("divisor", "0")


def _volume(volume: Object) -> None:
    if volume.keys() <= {"name"}:
        volume["emptyDir"] = {}
    default_sources(volume)
    if "image" in volume:
        _fill(volume["image"], {"pullPolicy": pull_policy_of(volume["image"].get("reference", ""))})
    if template := volume.get("ephemeral", {}).get("volumeClaimTemplate"):
        template.setdefault("metadata", {})
        template.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
    for source in [volume, *(volume.get("projected", {}).get("sources") or [])]:
        for item in source.get("downwardAPI", {}).get("items") or []:
            _references(item)
        if "serviceAccountToken" in source:
            source["serviceAccountToken"].setdefault("expirationSeconds", _TOKEN_SECONDS)


def default_sources(volume: Object) -> None:
    """What the kinds of volumes have that leave something open, of a pod's volume or a persistent one."""
    for kind, defaults in _VOLUMES.items():
        if kind in volume:
            _set(volume[kind], defaults)


def _default_requests(resources: Object) -> None:
    """Who may have so much asks for as much."""
    if limits := resources.get("limits"):
        resources["requests"] = {**limits, **(resources.get("requests") or {})}


def _pod_requests(spec: Object) -> None:
    """What a pod with limits of its own asks for: what its containers do, else all that it may have."""
    own = spec.get("resources") or {}
    if not own.get("limits"):
        return
    asked = summed(container["resources"].get("requests") or {} for container in spec.get("containers") or [])
    known = {name: amount for name, amount in asked.items() if name in _POD_LEVEL}
    limits = {n: most for n, most in own["limits"].items() if n in _POD_LEVEL or n.startswith("hugepages-")}
    own["requests"] = {**limits, **known, **(own.get("requests") or {})}
