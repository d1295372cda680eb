"""Flags that all components have, and what of them the real ones refuse: gates, logs, metrics, versions.

Follows `k8s.io/component-base` (`featuregate`, `logs/api/v1`, `metrics`, `compatibility`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from labs.golang import pem

from .flags import Flags
from .flagvalues import boolean

#: Minor versions of Kubernetes 1 that this one can be told to be like.
_OLDEST, _NEWEST = 33, 36


class ServerFlagError(Exception):
    """A flag has a value that the component does not start with; the message is the real one's."""


def logging_faults(flags: Flags) -> Iterator[str]:
    """What `logsapi.Validate` finds."""
    kind = flags.text("logging-format")
    if kind not in ("text", "json", ""):
        yield f'format: Invalid value: "{kind}": Unsupported log format'
    if flags.seconds("log-flush-frequency") < 0:
        text = flags.text("log-flush-frequency")
        yield f'flushFrequency: Invalid value: "{text}": Must be greater than zero'
    if flags.switch("log-text-split-stream"):
        yield "options.text.splitStream: Forbidden: Feature LoggingAlphaOptions is disabled"


def check_gates(text: str) -> None:
    """`--feature-gates`; one that nobody knows is only warned of. Raises `ServerFlagError`."""
    for pair in filter(None, text.split(",")):
        name, given, value = pair.partition("=")
        if not given:
            raise ServerFlagError(f"missing bool value for {name}")
        component, colon, name = name.rpartition(":")
        if colon and component != "kube":
            raise ServerFlagError(f"component not registered: {component}")
        try:
            boolean(value)
        except ValueError as error:
            raise ServerFlagError(f"invalid value of {name}={value}, err: {error}") from None


def metrics_faults(flags: Flags) -> Iterator[str]:
    """What `metrics.Validate` finds."""
    shown, previous = flags.text("show-hidden-metrics-for-version"), f"1.{_NEWEST - 1}"
    if shown not in ("", previous):
        yield (
            f'metrics.showHiddenMetricsForVersion: Invalid value: "{shown}": must be omitted or have the '
            f"value '{previous}'; only the previous minor version is allowed"
        )
    if path := flags.text("allow-metric-labels-manifest"):
        try:
            pem.read(path)
        except pem.PEMError as error:
            yield (
                f'metrics.allowListMappingManifest: Invalid value: "{path}": failed to read allow list '
                f"manifest: {error}"
            )


def version_faults(flags: Flags) -> Iterator[str]:
    """What is wrong with the versions to be like and to be compatible with. Raises `ServerFlagError`."""
    like, compatible = (_version(flags, f"{name}-version") for name in ("emulated", "min-compatibility"))
    if like and not _OLDEST <= like[1] <= _NEWEST:
        yield f"emulation version {_shown(like)} is not between [1.{_OLDEST}, 1.{_NEWEST}.0]"
    newest, least = like or (1, _NEWEST), compatible or (1, _OLDEST)
    if not (1, _OLDEST) <= least <= newest:
        span = f"[1.{_OLDEST}, {_shown(newest)}]"
        yield f"minCompatibilityVersion version {_shown(least)} is not between {span}"


def _version(flags: Flags, name: str) -> tuple[int, int] | None:
    found = None
    for word in flags.words(name):
        text = word.rpartition("=")[2]
        match = re.fullmatch(r"v?(\d+)\.(\d+)(?:\.\d+)?", text)
        if match is None:
            raise ServerFlagError(f'could not parse "{text}" as version')
        found = int(match[1]), int(match[2])
    return found


def _shown(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
