"""What `--runtime-config` may switch: the versions of API groups that this server knows of."""

from __future__ import annotations

from collections.abc import Iterable

from labs.controlplane.flagvalues import boolean

from .options import InvalidOptions
from .resources import RESOURCES


def check(settings: Iterable[str]) -> None:
    """Raises `InvalidOptions` for a version that no group of this server has."""
    known = {f"{resource.group}/{resource.version}" for resource in RESOURCES}
    groups = {resource.group for resource in RESOURCES}
    for setting in settings:
        key, given, value = setting.partition("=")
        if given:
            _check_switch(key, value)
        name = key.removeprefix("api/")
        group, _, version = name.partition("/")
        if group in groups and version.startswith("v") and name not in known and not _is_early(version):
            raise InvalidOptions(f"group version {name} that has not been registered")


def _check_switch(key: str, value: str) -> None:
    try:
        boolean(value)
    except ValueError as error:
        whole = key in ("api/all", "api/ga", "api/beta", "api/alpha")
        told = f"invalid value {key}={value}" if whole else f"invalid value of {key}: {value}, err: {error}"
        raise InvalidOptions(told) from None


def _is_early(version: str) -> bool:
    """The real server knows alpha and beta versions that are off; this one has none of them."""
    return "alpha" in version or "beta" in version
