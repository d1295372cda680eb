"""The file that `--config` names: a KubeSchedulerConfiguration, decoded and judged as the real one does.

Mirrors `cmd/kube-scheduler/app/options/configfile.go` and `pkg/scheduler/apis/config/validation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from labs.controlplane.component import StartError
from labs.golang.configfile import ConfigError, Format, duplicate, invalid, required
from labs.golang.duration import duration

from .plugins.registry import POINTS

Object = dict[str, Any]
GROUP = "kubescheduler.config.k8s.io"
VERSION = f"{GROUP}/v1"
DEFAULTS: Mapping[str, Any] = {
    "parallelism": 16,
    "podInitialBackoffSeconds": 1,
    "podMaxBackoffSeconds": 10,
}
ELECTION: Mapping[str, Any] = {
    "leaderElect": True,
    "leaseDuration": "15s",
    "renewDeadline": "10s",
    "retryPeriod": "2s",
    "resourceLock": "leases",
    "resourceName": "kube-scheduler",
    "resourceNamespace": "kube-system",
}
_DURATIONS = ("leaseDuration", "renewDeadline", "retryPeriod")

_SCHEME = "k8s.io/kubernetes/pkg/scheduler/apis/config/scheme/scheme.go:29"
_GO = {
    "LeaderElectionConfiguration": "v1alpha1.LeaderElectionConfiguration",
    "ClientConnectionConfiguration": "v1alpha1.ClientConnectionConfiguration",
    **{
        name: f"v1.{name}"
        for name in ("KubeSchedulerProfile", "Plugins", "PluginSet", "Plugin", "PluginConfig", "Extender")
    },
}
_FORMAT = Format(
    VERSION,
    "KubeSchedulerConfiguration",
    {
        "KubeSchedulerConfiguration": {
            "parallelism": "int32",
            "leaderElection": "LeaderElectionConfiguration",
            "clientConnection": "ClientConnectionConfiguration",
            "enableProfiling": "bool", "enableContentionProfiling": "bool",
            "percentageOfNodesToScore": "int32", "podInitialBackoffSeconds": "int64",
            "podMaxBackoffSeconds": "int64", "profiles": "[]KubeSchedulerProfile",
            "extenders": "[]Extender", "delayCacheUntilActive": "bool",
        },
        "LeaderElectionConfiguration": {
            "leaderElect": "bool", **dict.fromkeys(_DURATIONS, "duration"),
            "resourceLock": "string", "resourceName": "string", "resourceNamespace": "string",
        },
        "ClientConnectionConfiguration": {
            "kubeconfig": "string", "acceptContentTypes": "string", "contentType": "string",
            "qps": "float32", "burst": "int32",
        },
        "KubeSchedulerProfile": {
            "schedulerName": "string", "percentageOfNodesToScore": "int32", "plugins": "Plugins",
            "pluginConfig": "[]PluginConfig",
        },
        "Plugins": dict.fromkeys((*POINTS, "multiPoint"), "PluginSet"),
        "PluginSet": {"enabled": "[]Plugin", "disabled": "[]Plugin"},
        "Plugin": {"name": "string", "weight": "int32"},
        "PluginConfig": {"name": "string", "args": "any"},
        "Extender": {
            "urlPrefix": "string", "filterVerb": "string", "preemptVerb": "string",
            "prioritizeVerb": "string", "weight": "int64", "bindVerb": "string", "enableHTTPS": "bool",
            "tlsConfig": "any", "httpTimeout": "duration", "nodeCacheCapable": "bool",
            "managedResources": "any", "ignorable": "bool",
        },
    },
    _SCHEME,
    _GO,
    inlined=dict.fromkeys(("enableProfiling", "enableContentionProfiling"), "DebuggingConfiguration"),
)  # fmt: skip


def read(path: str) -> Object:
    """The document with its defaults. Raises `StartError` for one that the scheduler would not start with."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise StartError(f"open {path}: {(error.strerror or '').lower()}") from None
    try:
        document = _FORMAT.strict(data)
    except ConfigError as error:
        raise StartError(str(error)) from None
    document = {**DEFAULTS, **document, "leaderElection": _election(document)}
    if faults := [*_faults(document)]:
        raise StartError(faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]")
    return document


def _election(document: Object) -> Object:
    """What is given of it, and defaults for the rest and for what is zero."""
    given = document.get("leaderElection", {})
    kept = {
        name: value
        for name, value in given.items()
        if value != "" and not (name in _DURATIONS and duration(value) == 0)
    }
    return {**ELECTION, **kept}


def _faults(document: Object) -> Iterator[str]:
    """`ValidateKubeSchedulerConfiguration`."""
    burst = document.get("clientConnection", {}).get("burst", 0)
    if burst < 0:
        yield invalid("clientConnection.burst", burst, "must be non-negative")
    if document["leaderElection"]["leaderElect"]:
        yield from _election_faults(document["leaderElection"])
    if (parallelism := document["parallelism"]) <= 0:
        yield invalid("parallelism", parallelism, "should be an integer value greater than zero")
    yield from _profile_faults(document.get("profiles", []))
    yield from _percentage_faults("percentageOfNodesToScore", document)
    first, longest = document["podInitialBackoffSeconds"], document["podMaxBackoffSeconds"]
    if first <= 0:
        yield invalid("podInitialBackoffSeconds", first, "must be greater than 0")
    if longest < first:
        why = "must be greater than or equal to PodInitialBackoffSeconds"
        yield invalid("podMaxBackoffSeconds", longest, why)
    yield from _extender_faults(document.get("extenders", []))


def _election_faults(election: Object) -> Iterator[str]:
    for name in _DURATIONS:
        if duration(election[name]) < 0:
            yield invalid(f"leaderElection.{name}", election[name], "must be greater than zero")
    if duration(election["leaseDuration"]) < duration(election["renewDeadline"]):
        why = "must be greater than `RenewDeadline`"
        yield invalid("leaderElection.leaseDuration", election["renewDeadline"], why)
    if election["resourceLock"] != "leases":
        why = 'resourceLock value must be "leases"'
        yield invalid("leaderElection.resourceLock", election["resourceLock"], why)


def _profile_faults(profiles: list[Object]) -> Iterator[str]:
    seen: set[str] = set()
    for index, profile in enumerate(profiles):
        path = f"profiles[{index}]"
        name = profile.get("schedulerName", "")
        if not name and not (len(profiles) == 1 and "schedulerName" not in profile):
            yield required(f"{path}.schedulerName")
        yield from _percentage_faults(f"{path}.percentageOfNodesToScore", profile)
        configured: set[str] = set()
        for number, plugin in enumerate(profile.get("pluginConfig", [])):
            if (plugin_name := plugin.get("name", "")) in configured:
                yield duplicate(f"{path}.pluginConfig[{number}]", plugin_name)
            configured.add(plugin_name)
        if name in seen:
            yield duplicate(f"{path}.schedulerName", {})
        seen.add(name)


def _percentage_faults(path: str, section: Object) -> Iterator[str]:
    value = section.get("percentageOfNodesToScore", 0)
    if not 0 <= value <= 100:
        yield invalid(path, value, "not in valid range [0-100]")


def _extender_faults(extenders: list[Object]) -> Iterator[str]:
    for index, extender in enumerate(extenders):
        if extender.get("prioritizeVerb") and extender.get("weight", 0) <= 0:
            why = "must have a positive weight applied to it"
            yield invalid(f"extenders[{index}].weight", extender.get("weight", 0), why)
    binders = sum(1 for extender in extenders if extender.get("bindVerb"))
    if binders > 1:
        found = f"found {binders} extenders implementing bind"
        yield invalid("extenders", found, "only one extender can implement bind")
