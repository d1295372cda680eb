"""The flags of `kube-controller-manager`, and what of them is checked before it starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from labs.controlplane.flags import Flags, FlagSet

FLAGS = FlagSet.of("kube-controller-manager", Path(__file__).with_name("usage.txt"))

#: All controllers that the real one has, by the names for `--controllers`.
KNOWN = frozenset(
    (
        *("bootstrap-signer-controller", "certificatesigningrequest-approving-controller"),
        *("certificatesigningrequest-cleaner-controller", "certificatesigningrequest-signing-controller"),
        *("cloud-node-lifecycle-controller", "clusterrole-aggregation-controller", "cronjob-controller"),
        *("daemonset-controller", "deployment-controller", "device-taint-eviction-controller"),
        *("disruption-controller", "endpoints-controller", "endpointslice-controller"),
        *("endpointslice-mirroring-controller", "ephemeral-volume-controller"),
        *("garbage-collector-controller", "horizontal-pod-autoscaler-controller", "job-controller"),
        "kube-apiserver-serving-clustertrustbundle-publisher-controller",
        *("legacy-serviceaccount-token-cleaner-controller", "namespace-controller", "node-ipam-controller"),
        *("node-lifecycle-controller", "node-route-controller"),
        *("persistentvolume-attach-detach-controller", "persistentvolume-binder-controller"),
        *("persistentvolume-expander-controller", "persistentvolume-protection-controller"),
        *("persistentvolumeclaim-protection-controller", "pod-garbage-collector-controller"),
        *("podcertificaterequest-cleaner-controller", "podgroup-protection-controller"),
        *("replicaset-controller", "replicationcontroller-controller", "resourceclaim-controller"),
        *("resourcepoolstatusrequest-controller", "resourcequota-controller"),
        *("root-ca-certificate-publisher-controller", "selinux-warning-controller"),
        *("service-ca-certificate-publisher-controller", "service-cidr-controller"),
        *("service-lb-controller", "serviceaccount-controller", "serviceaccount-token-controller"),
        *("statefulset-controller", "storage-version-migrator-controller"),
        *("storageversion-garbage-collector-controller", "taint-eviction-controller"),
        *("token-cleaner-controller", "ttl-after-finished-controller", "ttl-controller"),
        *("validatingadmissionpolicy-status-controller", "volumeattributesclass-protection-controller"),
    )
)
#: What controllers were called before all names ended in `-controller`.
ALIASES = {
    "attachdetach": "persistentvolume-attach-detach-controller",
    "bootstrapsigner": "bootstrap-signer-controller",
    "cloud-node-lifecycle": "cloud-node-lifecycle-controller",
    "clusterrole-aggregation": "clusterrole-aggregation-controller",
    "cronjob": "cronjob-controller",
    "csrapproving": "certificatesigningrequest-approving-controller",
    "csrcleaner": "certificatesigningrequest-cleaner-controller",
    "csrsigning": "certificatesigningrequest-signing-controller",
    "daemonset": "daemonset-controller",
    "deployment": "deployment-controller",
    "disruption": "disruption-controller",
    "endpoint": "endpoints-controller",
    "endpointslice": "endpointslice-controller",
    "endpointslicemirroring": "endpointslice-mirroring-controller",
    "ephemeral-volume": "ephemeral-volume-controller",
    "garbagecollector": "garbage-collector-controller",
    "horizontalpodautoscaling": "horizontal-pod-autoscaler-controller",
    "job": "job-controller",
    "namespace": "namespace-controller",
    "nodeipam": "node-ipam-controller",
    "nodelifecycle": "node-lifecycle-controller",
    "persistentvolume-binder": "persistentvolume-binder-controller",
    "persistentvolume-expander": "persistentvolume-expander-controller",
    "podgc": "pod-garbage-collector-controller",
    "pv-protection": "persistentvolume-protection-controller",
    "pvc-protection": "persistentvolumeclaim-protection-controller",
    "replicaset": "replicaset-controller",
    "replicationcontroller": "replicationcontroller-controller",
    "resourcequota": "resourcequota-controller",
    "root-ca-cert-publisher": "root-ca-certificate-publisher-controller",
    "serviceaccount": "serviceaccount-controller",
    "serviceaccount-token": "serviceaccount-token-controller",
    "statefulset": "statefulset-controller",
    "tokencleaner": "token-cleaner-controller",
    "ttl": "ttl-controller",
    "ttl-after-finished": "ttl-after-finished-controller",
}


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


def is_enabled(controller: str, flags: Flags, *, by_default: bool = True) -> bool:
    """Whether `--controllers` wants a controller: the last word about it counts, then the star's."""
    star = False
    for word in flags.words("controllers"):
        name = word.removeprefix("-")
        if ALIASES.get(name, name) == controller:
            return not word.startswith("-")
        star = star or word == "*"
    return star and by_default
