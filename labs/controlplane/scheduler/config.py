"""`--config`: a KubeSchedulerConfiguration, read strictly (`kubescheduler.config.k8s.io/v1`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from labs.controlplane.client import Election
from labs.controlplane.component import StartError
from labs.controlplane.flags import Flags
from labs.controlplane.flagvalues import duration

from .plugins import FILTERS

Object = dict[str, Any]
GROUP = "kubescheduler.config.k8s.io"
DEFAULT_SCHEDULER = "default-scheduler"

_CLIENT = frozenset(("kubeconfig", "acceptContentTypes", "contentType", "qps", "burst"))
_ELECTION = frozenset(
    (
        *("leaderElect", "leaseDuration", "renewDeadline", "retryPeriod"),
        *("resourceLock", "resourceName", "resourceNamespace"),
    )
)
_TOP = frozenset(
    (
        *("apiVersion", "kind", "parallelism", "leaderElection", "clientConnection", "enableProfiling"),
        *("enableContentionProfiling", "percentageOfNodesToScore", "podInitialBackoffSeconds"),
        *("podMaxBackoffSeconds", "profiles", "extenders", "delayCacheUntilActive"),
    )
)
_PROFILE = frozenset(("schedulerName", "percentageOfNodesToScore", "plugins", "pluginConfig"))


@dataclass(frozen=True)
class Profile:
    """One scheduler's name, and the filters that are turned off for its pods."""

    name: str = DEFAULT_SCHEDULER
    disabled: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Configuration:
    """What is served of it."""

    kubeconfig: str = ""
    leader_elect: bool = True
    lease_duration: str = "15s"
    renew_deadline: str = "10s"
    retry_period: str = "2s"
    resource_name: str = "kube-scheduler"
    resource_namespace: str = "kube-system"
    parallelism: int = 16
    first_backoff: int = 1
    longest_backoff: int = 10
    profiles: tuple[Profile, ...] = (Profile(),)

    @classmethod
    def of(cls, flags: Flags) -> Configuration:
        """From the flags, or, where there is a file, from it alone. Raises `StartError`."""
        if path := flags.text("config"):
            return _read(path)
        return cls(
            flags.text("kubeconfig"),
            flags.switch("leader-elect"),
            flags.text("leader-elect-lease-duration"),
            flags.text("leader-elect-renew-deadline"),
            flags.text("leader-elect-retry-period"),
            flags.text("leader-elect-resource-name"),
            flags.text("leader-elect-resource-namespace"),
        )

    def election(self, identity: str) -> Election:
        """What is elected for."""
        return Election(
            self.resource_namespace,
            self.resource_name,
            identity,
            duration(self.lease_duration),
            duration(self.renew_deadline),
            duration(self.retry_period),
        )

    def document(self) -> Object:
        """The configuration as `/configz` shows it."""
        return {
            "kind": "KubeSchedulerConfiguration",
            "apiVersion": f"{GROUP}/v1",
            "parallelism": self.parallelism,
            "leaderElection": {
                "leaderElect": self.leader_elect,
                "leaseDuration": self.lease_duration,
                "renewDeadline": self.renew_deadline,
                "retryPeriod": self.retry_period,
                "resourceLock": "leases",
                "resourceName": self.resource_name,
                "resourceNamespace": self.resource_namespace,
            },
            "clientConnection": {"kubeconfig": self.kubeconfig},
            "podInitialBackoffSeconds": self.first_backoff,
            "podMaxBackoffSeconds": self.longest_backoff,
            "profiles": [{"schedulerName": profile.name} for profile in self.profiles],
        }


def _read(path: str) -> Configuration:
    try:
        text = Path(path).read_text()
    except OSError as error:
        raise StartError(f"open {path}: {(error.strerror or '').lower()}") from None
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise StartError(f"yaml: {where}{getattr(error, 'problem', error)}") from None
    if not isinstance(document, dict) or not document.get("kind"):
        raise StartError(f"Object 'Kind' is missing in '{text}'")
    kind, version = document["kind"], document.get("apiVersion", "")
    if (kind, version) != ("KubeSchedulerConfiguration", f"{GROUP}/v1"):
        raise StartError(
            f'no kind "{kind}" is registered for version "{version}" in scheme '
            '"k8s.io/kubernetes/pkg/scheduler/apis/config/scheme/scheme.go:29"'
        )
    _refuse_unknown("", document, _TOP)
    client, election = document.get("clientConnection") or {}, document.get("leaderElection") or {}
    _refuse_unknown("clientConnection.", client, _CLIENT)
    _refuse_unknown("leaderElection.", election, _ELECTION)
    profiles = tuple(_profile(index, each) for index, each in enumerate(document.get("profiles") or [{}]))
    base = Configuration()
    found = replace(
        base,
        kubeconfig=client.get("kubeconfig", ""),
        leader_elect=election.get("leaderElect", True),
        lease_duration=election.get("leaseDuration", base.lease_duration),
        renew_deadline=election.get("renewDeadline", base.renew_deadline),
        retry_period=election.get("retryPeriod", base.retry_period),
        resource_name=election.get("resourceName", base.resource_name),
        resource_namespace=election.get("resourceNamespace", base.resource_namespace),
        parallelism=document.get("parallelism", base.parallelism),
        first_backoff=document.get("podInitialBackoffSeconds", base.first_backoff),
        longest_backoff=document.get("podMaxBackoffSeconds", base.longest_backoff),
        profiles=profiles,
    )
    _validate(found)
    return found


def _profile(index: int, profile: Object) -> Profile:
    _refuse_unknown(f"profiles[{index}].", profile, _PROFILE)
    plugins = profile.get("plugins") or {}
    off = {
        str(plugin.get("name"))
        for point in ("filter", "multiPoint")
        for plugin in (plugins.get(point) or {}).get("disabled") or ()
    }
    known = {each.name for each in FILTERS}
    return Profile(profile.get("schedulerName", DEFAULT_SCHEDULER), frozenset(known if "*" in off else off))


def _refuse_unknown(prefix: str, section: Object, known: frozenset[str]) -> None:
    unknown = [f'unknown field "{prefix}{name}"' for name in section if name not in known]
    if unknown:
        raise StartError(f"strict decoding error: {', '.join(unknown)}")


def _validate(configuration: Configuration) -> None:
    faults = []
    if configuration.parallelism <= 0:
        value = f"Invalid value: {configuration.parallelism}"
        faults.append(f"parallelism: {value}: should be an integer value greater than zero")
    for text in (configuration.lease_duration, configuration.renew_deadline, configuration.retry_period):
        try:
            duration(str(text))
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise StartError(faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]")
