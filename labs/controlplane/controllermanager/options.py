"""The flags of `kube-controller-manager`, and which controllers they want."""

from __future__ import annotations

from pathlib import Path

from labs.controlplane.flags import Flag, Flags, FlagSet

FLAGS = FlagSet.of(
    "kube-controller-manager",
    Path(__file__).with_name("usage.txt"),
    hidden=[
        Flag("allow-untagged-cloud", "bool", optional=True),
        Flag("node-sync-period", "duration"),
    ],
    deprecated={
        "allow-untagged-cloud": "This flag is deprecated and will be removed in a future release. A "
        "cluster-id will be required on cloud instances.",
        "node-sync-period": "This flag is currently no-op and will be deleted.",
    },
)

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


def is_enabled(controller: str, flags: Flags, *, by_default: bool = True) -> bool:
    """Whether `--controllers` wants a controller: the last word about it counts, then the star's."""
    star = False
    for word in flags.words("controllers"):
        name = word.removeprefix("-")
        if ALIASES.get(name, name) == controller:
            return not word.startswith("-")
        star = star or word == "*"
    return star and by_default
