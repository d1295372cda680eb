"""Where a cluster keeps what, in its directory on the host."""

from dataclasses import dataclass
from pathlib import Path

from labs.nodes.removal import LOCK


@dataclass(frozen=True)
class Layout:
    """The files of one cluster. The directory is the starter's; what is below `nodes`, the node's users'."""

    directory: Path
    cluster: str

    @property
    def control_plane(self) -> str:
        """The name of the node that runs the control plane."""
        return f"{self.cluster}-control-plane"

    @property
    def lock(self) -> Path:
        """Held by the one supervisor of this cluster."""
        return self.directory / LOCK

    @property
    def log(self) -> Path:
        """What the supervisor and the node's first processes complain about."""
        return self.directory / "supervisor.log"

    @property
    def student_socket(self) -> Path:
        """All that a student's kernel gets."""
        return self.directory / "student.sock"

    @property
    def judge_socket(self) -> Path:
        """For the judge and the command line."""
        return self.directory / "judge.sock"

    @property
    def evidence(self) -> Path:
        """See `labs.nodes.evidence`."""
        return self.directory / "evidence.jsonl"

    @property
    def port(self) -> Path:
        """The number of the host's port that leads to the API server."""
        return self.directory / "port"

    @property
    def kubeconfig(self) -> Path:
        """For an administrator on the host."""
        return self.directory / "kubeconfig"

    @property
    def judge_credentials(self) -> Path:
        """The judge's own certificate for the API server."""
        return self.directory / "judge"

    @property
    def nodes(self) -> Path:
        """One directory for each node: rootfs, trusted, etc, tools (see `labs.nodes.views`)."""
        return self.directory / "nodes"

    def rootfs(self, node: str) -> Path:
        """The node's own root directory."""
        return self.nodes / node / "rootfs"

    def prepared(self, node: str) -> Path:
        """Made last: where it is missing, the node has never been laid out whole."""
        return self.nodes / node / "prepared"
