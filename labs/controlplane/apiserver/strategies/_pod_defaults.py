"""What a pod has that its author left out; mirrors `pkg/apis/core/v1/defaults.go`."""

from __future__ import annotations

from typing import Any

from labs.core.quantity import quantity_value

Object = dict[str, Any]
FILE_MODE = 0o644
TOKEN_SECONDS = 3600


def apply(pod: Object) -> None:
    """Set a pod's defaults, in place."""
    apply_template(pod)
    spec = pod["spec"]
    spec.setdefault("enableServiceLinks", True)
    for container in (spec.get("initContainers") or []) + (spec.get("containers") or []):
        resources = container["resources"]
        for name, amount in (resources.get("limits") or {}).items():
            resources.setdefault("requests", {}).setdefault(name, amount)
        for port in container.get("ports") or []:
            if spec.get("hostNetwork") and port.get("containerPort"):
                port.setdefault("hostPort", port["containerPort"])


def apply_template(template: Object) -> None:
    """Set the defaults that a pod's template gets as well, in place."""
    template.setdefault("metadata", {})
    spec = template.setdefault("spec", {})
    spec["restartPolicy"] = spec.get("restartPolicy") or "Always"
    if spec.setdefault("terminationGracePeriodSeconds", 30) < 0:
        spec["terminationGracePeriodSeconds"] = 1
    spec["dnsPolicy"] = spec.get("dnsPolicy") or "ClusterFirst"
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    if spec.get("serviceAccountName"):
        spec["serviceAccount"] = spec["serviceAccountName"]
    elif spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"]
    for part in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(part) or []:
            _container(container)
    for volume in spec.get("volumes") or []:
        _volume(volume)


def _container(container: Object) -> None:
    image = container.get("image", "")
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    floating = "@" not in image and tag in ("", "latest")
    pull = "Always" if floating else "IfNotPresent"
    container["imagePullPolicy"] = container.get("imagePullPolicy") or pull
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container["terminationMessagePolicy"] = container.get("terminationMessagePolicy") or "File"
    container.setdefault("resources", {})
    for port in container.get("ports") or []:
        port.setdefault("protocol", "TCP")
    for variable in container.get("env") or []:
        field = (variable.get("valueFrom") or {}).get("fieldRef")
        if field is not None:
            field.setdefault("apiVersion", "v1")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(name) is not None:
            _probe(container[name])
    lifecycle = container.get("lifecycle") or {}
    for hook in ("postStart", "preStop"):
        if (lifecycle.get(hook) or {}).get("httpGet") is not None:
            _http_get(lifecycle[hook]["httpGet"])


def _probe(probe: Object) -> None:
    probe.setdefault("timeoutSeconds", 1)
    probe.setdefault("periodSeconds", 10)
    probe.setdefault("successThreshold", 1)
    probe.setdefault("failureThreshold", 3)
    if probe.get("httpGet") is not None:
        _http_get(probe["httpGet"])
    if probe.get("grpc") is not None:
        probe["grpc"].setdefault("service", "")


def _http_get(action: Object) -> None:
    action["path"] = action.get("path") or "/"
    action["scheme"] = action.get("scheme") or "HTTP"


def _volume(volume: Object) -> None:
    if set(volume) == {"name"}:
        volume["emptyDir"] = {}
    if volume.get("hostPath") is not None:
        volume["hostPath"].setdefault("type", "")
    for kind in ("secret", "configMap", "downwardAPI", "projected"):
        if volume.get(kind) is not None:
            volume[kind].setdefault("defaultMode", FILE_MODE)
    _downward_items(volume.get("downwardAPI"))
    for source in (volume.get("projected") or {}).get("sources") or []:
        _downward_items(source.get("downwardAPI"))
        if source.get("serviceAccountToken") is not None:
            source["serviceAccountToken"].setdefault("expirationSeconds", TOKEN_SECONDS)


def _downward_items(source: Object | None) -> None:
    for item in (source or {}).get("items") or []:
        if item.get("fieldRef") is not None:
            item["fieldRef"].setdefault("apiVersion", "v1")


def qos_class(spec: Object) -> str:
    """How well a pod is treated when the node runs short; mirrors `pkg/apis/core/helper/qos`."""
    requests: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    guaranteed = True
    own = spec.get("resources")
    containers = (spec.get("containers") or []) + (spec.get("initContainers") or [])
    for resources in [own] if own else [container.get("resources") or {} for container in containers]:
        limited = set()
        for target, name in ((requests, "requests"), (limits, "limits")):
            for resource, text in (resources.get(name) or {}).items():
                amount = quantity_value(text)
                if resource in ("cpu", "memory") and amount > 0:
                    target[resource] = target.get(resource, 0) + amount
                    if name == "limits":
                        limited.add(resource)
        guaranteed = guaranteed and limited == {"cpu", "memory"}
    if not requests and not limits:
        return "BestEffort"
    if (
        guaranteed
        and len(requests) == len(limits)
        and all(limits[name] == requests[name] for name in requests)
    ):
        return "Guaranteed"
    return "Burstable"
