"""What a static pod may not name: objects of the API (`HasAPIObjectReference` in `pkg/api/pod/util.go`).

A static pod runs without an API server, so nothing in it may need one.
"""

from collections.abc import Iterator
from typing import Any

from labs.kubelet.pod.errors import ManifestError, ReferenceRefusedError

VOLUMES = {
    "configMap": "configmaps",
    "secret": "secrets",
    "persistentVolumeClaim": "persistentvolumeclaims",
    "csi": "csidrivers (via CSI volumes)",
    "glusterfs": "endpoints (via glusterFS volumes)",
    "ephemeral": "persistentvolumeclaims (via ephemeral volumes)",
    "azureFile": "secrets",
}
PROJECTED = {
    "configMap": "configmaps",
    "secret": "secrets",
    "serviceAccountToken": "serviceaccounts (via projected volumes)",
    "clusterTrustBundle": "clustertrustbundles",
    "podCertificate": "podcertificates",
}


def _containers(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for field in ("initContainers", "containers"):
        yield from spec.get(field, [])


def _uses(spec: dict[str, Any], variable: str, source: str) -> bool:
    """Any container's `env.valueFrom.<variable>` or `envFrom.<source>`."""
    return any(
        any(variable in e.get("valueFrom", {}) for e in c.get("env", []))
        or any(source in e for e in c.get("envFrom", []))
        for c in _containers(spec)
    )


def _secret_of_volume(volume: dict[str, Any]) -> bool:
    return any(isinstance(s, dict) and "secretRef" in s for s in volume.values())


def refuse_new_references(spec: dict[str, Any]) -> None:
    """What kubelets before 1.34 refused themselves; the rest ran, and its mirror was refused."""
    for volume in spec.get("volumes", []):
        if any("clusterTrustBundle" in s for s in volume.get("projected", {}).get("sources", [])):
            raise ManifestError("static pods may not use ClusterTrustBundle projected volume sources")
    if spec.get("resourceClaims"):
        raise ManifestError("static pods may not use ResourceClaims")


def refuse_references(spec: dict[str, Any]) -> None:
    """Raise ReferenceRefusedError for the first API object a pod's spec needs, in upstream's order."""
    volumes = spec.get("volumes", [])
    if spec.get("serviceAccountName"):
        raise ReferenceRefusedError("serviceaccounts")
    if (
        any(secret.get("name") for secret in spec.get("imagePullSecrets", []))
        or _uses(spec, "secretKeyRef", "secretRef")
        or any(map(_secret_of_volume, volumes))
    ):
        raise ReferenceRefusedError("secrets")
    if any("secret" in v for v in volumes) or any(
        "secret" in s for v in volumes for s in v.get("projected", {}).get("sources", [])
    ):
        raise ReferenceRefusedError("secrets")
    if _uses(spec, "configMapKeyRef", "configMapRef"):
        raise ReferenceRefusedError("configmaps")
    if spec.get("resourceClaims"):
        raise ReferenceRefusedError("resourceclaims")
    for volume in volumes:
        for kind, resource in VOLUMES.items():
            if kind in volume:
                raise ReferenceRefusedError(resource)
        for source in volume.get("projected", {}).get("sources", []):
            for kind, resource in PROJECTED.items():
                if kind in source:
                    raise ReferenceRefusedError(resource)
            if "downwardAPI" not in source:
                raise ManifestError(f'unknown source for projected volume "{volume["name"]}"')
