"""Who a static pod is: UID, name, namespace, annotations (`applyDefaults` in `pkg/kubelet/config/common.go`).

The real UID hashes a deep print of Go structs, which nothing else can reproduce; ours hashes the canonical
decoded pod and so has the same properties: comments and white space do not count, every field of the API
does, and so do the node and the file's path (or the URL).
"""

import json
from typing import Any

SOURCE_ANNOTATION = "kubernetes.io/config.source"
HASH_ANNOTATION = "kubernetes.io/config.hash"
SEEN_ANNOTATION = "kubernetes.io/config.seen"
MIRROR_ANNOTATION = "kubernetes.io/config.mirror"

_FNV_OFFSET = 0x6C62272E07BB014262B821756295C58D
_FNV_PRIME = 0x0000000001000000000000000000013B
_MASK = (1 << 128) - 1


def fnv128a(data: bytes) -> str:
    """FNV-1a of 128 bits, as 32 hexadecimal digits."""
    value = _FNV_OFFSET
    for byte in data:
        value = ((value ^ byte) * _FNV_PRIME) & _MASK
    return f"{value:032x}"


def fnv32a(data: bytes) -> str:
    """FNV-1a of 32 bits: the container hash."""
    value = 0x811C9DC5
    for byte in data:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return f"{value:x}"


def canonical(document: object) -> bytes:
    """One spelling per value."""
    return json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


def container_hash(name: str, image: str) -> str:
    """The digits of `HashContainer`, so that a kubelet of either make adopts the other's containers.

    Upstream hashes Go's print of the bytes of this JSON: `([]uint8)[123 34 …]`.
    """
    return fnv32a(f"([]uint8)[{' '.join(map(str, canonical({'image': image, 'name': name})))}]".encode())


def static_uid(pod: dict[str, Any], node_name: str, source: str, origin: str) -> str:
    """The UID of a pod whose manifest sets none: what a URL serves is the same pod on every node."""
    where = f"host:{node_name}file:{origin}" if source == "file" else f"url:{origin}"
    return fnv128a(canonical(pod) + where.encode(errors="surrogateescape"))


def give_identity(pod: dict[str, Any], node_name: str, source: str, origin: str) -> None:
    """Make a decoded, defaulted object this node's static pod.

    `source` is `file` or `http`, `origin` the file's path or the URL.

    `config.source` and `config.seen` are stamped later, when the pod is delivered.
    """
    metadata, spec = pod["metadata"], pod["spec"]
    if not metadata.get("uid"):
        metadata["uid"] = static_uid(pod, node_name, source, origin)
    metadata["name"] = f"{metadata['name']}-{node_name.lower()}"
    metadata["namespace"] = metadata.get("namespace") or "default"
    spec["nodeName"] = node_name
    metadata.setdefault("annotations", {})[HASH_ANNOTATION] = metadata["uid"]
    if source == "file":
        spec.setdefault("tolerations", []).append({"effect": "NoExecute", "operator": "Exists"})
    pod["status"] = {"phase": "Pending"}
