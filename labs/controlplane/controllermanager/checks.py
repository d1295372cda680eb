"""What the real controller manager refuses before it starts, in its order and words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from labs.controlplane import klog
from labs.controlplane.flags import Flags

from .options import ALIASES, KNOWN

#: Loops of which there must be one at least, and of some so many at most, in the order of their checks.
_ENDPOINTS = (
    ("concurrent-service-endpoint-syncs", 50), ("max-endpoints-per-slice", 1000),
    ("mirroring-concurrent-service-endpoint-syncs", 50), ("mirroring-max-endpoints-per-subset", 1000),
)  # fmt: skip
_DAEMONS = ("concurrent-daemonset-syncs", "concurrent-statefulset-syncs")
_WORKERS = (
    "concurrent-ephemeralvolume-syncs", "concurrent-horizontal-pod-autoscaler-syncs", "concurrent-job-syncs",
    "concurrent-cron-job-syncs",
)  # fmt: skip
_CLOUD = (
    "was specified, but built-in cloud providers are disabled. Please set --cloud-provider=external and "
    "migrate to an external cloud provider"
)


def validate(flags: Flags) -> Iterator[str]:
    """What the flags have wrong (`KubeControllerManagerOptions.Validate`)."""
    if flags.switch("leader-elect") and flags.text("leader-elect-resource-lock") != "leases":
        yield 'resourceLock value must be "leases"'
    for name in (word.removeprefix("-") if word != "-*" else "*" for word in flags.words("controllers")):
        if ALIASES.get(name, name) not in KNOWN and (name != "*" or "-*" in flags.words("controllers")):
            yield f'"{name}" is not in the list of known controllers'
    if (provider := flags.text("cloud-provider")) not in ("", "external"):
        klog.warning(
            "plugins.go:89",
            'WARNING: built-in cloud providers are disabled. Please set "--cloud-provider=external" and '
            f'migrate to an external cloud controller manager for provider "{provider}"',
        )
        yield f'cloud provider "{provider}" {_CLOUD}'
    small = flags.seconds("attach-detach-reconcile-sync-period") < 1
    if small and not flags.switch("disable-attach-detach-reconcile-sync"):
        yield (
            "duration time must be greater than one second as set via command line option "
            "reconcile-sync-loop-period"
        )
    yield from _signing_faults(flags)
    yield from _too_few(flags, _DAEMONS)
    for name, most in _ENDPOINTS:
        if (count := flags.number(name)) < 1:
            yield f"{name} must not be less than 1, but got {count}"
        elif count > most:
            yield f"{name} must not be more than {most}, but got {count}"
    yield from _too_few(flags, _WORKERS)
    if flags.text("service-cluster-ip-range").count(",") > 1:
        yield "--service-cluster-ip-range can not contain more than two entries"


def _too_few(flags: Flags, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if (count := flags.number(name)) < 1:
            yield f"{name} must be greater than 0, but got {count}"


def _signing_faults(flags: Flags) -> Iterator[str]:
    """A signer of its own has a certificate and a key, and then there is none for all of them."""
    special = False
    for signer in ("kube-apiserver-client", "kubelet-client", "kubelet-serving", "legacy-unknown"):
        certificate, key = (flags.text(f"cluster-signing-{signer}-{part}-file") for part in ("cert", "key"))
        special = special or bool(certificate or key)
        if bool(certificate) != bool(key):
            given, missing = ("cert", "key") if certificate else ("key", "cert")
            yield f'"cluster-signing-{signer}": cannot specify {given} without {missing}'
    if special and (flags.text("cluster-signing-cert-file") or flags.text("cluster-signing-key-file")):
        yield (
            "cannot specify --cluster-signing-{cert,key}-file and other --cluster-signing-*-file flags at "
            "the same time"
        )
