"""What `/configz` answers: the flags as the KubeControllerManagerConfiguration they are."""

from __future__ import annotations

from typing import Any

from labs.controlplane.flags import Flags

_GROUP = "kubecontrollermanager.config.k8s.io"


def configuration(flags: Flags) -> dict[str, Any]:
    """The parts that the flags of kubeadm's manifest set."""
    generic = {
        "ClientConnection": {"kubeconfig": flags.text("kubeconfig")},
        "LeaderElection": {
            "leaderElect": flags.switch("leader-elect"),
            "leaseDuration": flags.text("leader-elect-lease-duration"),
            "renewDeadline": flags.text("leader-elect-renew-deadline"),
            "retryPeriod": flags.text("leader-elect-retry-period"),
            "resourceLock": flags.text("leader-elect-resource-lock"),
            "resourceName": flags.text("leader-elect-resource-name"),
            "resourceNamespace": flags.text("leader-elect-resource-namespace"),
        },
        "Controllers": flags.words("controllers"),
    }
    shared = {
        "UseServiceAccountCredentials": flags.switch("use-service-account-credentials"),
        "NodeMonitorPeriod": flags.text("node-monitor-period"),
        "ClusterName": flags.text("cluster-name"),
        "ClusterCIDR": flags.text("cluster-cidr"),
        "AllocateNodeCIDRs": flags.switch("allocate-node-cidrs"),
    }
    signing = {
        "ClusterSigningCertFile": flags.text("cluster-signing-cert-file"),
        "ClusterSigningKeyFile": flags.text("cluster-signing-key-file"),
    }
    accounts = {
        "ServiceAccountKeyFile": flags.text("service-account-private-key-file"),
        "RootCAFile": flags.text("root-ca-file"),
    }
    return {
        _GROUP: {
            "kind": "KubeControllerManagerConfiguration",
            "apiVersion": f"{_GROUP}/v1alpha1",
            "Generic": generic,
            "KubeCloudShared": shared,
            "CSRSigningController": signing,
            "NodeIPAMController": {"ServiceCIDR": flags.text("service-cluster-ip-range")},
            "SAController": accounts,
        }
    }
