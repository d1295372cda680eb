"""ServiceAccount: every pod runs as one, and finds its token where programs look for it.

Mirrors `plugin/pkg/admission/serviceaccount/admission.go`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from .. import meta, status
from ..validation.references import secret_names

Object = dict[str, Any]
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX = "kube-api-access-"
#: An hour and some, by which servers know that nobody asked for this time.
TOKEN_SECONDS = 3607
FILE_MODE = 0o644

#: The account of that namespace and name, or None.
Lookup = Callable[[str, str], Awaitable[Object | None]]


async def admit(pod: Object, account_of: Lookup) -> None:
    """Give the pod its account, and a volume with the account's token."""
    spec, metadata = pod["spec"], pod["metadata"]
    name = spec.get("serviceAccountName") or "default"
    namespace = metadata.get("namespace", "")
    account = await account_of(namespace, name)
    if account is None:
        why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
        raise status.forbidden("", "pods", metadata.get("name", ""), why)
    spec["serviceAccountName"] = spec["serviceAccount"] = name
    if _automounts(account, spec):
        _mount_token(spec)
    if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
        spec["imagePullSecrets"] = [dict(reference) for reference in account["imagePullSecrets"]]


def check_mirror(pod: Object) -> None:
    """A mirror changes nothing of its static pod, which knows no accounts."""
    spec = pod["spec"]
    fault = ""
    if spec.get("serviceAccountName"):
        fault = "a mirror pod may not reference service accounts"
    elif any(secret_names(spec)):
        fault = "a mirror pod may not reference secrets"
    elif any(
        source.get("serviceAccountToken") is not None
        for volume in spec.get("volumes") or []
        for source in (volume.get("projected") or {}).get("sources") or []
    ):
        fault = "a mirror pod may not use ServiceAccountToken volume projections"
    if fault:
        raise status.forbidden("", "pods", pod["metadata"].get("name", ""), fault)


def _automounts(account: Object, spec: Object) -> bool:
    wish = spec.get("automountServiceAccountToken")
    if wish is None:
        wish = account.get("automountServiceAccountToken")
    return wish is not False


def _mount_token(spec: Object) -> None:
    volumes = spec.get("volumes") or []
    name = next((v["name"] for v in volumes if v.get("name", "").startswith(VOLUME_PREFIX)), "")
    known = bool(name)
    name = name or meta.generated_name(VOLUME_PREFIX)
    needed = False
    for container in (spec.get("initContainers") or []) + (spec.get("containers") or []):
        mounts = container.get("volumeMounts") or []
        if any(mount.get("mountPath") == TOKEN_PATH for mount in mounts):
            continue
        container["volumeMounts"] = [*mounts, {"name": name, "readOnly": True, "mountPath": TOKEN_PATH}]
        needed = True
    if needed and not known:
        spec["volumes"] = [*volumes, {"name": name, "projected": _token_volume()}]


def _token_volume() -> Object:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [namespace]}},
        ],
        "defaultMode": FILE_MODE,
    }
