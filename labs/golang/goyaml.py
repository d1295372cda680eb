"""YAML as Go's programs read it, by `yaml_loader`: loaded when there is something to read.

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
