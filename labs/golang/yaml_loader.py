"""YAML 1.1 as goyaml.v2 reads it below sigs.k8s.io/yaml, with its words for what is wrong."""

import base64
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import yaml

from labs.golang.goyaml import YAMLError
from labs.golang.yaml_depth import EXCEEDED, too_deep

#: Whole numbers of more digits are floats at once: 64 bits hold none, and Python reads some thousand at most.
DIGITS = 64


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
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
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))


def _undecodable(node: yaml.ScalarNode, tag: str) -> YAMLError:
    return YAMLError(f"yaml: cannot decode !!str `{node.value}` as a {tag}")


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
        if len(digits) > DIGITS and digits.isdigit():
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
        raise YAMLError("yaml: !!binary value contains invalid base64 data") from None


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
    Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _of_scalars(_construct))
for _tag in ("map", "seq"):
    Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _of_collections)
Loader.add_constructor(None, _plain)


def _position(error: yaml.MarkedYAMLError) -> str:
    """`line N: ` of an error, as `parser.fail` counts: from 0, and a scanner's errors one further."""
    if error.problem_mark is not None and error.problem_mark.line:
        return f"line {error.problem_mark.line + isinstance(error, yaml.scanner.ScannerError)}: "
    if error.context_mark is not None and error.context_mark.line:
        return f"line {error.context_mark.line}: "
    return ""


def _unknown_anchor(data: bytes, error: yaml.MarkedYAMLError) -> str:
    """Go names the anchor, libyaml only the place."""
    if (mark := error.problem_mark) is None:
        return str(error.problem)
    found = re.match(r"\*([\w-]+)", data.decode().splitlines()[mark.line][mark.column :])
    return f"unknown anchor '{found[1]}' referenced" if found else str(error.problem)


def _check_nodes(root: yaml.Node | None, data: bytes) -> None:
    """Refuse keys that are no scalars, and a document that its aliases blow up, by goyaml's measure.

    Raises YAMLError.
    """
    sizes: dict[int, int] = {}

    def size(node: yaml.Node) -> int:
        """How many nodes it is with its aliases spelled out."""
        if id(node) in sizes:
            if sizes[id(node)] == 0:
                name = re.search(rb"\*([^\s,\]}]+)", data[node.start_mark.index :])
                shown = name[1].decode(errors="replace") if name else ""
                raise YAMLError(f"yaml: anchor '{shown}' value contains itself")
            return sizes[id(node)]
        sizes[id(node)] = 0
        inner: Iterable[yaml.Node] = ()
        if isinstance(node, yaml.SequenceNode):
            inner = node.value
        elif isinstance(node, yaml.MappingNode):
            inner = itertools.chain.from_iterable(node.value)
            for key, _ in node.value:
                if isinstance(key, yaml.CollectionNode):
                    raise YAMLError(f"yaml: invalid map key: {_go_syntax(key)}")
        sizes[id(node)] = total = 1 + sum(map(size, inner))
        return total

    total = size(root) if root is not None else 0
    if total > 1000 and total - len(sizes) > aliased_at_most(total) * total:
        raise YAMLError("yaml: document contains excessive aliasing")


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


def load(data: bytes) -> object:
    """The first document of a YAML (or JSON) text, with string keys. Raises YAMLError in goyaml's words."""
    try:
        loader = Loader(data)
    except yaml.reader.ReaderError as error:
        raise YAMLError(f"yaml: {error.reason}") from None
    try:
        if too_deep(data, Loader):
            raise YAMLError(f"yaml: {EXCEEDED}")
        node = loader.get_node() if loader.check_node() else None
        _check_nodes(node, data)
        return _keys_as_strings(loader.construct_document(node) if node is not None else None)
    except yaml.composer.ComposerError as error:
        raise YAMLError(f"yaml: {_unknown_anchor(data, error)}") from None
    except yaml.MarkedYAMLError as error:
        raise YAMLError(f"yaml: {_position(error)}{error.problem}") from None
    except yaml.reader.ReaderError as error:
        raise YAMLError(f"yaml: {error.reason}") from None
    except (RecursionError, ValueError) as error:
        raise YAMLError(f"yaml: {error}") from None
    finally:
        loader.dispose()


def repeated_keys(data: bytes) -> list[str]:
    """What the strict reader says of each key that a mapping of the first document has twice.

    Of a document that `load` has taken: what aliases name is looked at wherever they stand.
    """
    loader = Loader(data)
    try:
        return list(_repeated(loader.get_node())) if loader.check_node() else []
    finally:
        loader.dispose()


def _repeated(node: yaml.Node) -> Iterator[str]:
    if isinstance(node, yaml.ScalarNode):
        return
    below, seen = node.value, set()
    if isinstance(node, yaml.MappingNode):
        below = [value for _, value in node.value]
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                yield f'line {key.start_mark.line + 1}: key "{key.value}" already set in map'
            seen.add(key.value)
    for each in below:
        yield from _repeated(each)
