"""Where container logs lie (`kuberuntime/legacy.go`, `logs.go`).

/var/log/pods/NAMESPACE_NAME_UID/CONTAINER/N.log      written by the runtime
/var/log/containers/NAME_NAMESPACE_CONTAINER-ID.log   a link to it
"""

import re

from labs.kubelet.cri_config import log_directory
from labs.kubelet.hostfs import HostFs
from labs.kubelet.pod.model import Container, Pod
from labs.kubelet.runtime_status import ContainerState

LINKS = "/var/log/containers"


class ContainerLogs:
    """The log directories of the node's pods."""

    def __init__(self, fs: HostFs, logs_dir: str) -> None:
        self._fs = fs
        self.root = logs_dir

    def make_directory(self, pod: Pod, container: Container | None = None) -> None:
        """The pod's log directory, and a container's within it."""
        path = log_directory(self.root, pod)
        self._fs.makedirs(f"{path}/{container.name}" if container else path)

    def path(self, pod: Pod, container: str, attempt: int) -> str:
        return f"{log_directory(self.root, pod)}/{container}/{attempt}.log"

    def next_attempt(self, pod: Pod, container: Container) -> int:
        """A container's first count when the runtime knows none of it: the first unused log's."""
        try:
            names = self._fs.listdir(f"{log_directory(self.root, pod)}/{container.name}")
        except OSError:
            return 0
        attempts = [int(found[1]) for name in names if (found := re.match(r"(\d+)\.log", name))]
        return max(attempts) + 1 if attempts else 0

    @staticmethod
    def _link(pod: Pod, container: str, container_id: str) -> str:
        return f"{LINKS}/{pod.name}_{pod.namespace}_{container}-{container_id}.log"

    def link(self, pod: Pod, container: Container, container_id: str, attempt: int) -> None:
        self._fs.makedirs(LINKS)
        self._fs.symlink(
            self.path(pod, container.name, attempt), self._link(pod, container.name, container_id)
        )

    def remove(self, pod: Pod, container: ContainerState) -> None:
        """Take a removed container's log away, with what was rotated of it, and its link."""
        self._fs.remove(self._link(pod, container.name, container.id))
        folder, _, base = self.path(pod, container.name, container.restart_count).rpartition("/")
        try:
            names = self._fs.listdir(folder)
        except OSError:
            return
        for name in names:
            if name == base or name.startswith(f"{base}."):
                self._fs.remove(f"{folder}/{name}")

    def directories(self) -> dict[str, str]:
        """The UIDs that have a log directory, with its path."""
        try:
            names = self._fs.listdir(self.root)
        except OSError:
            return {}
        return {name.rsplit("_", 1)[1]: f"{self.root}/{name}" for name in names if name.count("_") >= 2}

    def remove_directory(self, path: str) -> None:
        self._fs.rmtree(path)

    def remove_dead_links(self) -> None:
        """Drop links to logs that are gone."""
        try:
            names = self._fs.listdir(LINKS)
        except OSError:
            return
        for name in names:
            if self._fs.kind(f"{LINKS}/{name}") is None:
                self._fs.remove(f"{LINKS}/{name}")
