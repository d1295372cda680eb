"""What `kubeadm init` leaves on a control-plane node and `kubeadm join` on a worker, in some milliseconds.

The supervisor calls `write` once, when a node is new. A resumed node keeps its files: the UID of a static
pod is a hash of its manifest, and the certificates in the kubeconfigs belong to the authorities of the node.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labs.nodes import manifests, rootfs
from labs.nodes.files import make_directory, write_file
from labs.nodes.pki import CLIENT, Authority, ClusterPki, Pair, write_kubelet_serving_pair
from labs.nodes.spec import COMPONENTS

POD_SUBNET = "10.244.0.0/16"
SERVICE_SUBNET = "10.96.0.0/16"
SERVICE_ADDRESS = "10.96.0.1"
DNS_ADDRESS = "10.96.0.10"
RUNTIME_ENDPOINT = "unix:///run/containerd/containerd.sock"

#: The API user whose requests are the judge's own, never a student's.
JUDGE = "cks-labs:judge"


@dataclass(frozen=True)
class NodeIdentity:
    """Who a control-plane node is: the names and addresses in its certificates, manifests and flags."""

    cluster: str
    name: str
    address: str
    pod_cidr: str = "10.244.0.0/24"

    @property
    def server(self) -> str:
        """Where the node's own clients find the API server: beside them, whatever its address."""
        return "https://127.0.0.1:6443"


#: The label that makes a node's role, and the taint that keeps pods off it where there are workers for them.
CONTROL_PLANE_ROLE = "node-role.kubernetes.io/control-plane"
CONTROL_PLANE_TAINT = {"effect": "NoSchedule", "key": CONTROL_PLANE_ROLE}


@dataclass(frozen=True)
class Setup:
    """What `kubeadm init` would be told by its configuration file."""

    components: Sequence[str] = COMPONENTS
    """The static pods of the control plane; none for a bare node."""
    audit: bool = False
    """The API server keeps an audit log on the node."""
    kubelet: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the KubeletConfiguration beside kubeadm's."""


#: A node with a kubelet and no control plane.
BARE = Setup(components=())


def write(root: Path, node: NodeIdentity, *, bare: bool = False) -> None:
    """Lay out a new control-plane node below `root`: the distribution's files, kubeadm's and the kubelet's.

    A `bare` node has an empty manifests directory: a kubelet with no control plane.
    """
    rootfs.write(root, hostname=node.name, address=node.address, pod_cidr=node.pod_cidr)
    initialize(root, node, BARE if bare else Setup())


def initialize(root: Path, node: NodeIdentity, setup: Setup) -> None:
    """kubeadm's own part of `write`, on a node that has its distribution's files."""
    kubernetes = make_directory(root / "etc/kubernetes")
    pki = ClusterPki.create()
    pki.write(kubernetes / "pki", node.name, node.address, SERVICE_ADDRESS)
    for file, user, organization in (
        ("admin.conf", "kubernetes-admin", "kubeadm:cluster-admins"),
        ("super-admin.conf", "kubernetes-super-admin", "system:masters"),
        ("kubelet.conf", f"system:node:{node.name}", "system:nodes"),
        ("controller-manager.conf", "system:kube-controller-manager", None),
        ("scheduler.conf", "system:kube-scheduler", None),
    ):
        pair = pki.cluster.issue(user, [CLIENT], organization=organization)
        write_file(kubernetes / file, kubeconfig(node.server, pki.cluster, user, pair), 0o600)

    directory = make_directory(kubernetes / "manifests")
    for component in setup.components:
        manifest = _manifest(component, node, setup)
        write_file(directory / f"{component}.yaml", manifests.to_yaml(manifest), 0o600)
    _write_kubelet(root, node, setup.kubelet, label=f"{CONTROL_PLANE_ROLE}=")


def join(
    root: Path, node: NodeIdentity, control_plane: Path, server: str, kubelet: Mapping[str, Any]
) -> None:
    """Make the node below `root` a worker of the cluster whose control-plane node is below `control_plane`.

    `kubelet` has fields of the KubeletConfiguration beside kubeadm's. The API server is on the node named
    `server`. As on kind's workers there is no administrator's kubeconfig; a manifests directory of its own,
    kubeadm gives it too.
    """
    kubernetes = make_directory(root / "etc/kubernetes")
    make_directory(kubernetes / "manifests")
    authority = Authority.load(control_plane / "etc/kubernetes/pki")
    make_directory(kubernetes / "pki")
    write_file(kubernetes / "pki/ca.crt", authority.certificate_pem)
    user = f"system:node:{node.name}"
    pair = authority.issue(user, [CLIENT], organization="system:nodes")
    url = f"https://{server}:6443"
    write_file(kubernetes / "kubelet.conf", kubeconfig(url, authority, user, pair), 0o600)
    _write_kubelet(root, node, kubelet)


def _manifest(component: str, node: NodeIdentity, setup: Setup) -> manifests.Manifest:
    match component:
        case "etcd":
            return manifests.etcd(node.name, node.address)
        case "kube-apiserver":
            apiserver = manifests.kube_apiserver(node.address, SERVICE_SUBNET)
            return manifests.with_audit(apiserver) if setup.audit else apiserver
        case "kube-controller-manager":
            return manifests.kube_controller_manager(node.cluster, POD_SUBNET, SERVICE_SUBNET)
        case "kube-scheduler":
            return manifests.kube_scheduler()
    raise ValueError(f"kubeadm has no static pod '{component}'")


def write_judge_credentials(root: Path, node: NodeIdentity, directory: Path) -> None:
    """Put ca.crt, client.crt, client.key and a kubeconfig of the user `JUDGE` into `directory`.

    They are for processes outside the node only; `root` is the rootfs of the control-plane node.
    """
    make_directory(directory, 0o700)
    authority = Authority.load(root / "etc/kubernetes/pki")
    pair = authority.issue(JUDGE, [CLIENT], organization="system:masters")
    write_file(directory / "ca.crt", authority.certificate_pem, 0o600)
    pair.write(directory, "client", 0o600)
    write_file(directory / "kubeconfig", kubeconfig(node.server, authority, JUDGE, pair), 0o600)


def write_host_kubeconfig(root: Path, node: NodeIdentity, path: Path, port: int) -> None:
    """Write an administrator's kubeconfig for the host, where the API server is at 127.0.0.1:`port`."""
    authority = Authority.load(root / "etc/kubernetes/pki")
    user, cluster = "kubernetes-admin", f"cks-labs-{node.cluster}"
    pair = authority.issue(user, [CLIENT], organization="kubeadm:cluster-admins")
    write_file(path, kubeconfig(f"https://127.0.0.1:{port}", authority, user, pair, cluster), 0o600)


def kubeconfig(server: str, authority: Authority, user: str, pair: Pair, cluster: str = "kubernetes") -> str:
    """A kubeconfig with everything in it: one cluster, one user, one context called USER@CLUSTER."""
    context = f"{user}@{cluster}"
    return manifests.to_yaml(
        {
            "apiVersion": "v1",
            "clusters": [
                {
                    "cluster": {
                        "certificate-authority-data": _encode(authority.certificate_pem),
                        "server": server,
                    },
                    "name": cluster,
                }
            ],
            "contexts": [{"context": {"cluster": cluster, "user": user}, "name": context}],
            "current-context": context,
            "kind": "Config",
            "users": [
                {
                    "name": user,
                    "user": {
                        "client-certificate-data": _encode(pair.certificate_pem),
                        "client-key-data": _encode(pair.key_pem),
                    },
                }
            ],
        }
    )


def _encode(pem: bytes) -> str:
    return base64.b64encode(pem).decode()


def _write_kubelet(root: Path, node: NodeIdentity, more: Mapping[str, Any], label: str = "") -> None:
    """The kubelet's configuration, flags and serving certificate; `label` is the node's role."""
    state = make_directory(root / "var/lib/kubelet")
    write_kubelet_serving_pair(state / "pki", node.name, node.address)
    write_file(state / "config.yaml", manifests.to_yaml({**_kubelet_configuration(), **more}))
    flags = f"--node-ip={node.address} --node-labels={label}"
    write_file(state / "kubeadm-flags.env", f'KUBELET_KUBEADM_ARGS="{flags}"\n')
    write_file(root / "etc/default/kubelet", "KUBELET_EXTRA_ARGS=\n")


def _kubelet_configuration() -> dict[str, Any]:
    """kubeadm's KubeletConfiguration; a zero duration stands for the kubelet's default."""
    zero = dict.fromkeys(
        (
            "cpuManagerReconcilePeriod",
            "evictionPressureTransitionPeriod",
            "fileCheckFrequency",
            "httpCheckFrequency",
            "imageMaximumGCAge",
            "imageMinimumGCAge",
            "nodeStatusReportFrequency",
            "nodeStatusUpdateFrequency",
            "runtimeRequestTimeout",
            "shutdownGracePeriod",
            "shutdownGracePeriodCriticalPods",
            "streamingConnectionIdleTimeout",
            "syncFrequency",
            "volumeStatsAggPeriod",
        ),
        "0s",
    )
    return zero | {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"cacheTTL": "0s", "enabled": True},
            "x509": {"clientCAFile": f"{manifests.PKI}/ca.crt"},
        },
        "authorization": {
            "mode": "Webhook",
            "webhook": {"cacheAuthorizedTTL": "0s", "cacheUnauthorizedTTL": "0s"},
        },
        "cgroupDriver": "systemd",
        "clusterDNS": [DNS_ADDRESS],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": RUNTIME_ENDPOINT,
        "crashLoopBackOff": {},
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": 10248,
        "kind": "KubeletConfiguration",
        "logging": {
            "flushFrequency": 0,
            "options": {"json": {"infoBufferSize": "0"}, "text": {"infoBufferSize": "0"}},
            "verbosity": 0,
        },
        "memorySwap": {},
        "rotateCertificates": True,
        "staticPodPath": "/etc/kubernetes/manifests",
    }
