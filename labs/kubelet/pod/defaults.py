"""The API's defaults for a Pod object (`pkg/apis/core/v1/defaults.go`), set when a manifest is decoded.

Works on the decoded object in place; `set_defaults` is the only entry.
"""

from typing import Any

from labs.core.quantity import summed

#: What a pod may have limits of as a whole, besides huge pages.
POD_LEVEL = ("cpu", "memory")
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def pull_policy_of(image: str) -> str:
    """`Always` for `:latest` or no tag at all, else `IfNotPresent`."""
    name = image.rpartition("/")[2]
    if "@" in name:
        return "IfNotPresent"
    return "Always" if ":" not in name or name.endswith(":latest") else "IfNotPresent"


def _http_get(action: dict[str, Any] | None) -> None:
    if action is not None:
        action["path"] = action.get("path") or "/"
        action["scheme"] = action.get("scheme") or "HTTP"


def _probe(probe: dict[str, Any]) -> None:
    for field, value in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        probe[field] = probe.get(field) or value
    _http_get(probe.get("httpGet"))
    if "grpc" in probe:
        probe["grpc"].setdefault("service", "")


def _references(source: dict[str, Any]) -> None:
    """References to a field or a resource of the pod itself."""
    if "fieldRef" in source:
        source["fieldRef"]["apiVersion"] = source["fieldRef"].get("apiVersion") or "v1"
    if "resourceFieldRef" in source:
        source["resourceFieldRef"].setdefault("divisor", "0")


def _container(container: dict[str, Any], host_network: bool) -> None:
    container.setdefault("resources", {})
    requests, limits = container["resources"].get("requests", {}), container["resources"].get("limits", {})
    if limits:
        container["resources"]["requests"] = {**limits, **requests}
    container["terminationMessagePath"] = container.get("terminationMessagePath") or "/dev/termination-log"
    container["terminationMessagePolicy"] = container.get("terminationMessagePolicy") or "File"
    container["imagePullPolicy"] = container.get("imagePullPolicy") or pull_policy_of(
        container.get("image", "")
    )
    for port in container.get("ports", []):
        port["protocol"] = port.get("protocol") or "TCP"
        if host_network and not port.get("hostPort") and port.get("containerPort"):
            port["hostPort"] = port["containerPort"]
    for name in PROBES:
        if name in container:
            _probe(container[name])
    for hook in container.get("lifecycle", {}).values():
        if isinstance(hook, dict):
            _http_get(hook.get("httpGet"))
    for variable in container.get("env", []):
        _references(variable.get("valueFrom", {}))


def _volume(volume: dict[str, Any]) -> None:
    if set(volume) <= {"name"}:
        volume["emptyDir"] = {}
    if "hostPath" in volume:
        volume["hostPath"].setdefault("type", "")
    for kind in ("secret", "configMap", "downwardAPI", "projected"):
        if kind in volume:
            volume[kind].setdefault("defaultMode", 0o644)
    sources = [volume.get("downwardAPI", {})] + [
        s.get("downwardAPI", {}) for s in volume.get("projected", {}).get("sources", [])
    ]
    for source in sources:
        for item in source.get("items", []):
            _references(item)


def _pod_requests(spec: dict[str, Any]) -> None:
    """What a pod with limits of its own asks for: what its containers do, else all that it may have."""
    own = spec.get("resources", {})
    if not own.get("limits"):
        return
    asked = summed(container["resources"].get("requests", {}) for container in spec.get("containers", []))
    known = {name: amount for name, amount in asked.items() if name in POD_LEVEL}
    own["requests"] = {**own["limits"], **known, **own.get("requests", {})}


def set_defaults(pod: dict[str, Any]) -> None:
    """Fill what the API fills when a Pod is decoded."""
    spec = pod.setdefault("spec", {})
    pod.setdefault("metadata", {})
    host_network = bool(spec.get("hostNetwork"))
    for part in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(part, []):
            _container(container, host_network)
    _pod_requests(spec)
    for volume in spec.get("volumes", []):
        _volume(volume)
    spec["restartPolicy"] = spec.get("restartPolicy") or "Always"
    spec["dnsPolicy"] = spec.get("dnsPolicy") or "ClusterFirst"
    spec["schedulerName"] = spec.get("schedulerName") or "default-scheduler"
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("securityContext", {})
    spec.setdefault("enableServiceLinks", True)
    if account := spec.get("serviceAccountName") or spec.get("serviceAccount"):
        spec["serviceAccountName"] = account
