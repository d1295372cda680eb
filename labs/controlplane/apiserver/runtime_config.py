"""What `--runtime-config` may switch: the versions of API groups that this server knows of."""

from __future__ import annotations

from collections.abc import Iterable

from .options import InvalidOptions
from .resources import RESOURCES


def check(settings: Iterable[str]) -> None:
    """Raises `InvalidOptions` for a version that no group of this server has."""
    known = {f"{resource.group}/{resource.version}" for resource in RESOURCES}
    groups = {resource.group for resource in RESOURCES}
    for setting in settings:
        name = setting.partition("=")[0].removeprefix("api/")
        group, _, version = name.partition("/")
        if group in groups and version.startswith("v") and name not in known and not _is_early(version):
            raise InvalidOptions(f"group version {name} that has not been registered")


def _is_early(version: str) -> bool:
    """The real server knows alpha and beta versions that are off; this one has none of them."""
    return "alpha" in version or "beta" in version
