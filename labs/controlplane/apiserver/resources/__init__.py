"""The kinds that are served."""

from __future__ import annotations

from ._core import CORE
from ._groups import GROUPS
from ._types import ALL_VERBS, Resource, Subresource

__all__ = ["ALL_VERBS", "BY_PATH", "RESOURCES", "Resource", "Subresource", "core", "served"]

RESOURCES: tuple[Resource, ...] = (*CORE, *GROUPS)
BY_PATH: dict[tuple[str, str, str], Resource] = {(r.group, r.version, r.plural): r for r in RESOURCES}


def core(plural: str) -> Resource:
    """A resource of the core group, by the name that is known to be served."""
    return BY_PATH["", "v1", plural]


def served(group: str, plural: str) -> Resource:
    """A resource of a named group, by the name that is known to be served."""
    return next(r for r in RESOURCES if (r.group, r.plural) == (group, plural))
