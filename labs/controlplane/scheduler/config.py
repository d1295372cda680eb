"""What the scheduler is configured with: its flags, or the file that `--config` names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from labs.controlplane.client import Election
from labs.controlplane.component import StartError
from labs.controlplane.flags import Flags
from labs.golang.duration import duration

from . import configfile
from .plugins import FILTERS, registry

Object = dict[str, Any]
DEFAULT_SCHEDULER = "default-scheduler"


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
            return cls.read(path)
        return cls(
            flags.text("kubeconfig"),
            flags.switch("leader-elect"),
            flags.text("leader-elect-lease-duration"),
            flags.text("leader-elect-renew-deadline"),
            flags.text("leader-elect-retry-period"),
            flags.text("leader-elect-resource-name"),
            flags.text("leader-elect-resource-namespace"),
        )

    @classmethod
    def read(cls, path: str) -> Configuration:
        """From a file. Raises `StartError`."""
        document = configfile.read(path)
        election, client = document["leaderElection"], document.get("clientConnection", {})
        return cls(
            client.get("kubeconfig", ""),
            election["leaderElect"],
            election["leaseDuration"],
            election["renewDeadline"],
            election["retryPeriod"],
            election["resourceName"],
            election["resourceNamespace"],
            document["parallelism"],
            document["podInitialBackoffSeconds"],
            document["podMaxBackoffSeconds"],
            tuple(map(_profile, document.get("profiles") or [{}])),
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
            "apiVersion": configfile.VERSION,
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


def _profile(profile: Object) -> Profile:
    name, plugins = profile.get("schedulerName", DEFAULT_SCHEDULER), profile.get("plugins", {})
    if why := registry.fault(name, plugins):
        raise StartError(f"initializing profiles: creating profile for scheduler name {name}: {why}")
    filters = registry.enabled(plugins, "filter")
    return Profile(name, frozenset(each.name for each in FILTERS if each.name not in filters))
