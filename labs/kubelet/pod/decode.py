"""A manifest's bytes to a Pod object: YAML or JSON, lenient, first document only.

Mirrors `pkg/kubelet/config/common.go` (tryDecodeSinglePod) with what lies below it: sigs.k8s.io/yaml for
YAML 1.1 as Go reads it, and the universal decoder for kinds and versions. Messages are Go's.
"""

import base64
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import yaml

from labs.golang import gojson
from labs.golang.yaml_depth import EXCEEDED, too_deep
from labs.kubelet.pod.errors import ParseError
from labs.kubelet.pod.schema import conform, json_kind

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
#: Whole numbers of more digits are floats at once: 64 bits hold none, and Python reads some thousand at most.
YAML_DIGITS, JSON_DIGITS = 64, 1000


class _GoLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML 1.1 as goyaml.v2 resolves it: `y` and `n` are booleans, timestamps and `1:30` are strings."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


_BOOL = r"y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF"
_FLOAT = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
_INT = r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)"
for _tag, _pattern, _first in (
    ("bool", _BOOL, "yYnNtTfFoO"),
    ("int", _INT, "-+0123456789"),
    ("float", _FLOAT, "-+0123456789."),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    _GoLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first)
    )


def _undecodable(node: yaml.ScalarNode, tag: str) -> ParseError:
    return ParseError(f"yaml: cannot decode !!str `{node.value}` as a {tag}")


def _bool(loader: Any, node: yaml.ScalarNode) -> bool:
    if not re.fullmatch(_BOOL, node.value):
        raise _undecodable(node, "!!bool")
    return node.value.lower() in ("y", "yes", "true", "on")


def _int(loader: Any, node: yaml.ScalarNode) -> int | float | str:
    """What 64 bits cannot hold becomes a float, what no float can hold stays text."""
    text = node.value.replace("_", "")
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text.lstrip("+"))
    if digits.startswith("0") and digits[1:2].isdigit():
        digits = "0o" + digits[1:]
    try:
        if len(digits) > YAML_DIGITS and digits.isdigit():
            number: float = float(digits)
            return str(node.value) if number == float("inf") else sign * number
        value = sign * int(digits, 0)
    except ValueError:
        raise _undecodable(node, "!!int") from None
    return value if -(2**63) <= value < 2**64 else float(value)


def _float(loader: Any, node: yaml.ScalarNode) -> int | float | str:
    """On its way through JSON a float without a fraction becomes a whole number."""
    text = node.value.replace("_", "")
    if re.fullmatch(_INT, text):
        return _int(loader, node)
    if not re.fullmatch(_FLOAT, text):
        raise _undecodable(node, "!!float")
    value = float(re.sub(r"\.(?=[a-zA-Z])", "", text))  # Python spells `.inf` and `.nan` without the dot
    return int(value) if value.is_integer() and abs(value) < 2**63 else value


def _binary(loader: Any, node: yaml.ScalarNode) -> str:
    try:
        return base64.b64decode(re.sub(r"[\r\n]", "", node.value), validate=True).decode(errors="replace")
    except ValueError:
        raise ParseError("yaml: !!binary value contains invalid base64 data") from None


def _plain(loader: Any, node: yaml.Node) -> Any:
    """Tags that Go does not know say nothing of a value; times stay as they are written."""
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return node.value


def _of_scalars(construct: Callable[[Any, yaml.ScalarNode], Any]) -> Callable[[Any, yaml.Node], Any]:
    """A scalar's tag says nothing of a list or an object."""

    def value(loader: Any, node: yaml.Node) -> Any:
        return construct(loader, node) if isinstance(node, yaml.ScalarNode) else _plain(loader, node)

    return value


def _of_collections(loader: Any, node: yaml.Node) -> Iterator[Any]:
    """What a list or an object is, its brackets say, and the tag `!!map` or `!!seq` nothing of a scalar."""
    if isinstance(node, yaml.MappingNode):
        yield from loader.construct_yaml_map(node)
    elif isinstance(node, yaml.SequenceNode):
        yield from loader.construct_yaml_seq(node)
    else:
        yield node.value


for _tag, _construct in (
    ("bool", _bool), ("int", _int), ("float", _float), ("binary", _binary), ("timestamp", _plain),
    ("set", _plain), ("omap", _plain), ("pairs", _plain), ("str", _plain),
    ("null", lambda loader, node: None),
):  # fmt: skip
    _GoLoader.add_constructor(f"tag:yaml.org,2002:{_tag}", _of_scalars(_construct))
for _tag in ("map", "seq"):
    _GoLoader.add_constructor(f"tag:yaml.org,2002:{_tag}", _of_collections)
_GoLoader.add_constructor(None, _plain)


def _go_position(error: yaml.MarkedYAMLError) -> str:
    """`line N: ` as goyaml counts: the context's line if there is one, scanner errors one further."""
    line = 0
    for mark in (error.context_mark, error.problem_mark):
        if mark is not None and mark.line:
            line = mark.line + isinstance(error, yaml.scanner.ScannerError)
            if line == mark.line + 1 and error.problem == "found unexpected end of stream":
                line = (error.problem_mark.line if error.problem_mark else mark.line) + 1
            break
    return f"line {line}: " if line else ""


def _unknown_anchor(data: bytes, error: yaml.MarkedYAMLError) -> str:
    """Go names the anchor, libyaml only the place."""
    if (mark := error.problem_mark) is None:
        return str(error.problem)
    found = re.match(r"\*([^\s,\]}]+)", data.decode().splitlines()[mark.line][mark.column :])
    return f"unknown anchor '{found[1]}' referenced" if found else str(error.problem)


def _check_nodes(root: yaml.Node | None, data: bytes) -> None:
    """Refuse keys that are no scalars, and a document that its aliases blow up, by goyaml's measure.

    Raises ParseError.
    """
    sizes: dict[int, int] = {}

    def size(node: yaml.Node) -> int:
        """How many nodes it is with its aliases spelled out."""
        if id(node) in sizes:
            if sizes[id(node)] == 0:
                name = re.search(rb"\*([^\s,\]}]+)", data[node.start_mark.index :])
                shown = name[1].decode(errors="replace") if name else ""
                raise ParseError(f"yaml: anchor '{shown}' value contains itself")
            return sizes[id(node)]
        sizes[id(node)] = 0
        inner: Iterable[yaml.Node] = ()
        if isinstance(node, yaml.SequenceNode):
            inner = node.value
        elif isinstance(node, yaml.MappingNode):
            inner = itertools.chain.from_iterable(node.value)
            for key, _ in node.value:
                if isinstance(key, yaml.CollectionNode):
                    raise ParseError(f"yaml: invalid map key: {_go_syntax(key)}")
        sizes[id(node)] = total = 1 + sum(map(size, inner))
        return total

    total = size(root) if root is not None else 0
    if total > 1000 and total - len(sizes) > aliased_at_most(total) * total:
        raise ParseError("yaml: document contains excessive aliasing")


def _go_syntax(node: yaml.Node) -> str:
    """A value as Go's %#v prints it."""
    if isinstance(node, yaml.SequenceNode):
        return f"[]interface {{}}{{{', '.join(map(_go_syntax, node.value))}}}"
    if isinstance(node, yaml.MappingNode):
        pairs = ", ".join(f"{_go_syntax(key)}:{_go_syntax(value)}" for key, value in node.value)
        return f"map[interface {{}}]interface {{}}{{{pairs}}}"
    quoted = node.tag == "tag:yaml.org,2002:str"
    return json.dumps(node.value, ensure_ascii=False) if quoted else str(node.value)


def aliased_at_most(total: int) -> float:
    """The share of a document's nodes that may come by aliases: 0.99, falling to 0.1 for large ones."""
    low, high = 400_000, 4_000_000
    return 0.99 - 0.89 * min(max(0, total - low), high - low) / (high - low)


def _keys_as_strings(value: object) -> object:
    """JSON has string keys only; YAML's others are spelled out."""
    if isinstance(value, dict):
        return {
            ("true" if k else "false")
            if isinstance(k, bool)
            else "null"
            if k is None
            else str(k): _keys_as_strings(v)
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [_keys_as_strings(item) for item in value]
    return value


def load_yaml(data: bytes) -> object:
    """The first document of a YAML (or JSON) text, with string keys. Raises ParseError in goyaml's words."""
    try:
        loader = _GoLoader(data)
    except yaml.reader.ReaderError as error:
        raise ParseError(f"yaml: {error.reason}") from None
    try:
        if too_deep(data, _GoLoader):
            raise ParseError(f"yaml: {EXCEEDED}")
        node = loader.get_node() if loader.check_node() else None
        _check_nodes(node, data)
        return _keys_as_strings(loader.construct_document(node) if node is not None else None)
    except yaml.composer.ComposerError as error:
        raise ParseError(f"yaml: {_unknown_anchor(data, error)}") from None
    except yaml.MarkedYAMLError as error:
        raise ParseError(f"yaml: {_go_position(error)}{error.problem}") from None
    except yaml.reader.ReaderError as error:
        raise ParseError(f"yaml: {error.reason}") from None
    except (RecursionError, ValueError) as error:
        raise ParseError(f"yaml: {error}") from None
    finally:
        loader.dispose()


def _load(data: bytes) -> object:
    """What begins with a brace is JSON, all else YAML (`utilyaml.ToJSON`)."""
    if not data.lstrip().startswith(b"{"):
        return load_yaml(data)
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
        kind = json_kind(items)
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
            f"couldn't get version/kind; json parse error: json: cannot unmarshal {json_kind(document)} "
            f"into Go value of "
            'type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string '
            '"json:\\"kind,omitempty\\"" }'
        )
    for field in ("apiVersion", "kind"):
        if not isinstance(value := document.get(field), str | None):
            why = f"cannot unmarshal {json_kind(value)} into Go struct field .{field} of type string"
            raise ParseError(f"couldn't get version/kind; json parse error: json: {why}")
    kind, version = document.get("kind") or "", document.get("apiVersion") or ""
    if not kind:
        raise ParseError(f"Object 'Kind' is missing in '{_compact(document)}'")
    if not version:
        raise ParseError(f"Object 'apiVersion' is missing in '{_compact(document)}'")
    if version != "v1" or kind not in {"Pod", "PodList", *CORE_KINDS}:
        raise ParseError(NOT_REGISTERED.format(kind, version))
    return document
