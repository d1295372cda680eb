"""A pod's directories and volumes on the node (`pkg/kubelet/kubelet_pods.go`, `pkg/volume/*`).

/var/lib/kubelet/pods/UID/volumes/kubernetes.io~empty-dir/NAME
/var/lib/kubelet/pods/UID/etc-hosts          /var/lib/kubelet/pods/UID/containers/NAME/<8 hex digits>
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from labs.core.quantity import quantity_value
from labs.kubelet.api_objects import NONE, ObjectError, Objects
from labs.kubelet.dns import domain_of, hostname_of
from labs.kubelet.downward import expand, references
from labs.kubelet.hostfs import HostFs, reason_of
from labs.kubelet.payload import File, is_written, write_payload
from labs.kubelet.pod.model import Container, Mount, Pod, Volume
from labs.kubelet.volume_files import files_of

HOSTS_HEAD = (
    "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
)
HOSTS_TAIL = (
    "fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"
)
HOST_HEAD = "# Kubernetes-managed hosts file (host network).\n"
#: What the directories of volume plugins are called.
PLUGINS = {
    "hostPath": "host-path", "emptyDir": "empty-dir", "downwardAPI": "downward-api", "configMap": "configmap",
}  # fmt: skip
#: Volumes of files that the kubelet writes, and writes anew when what they are made of has changed.
WRITTEN = ("configMap", "secret", "projected", "downwardAPI")


class VolumeError(Exception):
    """A volume cannot be set up; the pod waits."""

    def __init__(self, why: str, volume: str = "", unique: str = "") -> None:
        super().__init__(why)
        self.volume = volume
        self.unique = unique


def mounted(pod: Pod) -> list[Volume]:
    """The volumes that a container mounts: only these are set up."""
    names = {m.name for c in pod.all_containers for m in c.mounts}
    return [volume for volume in pod.volumes if volume.name in names]


def unique_name(pod: Pod, volume: Volume) -> str:
    """What the journal calls a pod's volume."""
    return f"kubernetes.io/{PLUGINS.get(volume.kind, volume.kind)}/{pod.uid}-{volume.name}"


@dataclass(frozen=True)
class BoundMount:
    """One bind mount of a container."""

    host_path: str
    container_path: str
    read_only: bool = False
    propagation: str = "None"


def pod_directory(root: str, uid: str) -> str:
    return f"{root}/pods/{uid}"


class Volumes:
    """Makes and finds what a pod's containers mount."""

    def __init__(
        self,
        fs: HostFs,
        root_dir: str,
        cluster_domain: str,
        now: Callable[[], datetime],
        allocatable: Mapping[str, str],
    ) -> None:
        """`allocatable` is what the node has for pods."""
        self._fs = fs
        self._allocatable = allocatable
        self._root = root_dir
        self._cluster_domain = cluster_domain
        self._now = now

    def prepare(self, pod: Pod, objects: Objects = NONE) -> list[VolumeError]:
        """Make the pod's directories and set up every volume that a container mounts; what failed of that."""
        base = pod_directory(self._root, pod.uid)
        self._fs.makedirs(base, 0o750)
        for name in ("volumes", "plugins", "containers"):
            self._fs.makedirs(f"{base}/{name}", 0o750)
        failures = []
        for volume in mounted(pod):
            unique = unique_name(pod, volume)
            try:
                self._set_up(pod, volume, objects)
            except (VolumeError, ObjectError) as error:
                failures.append(VolumeError(str(error), volume.name, unique))
            except OSError as error:
                why = f"{error.filename}: {reason_of(error)}"
                failures.append(VolumeError(why, volume.name, unique))
        return failures

    def is_filled(self, pod: Pod, name: str) -> bool:
        """Whether a volume has files from an earlier set-up: the pod can run with them."""
        volume = next(v for v in pod.volumes if v.name == name)
        return volume.kind in WRITTEN and is_written(self._fs, self.path_of(pod, volume))

    def _set_up(self, pod: Pod, volume: Volume, objects: Objects) -> None:
        path, source = self.path_of(pod, volume), volume.source
        match volume.kind:
            case "hostPath":
                self._host_path(path, source["type"])
                return
            case "emptyDir":
                self._fs.makedirs(path, 0o777)
                if source.get("medium") == "Memory":
                    self._fs.mount_tmpfs(path, int(quantity_value(source.get("sizeLimit", "0"))))
            case kind if kind in WRITTEN:
                files = files_of(pod, volume, objects, self._allocatable)
                self._write(path, files, in_memory=kind != "configMap")
            case kind:
                raise VolumeError(
                    f'unable to find the plugin for volume "{volume.name}": no volume plugin matched {kind}'
                )
        if "fsGroup" in pod.security:
            try:
                self._fs.give_to_group(path, pod.security["fsGroup"], volume.kind != "emptyDir")
            except OSError as error:
                why = f"applyFSGroup failed for vol {volume.name}: lchown {path}: {reason_of(error)}"
                raise VolumeError(why) from None

    def _write(self, path: str, files: Mapping[str, File], in_memory: bool) -> None:
        self._fs.makedirs(path, 0o777)
        if in_memory:
            self._fs.mount_tmpfs(path, 0)
        write_payload(self._fs, path, files, self._now())

    def _host_path(self, path: str, wanted: str) -> None:
        """Check, and for the `OrCreate` types make, what a hostPath names (`pkg/volume/hostpath`)."""
        kind = self._fs.kind(path)
        if wanted == "DirectoryOrCreate" and kind is None:
            self._fs.makedirs(path)
            return
        if wanted == "FileOrCreate" and kind is None:
            try:
                self._fs.write_bytes(path, b"")
            except OSError as error:
                raise VolumeError(f"open {path}: {reason_of(error)}") from None
            return
        expected = {
            "Directory": ("dir", "directory"),
            "DirectoryOrCreate": ("dir", "directory"),
            "File": ("file", "file"),
            "FileOrCreate": ("file", "file"),
            "Socket": ("socket", "socket file"),
            "CharDevice": ("char", "character device"),
            "BlockDevice": ("block", "block device"),
        }.get(wanted)
        if expected and kind != expected[0]:
            raise VolumeError(f"hostPath type check failed: {path} is not a {expected[1]}")

    def path_of(self, pod: Pod, volume: Volume) -> str:
        """Where on the node a volume's content lies."""
        if volume.kind == "hostPath":
            return str(volume.source["path"])
        plugin = PLUGINS.get(volume.kind, volume.kind)
        return f"{pod_directory(self._root, pod.uid)}/volumes/kubernetes.io~{plugin}/{volume.name}"

    def mounts(
        self, pod: Pod, container: Container, ips: tuple[str, ...], env: Mapping[str, str]
    ) -> list[BoundMount]:
        """A container's mounts: its volumes, `/etc/hosts`, and a fresh termination log.

        Raises VolumeError for a sub-path that leads nowhere, OSError.
        """
        volumes = {v.name: v for v in pod.volumes}
        bound = [self._bind(pod, volumes[m.name], m, env) for m in container.mounts if m.name in volumes]
        if not any(m.path == "/etc/hosts" for m in container.mounts):
            bound.append(BoundMount(self._etc_hosts(pod, ips), "/etc/hosts"))
        if container.termination_message_path:
            bound.append(
                BoundMount(self._termination_log(pod, container), container.termination_message_path)
            )
        return bound

    def _bind(self, pod: Pod, volume: Volume, mount: Mount, env: Mapping[str, str]) -> BoundMount:
        path = self.path_of(pod, volume)
        inside = mount.sub_path
        if mount.sub_path_expr:
            missing = sorted(name for name in references(mount.sub_path_expr) if not env.get(name))
            if missing:
                raise VolumeError(f"missing value for {', '.join(missing)}")
            inside = expand(mount.sub_path_expr, env)
        if inside:
            path = self._below(path, inside)
        where = mount.path if mount.path.startswith("/") else f"/{mount.path}"
        read_only = mount.read_only or volume.kind in WRITTEN
        return BoundMount(path, where, read_only, mount.propagation)

    def _below(self, volume: str, inside: str) -> str:
        """A path in a volume, made where missing; links in it may not lead out. Raises VolumeError."""
        if inside.startswith("/"):
            raise VolumeError(f"error SubPath `{inside}` must not be an absolute path")
        if ".." in inside.split("/"):
            raise VolumeError(f"unable to provision SubPath `{inside}`: must not contain '..'")
        path = f"{volume}/{inside}"
        if self._fs.kind(path) is None:
            mode = self._fs.stat(volume).st_mode & 0o7777
            made = volume
            for part in inside.split("/"):
                made = f"{made}/{part}"
                if self._fs.kind(made) is None:
                    self._fs.makedirs(made, mode)
        real, base = self._fs.realpath(path), self._fs.realpath(volume)
        if real != base and not real.startswith(f"{base.rstrip('/')}/"):
            raise VolumeError(f"error: subpath {inside} is not within volume path {volume}")
        return real

    def _etc_hosts(self, pod: Pod, ips: tuple[str, ...]) -> str:
        path = f"{pod_directory(self._root, pod.uid)}/etc-hosts"
        if pod.host_network:
            text = HOST_HEAD + self._fs.read_text("/etc/hosts")
        else:
            name, domain = hostname_of(pod), domain_of(pod, self._cluster_domain)
            names = f"{name}.{domain}\t{name}" if domain else name
            text = HOSTS_HEAD + HOSTS_TAIL + "".join(f"{ip}\t{names}\n" for ip in ips)
        if pod.host_aliases:
            text += "\n# Entries added by HostAliases.\n"
            text += "".join("\t".join((a["ip"], *a.get("hostnames", ()))) + "\n" for a in pod.host_aliases)
        self._fs.write_bytes(path, text.encode())
        return path

    def _termination_log(self, pod: Pod, container: Container) -> str:
        folder = f"{pod_directory(self._root, pod.uid)}/containers/{container.name}"
        self._fs.makedirs(folder, 0o750)
        path = f"{folder}/{secrets.token_hex(4)}"
        self._fs.write_bytes(path, b"")
        self._fs.chmod(path, 0o666)
        return path

    def known(self) -> list[str]:
        """The UIDs that have a directory."""
        try:
            return self._fs.listdir(f"{self._root}/pods")
        except FileNotFoundError:
            return []

    def remove(self, uid: str) -> None:
        """Take a pod's directory away, with the file systems in it."""
        base = f"{pod_directory(self._root, uid)}/volumes"
        for plugin in self._names(base):
            for name in self._names(f"{base}/{plugin}"):
                if self._fs.is_mount(f"{base}/{plugin}/{name}"):
                    self._fs.unmount(f"{base}/{plugin}/{name}")
        self._fs.rmtree(pod_directory(self._root, uid))

    def _names(self, folder: str) -> list[str]:
        return self._fs.listdir(folder) if self._fs.kind(folder) == "dir" else []
