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

    def node_names(self, workers: int) -> tuple[str, ...]:
        """The control plane, then its workers as kind calls them; a node's place here is its number."""
        numbers = ["", *map(str, range(2, workers + 1))][:workers]
        return (self.control_plane, *(f"{self.cluster}-worker{number}" for number in numbers))

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

    def merged_into(self) -> list[Path]:
        """The kubeconfigs of the person that `kubeconfig` was merged into."""
        noted = self.directory / "merged"
        return [Path(line) for line in noted.read_text().splitlines()] if noted.exists() else []

    def note_merged(self, target: Path) -> None:
        """Remember that `kubeconfig` was merged into `target`."""
        lines = dict.fromkeys([*map(str, self.merged_into()), str(target.absolute())])
        (self.directory / "merged").write_text("".join(f"{line}\n" for line in lines))

    def container(self, node: str) -> Path:
        """See `labs.nodes.kind.note`."""
        return self.directory / f"{node}.json"

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
