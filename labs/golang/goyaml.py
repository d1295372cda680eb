"""YAML as Go's programs read and write it, by `yaml_loader` and `yaml_dumper`: loaded when there is any.

A server without a policy or a configuration file need not spend the time that PyYAML's import takes.
"""

from __future__ import annotations


class YAMLError(Exception):
    """No YAML; begins with `yaml: `."""


def load(data: bytes) -> object:
    """The first document of a YAML (or JSON) text, with string keys. Raises `YAMLError`."""
    from labs.golang import yaml_loader

    return yaml_loader.load(data)


def repeated_keys(data: bytes) -> list[str]:
    """What the strict reader says of each key that a mapping of the first document has twice."""
    from labs.golang import yaml_loader

    return yaml_loader.repeated_keys(data)


def dump(value: object) -> str:
    """The document that a value makes, its keys sorted."""
    from labs.golang import yaml_dumper

    return yaml_dumper.dump(value)
