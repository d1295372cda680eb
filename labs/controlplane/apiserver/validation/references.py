"""Which API objects a pod refers to: what static pods, and so their mirrors, must not do.

`HasAPIObjectReference` in `pkg/api/pod/util.go`, in its order and words.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_VOLUMES = {
    "configMap": "configmaps (via configmap volumes)",
    "secret": "secrets (via secret volumes)",
    "csi": "csidrivers (via CSI volumes)",
    "glusterfs": "endpoints (via glusterFS volumes)",
    "persistentVolumeClaim": "persistentvolumeclaims",
    "ephemeral": "persistentvolumeclaims (via ephemeral volumes)",
    "azureFile": "secrets (via azureFile volumes)",
}
_PROJECTED = {
    "configMap": "configmaps (via projected volumes)",
    "secret": "secrets (via projected volumes)",
    "serviceAccountToken": "serviceaccounts (via projected volumes)",
    "clusterTrustBundle": "clustertrustbundles",
    "podCertificate": "podcertificates",
}


def api_reference(spec: dict[str, Any]) -> str:
    """What the first object referred to is, or ""."""
    if spec.get("serviceAccountName"):
        return "serviceaccounts"
    if any(secret_names(spec)):
        return "secrets"
    if any(configmap_names(spec)):
        return "configmaps"
    if spec.get("resourceClaims"):
        return "resourceclaims"
    for volume in spec.get("volumes") or []:
        for kind, text in _VOLUMES.items():
            if volume.get(kind) is not None:
                return text
        for source in _sources(volume):
            for kind, text in _PROJECTED.items():
                if source.get(kind) is not None:
                    return text
    return ""


def _sources(volume: dict[str, Any]) -> list[dict[str, Any]]:
    return (volume.get("projected") or {}).get("sources") or []


def _environment(spec: dict[str, Any], variable: str, source: str) -> Iterator[str]:
    """Names that containers' variables come from."""
    for part in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(part) or []:
            for each in container.get("envFrom") or []:
                yield (each.get(source) or {}).get("name", "")
            for each in container.get("env") or []:
                yield ((each.get("valueFrom") or {}).get(variable) or {}).get("name", "")


def secret_names(spec: dict[str, Any]) -> Iterator[str]:
    """Names of Secrets that a pod wants; some may be empty."""
    for reference in spec.get("imagePullSecrets") or []:
        yield reference.get("name", "")
    yield from _environment(spec, "secretKeyRef", "secretRef")
    for volume in spec.get("volumes") or []:
        for settings in volume.values():
            if isinstance(settings, dict):
                yield (settings.get("secretRef") or {}).get("name", "")
                yield settings.get("secretName", "")
        for source in _sources(volume):
            yield (source.get("secret") or {}).get("name", "")


def configmap_names(spec: dict[str, Any]) -> Iterator[str]:
    """Names of ConfigMaps that a pod wants; some may be empty."""
    yield from _environment(spec, "configMapKeyRef", "configMapRef")
    for volume in spec.get("volumes") or []:
        yield (volume.get("configMap") or {}).get("name", "")
        for source in _sources(volume):
            yield (source.get("configMap") or {}).get("name", "")
