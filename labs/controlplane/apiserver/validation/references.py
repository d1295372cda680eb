"""Which API objects a pod refers to: what static pods, and so their mirrors, must not do."""

from __future__ import annotations

from typing import Any

_VOLUMES = {
    "secret": "secrets",
    "configMap": "configmaps",
    "persistentVolumeClaim": "persistentvolumeclaims",
    "ephemeral": "ephemeral volumes",
}
_PROJECTED = {
    "secret": "secrets",
    "configMap": "configmaps",
    "serviceAccountToken": "service account tokens",
    "clusterTrustBundle": "clustertrustbundles",
    "podCertificate": "podcertificates",
}
_REFERENCES = {
    "secretKeyRef": "secrets",
    "configMapKeyRef": "configmaps",
    "secretRef": "secrets",
    "configMapRef": "configmaps",
}


def api_reference(spec: dict[str, Any]) -> str:
    """The kind of the first object referred to, or ""."""
    if spec.get("serviceAccountName"):
        return "a service account"
    if spec.get("imagePullSecrets"):
        return "secrets"
    if spec.get("resourceClaims"):
        return "resource claims"
    for volume in spec.get("volumes") or []:
        for kind, text in _VOLUMES.items():
            if volume.get(kind) is not None:
                return text
        for source in (volume.get("projected") or {}).get("sources") or []:
            for kind, text in _PROJECTED.items():
                if source.get(kind) is not None:
                    return text
    for part in ("containers", "initContainers", "ephemeralContainers"):
        for container in spec.get(part) or []:
            sources = [variable.get("valueFrom") or {} for variable in container.get("env") or []]
            for source in sources + (container.get("envFrom") or []):
                for kind, text in _REFERENCES.items():
                    if source.get(kind) is not None:
                        return text
    return ""
