"""YAML as goyaml.v2 writes it below sigs.k8s.io/yaml."""

from typing import Any

import yaml

_TEXT = "tag:yaml.org,2002:str"


class _Dumper(yaml.SafeDumper):
    """Text of several lines is shown as such, and in two strokes what would be read as something else."""


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    tag = dumper.resolve(yaml.ScalarNode, value, (True, False))  # type: ignore[no-untyped-call]
    style = "|" if "\n" in value else '"' if tag != _TEXT or value in "ynYN" else None
    return dumper.represent_scalar(_TEXT, value, style)


_Dumper.add_representer(str, _text)


def dump(value: Any) -> str:
    """A document, its keys sorted."""
    return str(yaml.dump(value, Dumper=_Dumper, default_flow_style=False, allow_unicode=True))
