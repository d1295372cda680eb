"""YAML of configuration files, read as the API machinery reads it, with goyaml's words for what is wrong."""

from __future__ import annotations

from functools import cache
from typing import Any


class YAMLError(Exception):
    """No YAML; begins with `yaml: `."""


def load(data: bytes, *, timestamps: bool = True) -> Any:
    """The first document, its `timestamps` as such or as the text they are. Raises `YAMLError`."""
    import yaml  # costs time that a server without a policy need not spend

    try:
        loader = _loader(timestamps)(data.decode())
    except (UnicodeDecodeError, yaml.reader.ReaderError):
        raise YAMLError("yaml: control characters are not allowed") from None
    try:
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
