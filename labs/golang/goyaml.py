"""YAML of configuration files, read as the API machinery reads it, with goyaml's words for what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any


class YAMLError(Exception):
    """No YAML; begins with `yaml: `."""


def load(data: bytes, *, timestamps: bool = True) -> Any:
    """The first document, its `timestamps` as such or as the text they are. Raises `YAMLError`."""
    import yaml  # costs time that a server without a policy need not spend

    from labs.golang import yaml_depth

    try:
        loader = _loader(timestamps)(data.decode())
    except (UnicodeDecodeError, yaml.reader.ReaderError):
        raise YAMLError("yaml: control characters are not allowed") from None
    try:
        if yaml_depth.too_deep(data, _loader(timestamps)):
            raise YAMLError(f"yaml: {yaml_depth.EXCEEDED}")
        return loader.get_data() if loader.check_data() else None
    except yaml.MarkedYAMLError as error:
        scanning = isinstance(error, yaml.scanner.ScannerError)
        # goyaml counts from the context where there is one; its scanner is one line ahead.
        marks = [mark.line for mark in (error.context_mark, error.problem_mark) if mark and mark.line]
        where = f"line {marks[0] + scanning}: " if marks else ""
        raise YAMLError(f"yaml: {where}{error.problem}") from None
    except (yaml.reader.ReaderError, ValueError, RecursionError) as error:
        raise YAMLError(f"yaml: {error}") from None
    finally:
        loader.dispose()


def repeated_keys(data: bytes) -> list[str]:
    """What the strict reader says of each key that a mapping of the first document has twice."""
    loader = _loader(timestamps=True)(data.decode())
    try:
        return list(_repeated(loader.get_node(), set())) if loader.check_node() else []
    finally:
        loader.dispose()


def _repeated(node: Any, visited: set[int]) -> Iterator[str]:
    """Of a node and those below; one that aliases name again (or that holds itself) is looked at once."""
    import yaml

    if id(node) in visited or isinstance(node, yaml.ScalarNode):
        return
    visited.add(id(node))
    below, seen = node.value, set()
    if isinstance(node, yaml.MappingNode):
        below = [value for _, value in node.value]
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                yield f'line {key.start_mark.line + 1}: key "{key.value}" already set in map'
            seen.add(key.value)
    for each in below:
        yield from _repeated(each, visited)


@cache
def _loader(timestamps: bool) -> Any:
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    if timestamps:
        return base
    resolvers = {
        first: [(tag, pattern) for tag, pattern in found if not tag.endswith(":timestamp")]
        for first, found in base.yaml_implicit_resolvers.items()
    }
    return type("Loader", (base,), {"yaml_implicit_resolvers": resolvers})
