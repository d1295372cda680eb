"""A manifest's bytes to a Pod object: YAML or JSON, lenient, first document only.

Mirrors `pkg/kubelet/config/common.go` (tryDecodeSinglePod) with what lies below it: sigs.k8s.io/yaml for
YAML 1.1 as Go reads it, and the universal decoder for kinds and versions. Messages are Go's.
"""

import json
from typing import Any

from labs.golang import gojson, goyaml
from labs.kubelet.pod.errors import ParseError
from labs.kubelet.pod.schema import conform

SCHEME = "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"
NOT_REGISTERED = f'no kind "{{}}" is registered for version "{{}}" in scheme "{SCHEME}"'
#: Kinds of v1 that decode but are no Pod; the real message prints the Go value.
CORE_KINDS = {
    "Binding", "ConfigMap", "Endpoints", "Event", "LimitRange", "List", "Namespace", "Node",
    "PersistentVolume", "PersistentVolumeClaim", "PodTemplate", "ReplicationController", "ResourceQuota",
    "Secret", "Service", "ServiceAccount",
}  # fmt: skip
EMPTY_LIST = (
    'invalid pod: &core.{}{{TypeMeta:v1.TypeMeta{{Kind:"", APIVersion:""}}, '
    'ListMeta:v1.ListMeta{{SelfLink:"", '
    'ResourceVersion:"", Continue:"", RemainingItemCount:(*int64)(nil), ShardInfo:(*v1.ShardInfo)(nil)}}, '
    "Items:[]{}{{}}}}"
)
LISTS = {"PodList": "core.Pod", "List": "runtime.Object"}
#: Whole numbers of more digits are floats at once: Python reads some thousand at most.
JSON_DIGITS = 1000


def _load(data: bytes) -> object:
    """What begins with a brace is JSON, all else YAML (`utilyaml.ToJSON`)."""
    if not data.lstrip().startswith(b"{"):
        try:
            return goyaml.load(data)
        except goyaml.YAMLError as error:
            raise ParseError(str(error)) from None
    try:
        return _valid_text(json.loads(data, parse_constant=_no_constant, parse_int=_json_int))
    except json.JSONDecodeError as error:
        why = gojson.syntax_error(error, data)
        raise ParseError(f"couldn't get version/kind; json parse error: {why}") from None
    except RecursionError:
        raise ParseError("couldn't get version/kind; json parse error: exceeded max depth") from None
    except UnicodeDecodeError as error:
        raise ParseError(f"couldn't get version/kind; json parse error: {error}") from None


def _no_constant(name: str) -> object:
    """NaN and Infinity, which Python reads and JSON has not."""
    where = "in numeric literal" if name.startswith("-") else "looking for beginning of value"
    char = name.lstrip("-")[0]
    raise ParseError(f"couldn't get version/kind; json parse error: invalid character '{char}' {where}")


def _json_int(text: str) -> int | float:
    """A whole number; Python converts no more than some thousand digits."""
    return int(text) if len(text) < JSON_DIGITS else float(text)


def _valid_text(value: object) -> object:
    """Half a surrogate pair, which JSON can spell, is no character: Go replaces it."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_valid_text(item) for item in value]
    if isinstance(value, dict):
        return {_valid_text(key): _valid_text(item) for key, item in value.items()}
    return value


def _compact(document: object) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def decode_pod(data: bytes) -> dict[str, Any]:
    """The Pod a manifest holds, as an object with the API's known fields only.

    Raises ParseError with the text that upstream puts into `couldn't parse as pod(…)`.
    """
    document = _object(data)
    kind = document["kind"]
    if kind in LISTS and not document.get("items"):
        raise ParseError(EMPTY_LIST.format(kind, LISTS[kind]))
    if kind == "List" and isinstance(items := document["items"], list):
        pointers = ", ".join(f"(*runtime.Unknown)({id(item):#x})" for item in items)
        raise ParseError(EMPTY_LIST.format(kind, LISTS[kind]).removesuffix("{}}") + f"{{{pointers}}}}}")
    if kind != "Pod":
        raise ParseError(f"invalid pod: &core.{kind}{{}}")
    return _pod(document)


def decode_pod_list(data: bytes) -> list[dict[str, Any]]:
    """The Pods of a PodList. Raises ParseError."""
    document = _object(data)
    if document["kind"] != "PodList":
        raise ParseError(f"invalid pods list: &core.{document['kind']}{{}}")
    items = document.get("items") or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        kind = gojson.kind(items)
        raise ParseError(f"json: cannot unmarshal {kind} into Go struct field PodList.items of type []v1.Pod")
    return [_pod(item) for item in items]


def _pod(document: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod"} | conform(
        {k: v for k, v in document.items() if k in ("metadata", "spec", "status")}, "Pod"
    )


def _object(data: bytes) -> dict[str, Any]:
    """A document of a kind that v1 has."""
    document = _load(data)
    if document is None:
        raise ParseError("Object 'Kind' is missing in 'null'")
    if not isinstance(document, dict):
        raise ParseError(
            f"couldn't get version/kind; json parse error: json: cannot unmarshal {gojson.kind(document)} "
            f"into Go value of "
            'type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string '
            '"json:\\"kind,omitempty\\"" }'
        )
    for field in ("apiVersion", "kind"):
        if not isinstance(value := document.get(field), str | None):
            why = f"cannot unmarshal {gojson.kind(value)} into Go struct field .{field} of type string"
            raise ParseError(f"couldn't get version/kind; json parse error: json: {why}")
    kind, version = document.get("kind") or "", document.get("apiVersion") or ""
    if not kind:
        raise ParseError(f"Object 'Kind' is missing in '{_compact(document)}'")
    if not version:
        raise ParseError(f"Object 'apiVersion' is missing in '{_compact(document)}'")
    if version != "v1" or kind not in {"Pod", "PodList", *CORE_KINDS}:
        raise ParseError(NOT_REGISTERED.format(kind, version))
    return document
