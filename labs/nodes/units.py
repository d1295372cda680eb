"""The systemd units of a node, as the packages of containerd, kubelet and kubeadm bring them."""

from pathlib import Path

from labs.nodes.files import link, make_directory, write_file

KUBELET_UNIT = """\
[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
"""

KUBELET_DROP_IN = """\
# How a node set up by kubeadm starts its kubelet.
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
# KUBELET_KUBEADM_ARGS: what belongs to this node, found out when it joined.
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
# KUBELET_EXTRA_ARGS: flags of your own, as a last resort; the file above --config names is the better place.
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
"""  # noqa: E501 - the long lines are kubeadm's

CONTAINERD_UNIT = """\
[Unit]
Description=containerd container runtime
Documentation=https://containerd.io
After=network.target local-fs.target

[Service]
ExecStart=/usr/bin/containerd
Delegate=yes
KillMode=process
Restart=always
RestartSec=5

[Install]
WantedBy=multi-user.target
"""


def write(root: Path) -> None:
    """Install and enable both units below `root`."""
    directory = make_directory(root / "etc/systemd/system")
    write_file(directory / "containerd.service", CONTAINERD_UNIT)
    write_file(directory / "kubelet.service", KUBELET_UNIT)
    write_file(directory / "kubelet.service.d/10-kubeadm.conf", KUBELET_DROP_IN)
    for unit in ("containerd.service", "kubelet.service"):
        link(directory / "multi-user.target.wants" / unit, f"/etc/systemd/system/{unit}")
