"""A pod's directories and volumes on the node (`pkg/kubelet/kubelet_pods.go`, `pkg/volume/*`).

/var/lib/kubelet/pods/UID/volumes/kubernetes.io~empty-dir/NAME
/var/lib/kubelet/pods/UID/etc-hosts          /var/lib/kubelet/pods/UID/containers/NAME/<8 hex digits>
"""

import secrets
from dataclasses import dataclass

from labs.kubelet.downward import downward_files
from labs.kubelet.hostfs import HostFs
from labs.kubelet.pod.model import Container, Mount, Pod, Volume

HOSTS_HEAD = (
    "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
)
HOSTS_TAIL = (
    "fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"
)
HOST_HEAD = "# Kubernetes-managed hosts file (host network).\n"


class VolumeError(Exception):
    """A volume cannot be set up; the pod waits."""


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

    def __init__(self, fs: HostFs, root_dir: str) -> None:
        self._fs = fs
        self._root = root_dir

    def prepare(self, pod: Pod) -> None:
        """Make the pod's directories and set up every volume that a container mounts. Raises VolumeError."""
        base = pod_directory(self._root, pod.uid)
        self._fs.makedirs(base, 0o750)
        for name in ("volumes", "plugins", "containers"):
            self._fs.makedirs(f"{base}/{name}", 0o750)
        mounted = {m.name for c in (*pod.init_containers, *pod.containers) for m in c.mounts}
        for volume in pod.volumes:
            if volume.name in mounted:
                self._set_up(pod, volume)

    def _set_up(self, pod: Pod, volume: Volume) -> None:
        path = self.path_of(pod, volume)
        match volume.kind:
            case "hostPath":
                self._host_path(path, volume.source.get("type", ""))
            case "emptyDir":
                self._fs.makedirs(path, 0o777)
            case "downwardAPI":
                self._write_files(path, downward_files(pod, volume.source.get("items", ())))
            case "projected":
                items = [
                    i
                    for s in volume.source.get("sources", ())
                    for i in s.get("downwardAPI", {}).get("items", ())
                ]
                self._write_files(path, downward_files(pod, items))
            case kind:
                raise VolumeError(
                    f'unable to find the plugin for volume "{volume.name}": no volume plugin matched {kind}'
                )

    def _write_files(self, path: str, files: dict[str, bytes]) -> None:
        self._fs.makedirs(path, 0o777)
        for name, content in files.items():
            target = f"{path}/{name}"
            self._fs.makedirs(target.rsplit("/", 1)[0])
            self._fs.write_bytes(target, content)

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
                raise VolumeError(f"open {path}: {(error.strerror or '').lower()}") from None
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
        plugin = {"emptyDir": "empty-dir", "downwardAPI": "downward-api"}.get(volume.kind, volume.kind)
        return f"{pod_directory(self._root, pod.uid)}/volumes/kubernetes.io~{plugin}/{volume.name}"

    def mounts(
        self, pod: Pod, container: Container, ips: tuple[str, ...], node_name: str
    ) -> list[BoundMount]:
        """A container's mounts: its volumes, `/etc/hosts`, and a fresh termination log."""
        volumes = {v.name: v for v in pod.volumes}
        bound = [self._bind(pod, volumes[m.name], m) for m in container.mounts if m.name in volumes]
        if not any(m.path == "/etc/hosts" for m in container.mounts):
            bound.append(BoundMount(self._etc_hosts(pod, ips), "/etc/hosts"))
        if container.termination_message_path:
            bound.append(
                BoundMount(self._termination_log(pod, container), container.termination_message_path)
            )
        return bound

    def _bind(self, pod: Pod, volume: Volume, mount: Mount) -> BoundMount:
        path = self.path_of(pod, volume)
        if mount.sub_path:
            path = f"{path}/{mount.sub_path}"
            if self._fs.kind(path) is None:
                self._fs.makedirs(path)
        return BoundMount(path, mount.path, mount.read_only, mount.propagation)

    def _etc_hosts(self, pod: Pod, ips: tuple[str, ...]) -> str:
        path = f"{pod_directory(self._root, pod.uid)}/etc-hosts"
        if pod.host_network:
            text = HOST_HEAD + self._fs.read_text("/etc/hosts")
        else:
            hostname = pod.hostname or pod.name
            text = HOSTS_HEAD + HOSTS_TAIL + "".join(f"{ip}\t{hostname}\n" for ip in ips)
        if pod.host_aliases:
            text += "\n# Entries added by HostAliases.\n"
            text += "".join(
                "\t".join((a.get("ip", ""), *a.get("hostnames", ()))) + "\n" for a in pod.host_aliases
            )
        self._fs.write_bytes(path, text.encode())
        return path

    def _termination_log(self, pod: Pod, container: Container) -> str:
        folder = f"{pod_directory(self._root, pod.uid)}/containers/{container.name}"
        self._fs.makedirs(folder, 0o750)
        path = f"{folder}/{secrets.token_hex(4)}"
        self._fs.write_bytes(path, b"", 0o666)
        return path

    def known(self) -> list[str]:
        """The UIDs that have a directory."""
        try:
            return self._fs.listdir(f"{self._root}/pods")
        except FileNotFoundError:
            return []

    def remove(self, uid: str) -> None:
        """Take a pod's directory away."""
        self._fs.rmtree(pod_directory(self._root, uid))
