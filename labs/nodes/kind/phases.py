"""kubeadm's own work on kind's own image: PKI, kubeconfigs and manifests of the real control plane.

The configuration is the one that kind generates (`ConfigTemplateBetaV4` in kind's
pkg/cluster/internal/kubeadm/config.go), with an audit log for the evidence and keys as on our other nodes.
It lies where kind's entrypoint looks for it when a restarted node has got another address.
"""

from typing import Any

import yaml

from labs.nodes import manifests
from labs.nodes.kubeadm import POD_SUBNET, RUNTIME_ENDPOINT, SERVICE_SUBNET, NodeIdentity

CONFIGURATION = "kind/kubeadm.conf"
PHASES = ("certs all", "kubeconfig all", "etcd local", "control-plane all", "kubelet-start")


def script() -> str:
    """Shell that runs the phases in the node, in kubeadm's order; the last one starts the kubelet."""
    return " && ".join(f"kubeadm init phase {phase} --config /{CONFIGURATION}" for phase in PHASES)


def configuration(node: NodeIdentity, version: str, kubelet: dict[str, Any]) -> str:
    """kubeadm's configuration file for `node`."""
    api = "kubeadm.k8s.io/v1beta4"
    audit = {"audit-log-maxbackup": "1", "audit-log-maxsize": "100", "audit-log-path": manifests.AUDIT_LOG}
    audit |= {"audit-policy-file": manifests.AUDIT_POLICY}
    directories = {"audit-log": manifests.AUDIT_LOG, "audit-policy": manifests.AUDIT_POLICY}
    volumes = [
        {
            "name": name,
            "hostPath": (directory := path.rpartition("/")[0]),
            "mountPath": directory,
            "pathType": "DirectoryOrCreate",
            "readOnly": name == "audit-policy",
        }
        for name, path in directories.items()
    ]
    cluster = {
        "apiVersion": api,
        "kind": "ClusterConfiguration",
        "kubernetesVersion": version,
        "clusterName": node.cluster,
        "controlPlaneEndpoint": f"{node.name}:6443",
        "encryptionAlgorithm": "ECDSA-P256",
        "apiServer": {
            "certSANs": ["localhost", "127.0.0.1"],
            "extraArgs": _arguments(audit),
            "extraVolumes": volumes,
        },
        "controllerManager": {"extraArgs": _arguments({"enable-hostpath-provisioner": "true"})},
        "networking": {"podSubnet": POD_SUBNET, "serviceSubnet": SERVICE_SUBNET},
    }
    init = {
        "apiVersion": api,
        "kind": "InitConfiguration",
        "localAPIEndpoint": {"advertiseAddress": node.address, "bindPort": 6443},
        "nodeRegistration": {
            "criSocket": RUNTIME_ENDPOINT,
            "name": node.name,
            "kubeletExtraArgs": _arguments(
                {"node-ip": node.address, "node-labels": "node-role.kubernetes.io/control-plane="}
            ),
        },
    }
    own = {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", **kubelet}
    return str(yaml.safe_dump_all([cluster, init, own], sort_keys=False))


def _arguments(flags: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in flags.items()]
