"""What a new node gets beside its image: kubeadm's files, a network for pods, and units that fit its engine.

Written on this machine into a temporary directory, carried over as one archive while the node's systemd
still boots, and put to work by one script. On kind's own image the real control plane is kubeadm's work
(`labs.nodes.kind.phases`).
"""

import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labs.nodes import kubeadm, manifests
from labs.nodes.files import write_file
from labs.nodes.kind import phases
from labs.nodes.kubeadm import NodeIdentity, Setup
from labs.nodes.network import pod_cidr
from labs.nodes.spec import BUNDLED, KUBELET, REAL, Spec

#: kind's nodes keep the pods' cgroups below this one of their own, whichever kubelet runs.
CGROUP_ROOT = "/kubelet"
CNI = "etc/cni/net.d/10-kindnet.conflist"
DROP_IN = "etc/systemd/system/kubelet.service.d/20-cks-labs.conf"
PREPARE_KUBELET = "opt/cks-labs/bin/prepare-kubelet"

#: Before each start of a kubelet on an image of Debian's; kind's has its own way to do the same.
_PREPARE_KUBELET = f"""\
#!/bin/sh
# A kubelet reads the kernel's messages, and a container that is not privileged has no /dev/kmsg.
[ -e /dev/kmsg ] || ln -s /dev/console /dev/kmsg
# The kubelet's own root in each hierarchy of cgroups.
cd /sys/fs/cgroup
if [ -e cgroup.controllers ]; then
  mkdir -p .{CGROUP_ROOT}
  for controller in $(cat cgroup.controllers); do
    for group in . .{CGROUP_ROOT}; do echo "+$controller" >"$group/cgroup.subtree_control"; done
  done
else
  for hierarchy in */; do mkdir -p "$hierarchy{CGROUP_ROOT}"; done
  # no process can enter a cpuset that has no processors and no memory
  for file in cpuset.cpus cpuset.mems; do cat "cpuset/$file" >"cpuset{CGROUP_ROOT}/$file"; done
fi
exit 0
"""
#: Who may do everything by `admin.conf`: kubeadm makes this binding as soon as an API server answers.
ADMIN_BINDING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "kubeadm:cluster-admins"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    "subjects": [
        {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "kubeadm:cluster-admins"}
    ],
}


@dataclass(frozen=True)
class Ground:
    """What provisioning depends on beside the spec: the image and the daemon's machine."""

    debian: bool
    """The image is made of Debian's packages; otherwise it is kind's."""
    cgroup: int
    kubernetes: str
    """The version of the image's own components."""


def by_kubeadm(spec: Spec, ground: Ground, *, bare: bool) -> bool:
    """Whether kubeadm, in the node, makes PKI and manifests: only kind's image has it."""
    return not ground.debian and spec.control_plane == REAL and not bare


def setup(spec: Spec, ground: Ground, *, bare: bool) -> Setup:
    """What `kubeadm init` would be told for such a node."""
    kubelet = plane_kubelet_configuration(spec, ground)
    return Setup(components=() if bare else spec.components, audit=True, kubelet=kubelet)


def plane_kubelet_configuration(spec: Spec, ground: Ground) -> dict[str, Any]:
    """That of the control plane's node, which other pods keep off where there are workers for them."""
    tainted = {"registerWithTaints": [kubeadm.CONTROL_PLANE_TAINT]} if spec.workers else {}
    return {**kubelet_configuration(spec, ground), **tainted}


def kubelet_configuration(spec: Spec, ground: Ground) -> dict[str, Any]:
    """The fields that kind sets, and what an old machine asks for.

    Disks are not the kubelet's to tidy: it would see those of the machine around the node.
    """
    fields: dict[str, Any] = {
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": CGROUP_ROOT,
        "evictionHard": {"imagefs.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%"},
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 100,
    }
    if spec.engine == KUBELET and ground.cgroup == 1:
        fields["failCgroupV1"] = False
    if spec.engine == KUBELET and spec.control_plane == BUNDLED:
        fields["contentType"] = "application/json"  # all that the bundled API server writes
    return fields


def write(root: Path, node: NodeIdentity, spec: Spec, ground: Ground, *, bare: bool) -> None:
    """Lay out below `root` all files of a new node."""
    if by_kubeadm(spec, ground, bare=bare):
        kubelet = plane_kubelet_configuration(spec, ground)
        write_file(root / phases.CONFIGURATION, phases.configuration(node, ground.kubernetes, kubelet))
    else:
        kubeadm.initialize(root, node, setup(spec, ground, bare=bare))
    write_file(root / manifests.AUDIT_POLICY.lstrip("/"), manifests.to_yaml(audit_policy()))
    _write_units(root, node, spec, ground)


def write_worker(
    root: Path, node: NodeIdentity, plane: Path, server: str, spec: Spec, ground: Ground
) -> None:
    """Lay out below `root` all files of a worker; below `plane` is the PKI of the control plane's node."""
    kubeadm.join(root, node, plane, server, kubelet_configuration(spec, ground))
    _write_units(root, node, spec, ground)


def _write_units(root: Path, node: NodeIdentity, spec: Spec, ground: Ground) -> None:
    if not ground.debian:
        (root / "etc/default/kubelet").unlink(missing_ok=True)  # kind's image has its own
    write_file(root / CNI, network_configuration(node.pod_cidr))
    if ground.debian:
        write_file(root / PREPARE_KUBELET, _PREPARE_KUBELET, 0o755)
    write_file(root / DROP_IN, kubelet_drop_in(spec, ground))


def archive(root: Path) -> bytes:
    """Everything below `root` as a tar file whose owner is root."""

    def owned(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        return member

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in sorted(root.iterdir()):
            tar.add(path, arcname=path.name, filter=owned)
    return buffer.getvalue()


def script(spec: Spec, ground: Ground, *, bare: bool) -> str:
    """What the node does with its new files, once its systemd is up."""
    lines = ["systemctl daemon-reload", "systemctl start containerd"]
    if ground.debian or spec.control_plane == BUNDLED:
        lines.append(f"/opt/cks-labs/bin/choose-control-plane {spec.control_plane}")
    if by_kubeadm(spec, ground, bare=bare):
        lines.append(phases.script())
    return "\n".join(["set -e", *lines, "systemctl --quiet enable --now kubelet"])


def worker_script() -> str:
    """The same for a worker, whose kubelet is started when it is its turn to join."""
    return "set -e\nsystemctl daemon-reload\nsystemctl start containerd\nsystemctl --quiet enable kubelet"


def network_configuration(pod_cidr: str) -> str:
    """The pods' network, as kindnet writes it, with masquerading by the plug-in: there is no kindnet here."""
    document = {
        "cniVersion": "0.3.1",
        "name": "kindnet",
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": True,
                "ipam": {
                    "type": "host-local",
                    "dataDir": "/run/cni-ipam-state",
                    "routes": [{"dst": "0.0.0.0/0"}],
                    "ranges": [[{"subnet": pod_cidr}]],
                },
                "mtu": 1500,
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def audit_policy() -> dict[str, Any]:
    """What the evidence needs: pods with all that was said, other writes and the judge's reads without."""
    reads = ["get", "list", "watch"]
    elections = [{"group": "coordination.k8s.io", "resources": ["leases"]}]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived", "ResponseStarted"],
        "rules": [
            {"level": "None", "nonResourceURLs": ["*"]},
            {"level": "Metadata", "users": [kubeadm.JUDGE], "verbs": reads},
            {"level": "None", "verbs": reads},
            # leaders of the control plane say every two seconds that they still are
            {"level": "None", "resources": elections, "namespaces": ["kube-system"]},
            {"level": "RequestResponse", "resources": [{"group": "", "resources": ["pods", "pods/*"]}]},
            {"level": "Metadata"},
        ],
    }


def kubelet_drop_in(spec: Spec, ground: Ground) -> str:
    """How the unit of this node's kubelet differs from the package's."""
    lines = ["# What a node in a container needs, and which kubelet it runs.", "[Service]"]
    lines.append("RestartSec=1")
    if ground.debian:
        lines.append(f"ExecStartPre=/{PREPARE_KUBELET}")
    if spec.engine == BUNDLED:
        flags = "$KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS"
        lines += ["ExecStart=", f"ExecStart=/opt/cks-labs/bin/kubelet {flags}"]
    return "\n".join(lines) + "\n"


def identity(cluster: str, name: str, address: str, number: int = 0) -> NodeIdentity:
    """Who node `number` of a kind cluster is; 0 is the control plane's."""
    return NodeIdentity(cluster, name, address, pod_cidr(number))
