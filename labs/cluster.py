"""Cluster: boot, find, stop. What everything above the nodes talks to.

A cluster is a directory on the host (`labs.nodes.state`), and while it runs, a supervisor that serves two
sockets: `student_socket` offers commands on the nodes and the judge's verdicts, `judge_socket` the state
and the evidence, too. A stopped cluster keeps its directory, and `Cluster.up` resumes it with its data.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from labs.errors import LabsError, UsageError
from labs.nodes import launch, removal
from labs.nodes.client import Client
from labs.nodes.layout import Layout
from labs.nodes.state import (
    DEFAULT_NAME,
    NoSuchClusterError,
    NotRunningError,
    cluster_directory,
    clusters_directory,
)

BACKENDS = ("embedded",)
#: The engine of a backend's nodes, when nothing else is asked for.
BUNDLED_ENGINE = "bundled"
#: The static pods that make a node a control plane, by the names of their manifests.
CONTROL_PLANE = ("etcd", "kube-apiserver")
#: How long the control plane of a starting cluster may take until it is Ready.
READY_SECONDS = 120.0

Progress = Callable[[str], None]


class NotReadyError(LabsError):
    """The nodes run, but not all of the control plane got Ready in time."""


def _silent(_: str) -> None:
    pass


@dataclass(frozen=True)
class Cluster:
    """A named set of nodes."""

    name: str
    backend: str
    engine: str
    nodes: tuple[str, ...]
    created: float
    directory: Path
    #: How long the `up` that returned this object took; 0 for a cluster that was found.
    seconds: float = field(default=0.0, compare=False)

    @classmethod
    def up(
        cls,
        name: str = DEFAULT_NAME,
        *,
        backend: str | None = None,
        bare: bool = False,
        progress: Progress = _silent,
    ) -> Self:
        """Make the cluster `name`, or resume it with its data; return when its control plane is Ready.

        A running cluster is returned as it is. A `bare` cluster has a node and a kubelet, and no manifests.
        When the start fails or is interrupted, a new cluster is removed again and a resumed one stopped;
        a resumed one whose control plane does not get Ready keeps running, so that it can be mended.
        `progress` is told what is being waited for.
        """
        started, clock = time.time(), time.monotonic()
        directory = cluster_directory(name)
        new = not directory.is_dir()
        cluster = cls._create(name, directory, check_backend(backend)) if new else cls.find(name)
        if cluster.running:
            return cluster
        try:
            launch.start(name, directory, bare=bare, progress=progress)
            try:
                cluster._wait_for_control_plane(started, new, progress)
            except BaseException as error:
                if new or not isinstance(error, NotReadyError):
                    launch.stop(directory)
                raise
        except BaseException:
            if new:
                removal.remove(directory)
            raise
        return replace(cluster, seconds=round(time.monotonic() - clock, 3))

    @classmethod
    def find(cls, name: str = DEFAULT_NAME) -> Self:
        """The existing cluster `name`, running or not."""
        directory = cluster_directory(name)
        if not directory.is_dir():
            raise NoSuchClusterError(name)
        return cls._load(directory)

    @classmethod
    def all(cls) -> list[Self]:
        """Every cluster of this user, running or not, by name."""
        parent = clusters_directory()
        directories = sorted(parent.iterdir()) if parent.is_dir() else []
        return [cls._load(directory) for directory in directories if directory.is_dir()]

    def down(self) -> None:
        """Stop the cluster and remove all there is of it."""
        launch.stop(self.directory)
        removal.remove(self.directory)

    @property
    def running(self) -> bool:
        return self.supervisor_pid is not None

    @property
    def supervisor_pid(self) -> int | None:
        """The process that owns all others of the cluster; None when it is stopped."""
        return removal.running(self.directory)

    @property
    def kubeconfig(self) -> Path:
        """An administrator's kubeconfig that works on the host while the cluster runs."""
        return self._layout.kubeconfig

    @property
    def student_socket(self) -> Path:
        return self._layout.student_socket

    @property
    def judge_socket(self) -> Path:
        return self._layout.judge_socket

    @property
    def _layout(self) -> Layout:
        return Layout(self.directory, self.name)

    def run(
        self,
        argv: Sequence[str],
        *,
        node: str | None = None,
        input: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a student's shell on a node, the first one unless `node` says otherwise."""
        return self._client(self.student_socket).run(argv, node=node, input=input, env=env, timeout=timeout)

    def call(self, op: str, **arguments: Any) -> dict[str, Any]:
        """One request on the judge's socket; its reply, or a `LabsError`."""
        return self._client(self.judge_socket).call(op, **arguments)

    def summary(self) -> dict[str, Any]:
        """What `labs list --json` says of this cluster."""
        return {
            "name": self.name,
            "backend": self.backend,
            "engine": self.engine,
            "nodes": list(self.nodes),
            "running": self.running,
        }

    def _client(self, socket: Path) -> Client:
        if not self.directory.is_dir():
            raise NoSuchClusterError(self.name)
        if not self.running:
            raise NotRunningError(self.name)
        return Client(socket)

    @classmethod
    def _create(cls, name: str, directory: Path, backend: str) -> Self:
        cluster = cls(
            name, backend, BUNDLED_ENGINE, (Layout(directory, name).control_plane,), time.time(), directory
        )
        document = {
            key: value for key, value in asdict(cluster).items() if key not in ("directory", "seconds")
        }
        directory.parent.mkdir(parents=True, exist_ok=True)
        try:
            directory.mkdir()
        except FileExistsError:
            raise LabsError(f"another 'labs up {name}' is at work: wait for it") from None
        draft = directory / "cluster.json.new"
        draft.write_text(json.dumps(document) + "\n")
        draft.rename(directory / "cluster.json")
        return cluster

    @classmethod
    def _load(cls, directory: Path) -> Self:
        """The cluster in `directory`; one whose making was cut short has the defaults."""
        name = directory.name
        stored: dict[str, Any] = {
            "backend": BACKENDS[0],
            "engine": BUNDLED_ENGINE,
            "nodes": [Layout(directory, name).control_plane],
            "created": directory.stat().st_mtime,
        }
        if (file := directory / "cluster.json").exists():
            stored = json.loads(file.read_text())
        return cls(
            name,
            stored["backend"],
            stored["engine"],
            tuple(stored["nodes"]),
            stored["created"],
            directory,
        )

    def _wait_for_control_plane(self, since: float, new: bool, progress: Progress) -> None:
        """Wait for the mirror pods of the control-plane manifests that the first node has."""
        node = self.nodes[0]
        listing = self.run(["ls", "/etc/kubernetes/manifests"], node=node).stdout.split()
        present = [component for component in CONTROL_PLANE if f"{component}.yaml" in listing]
        if "kube-apiserver" not in present or "etcd" not in present:
            return  # a bare node, or a student who took the control plane down: there is no API to ask

        from labs.nodes import readiness

        def missing(states: Mapping[str, str]) -> str:
            return ", ".join(f"{name} ({state})" for name, state in states.items() if state != "Ready")

        def check() -> None:
            if not self.running:
                raise LabsError(f"cluster '{self.name}' went down while it was starting")

        states = readiness.wait_until_ready(
            readiness.Api.from_kubeconfig(self.kubeconfig),
            [f"{component}-{node}" for component in present],
            since=since,
            timeout=READY_SECONDS,
            waiting=lambda states: progress(f"waiting for {missing(states)}"),
            check=check,
        )
        if missing(states):
            last = self.run(["journalctl", "-u", "kubelet", "-n", "1", "-o", "cat"], node=node).stdout.strip()
            raise NotReadyError(
                f"cluster '{self.name}' is not Ready after {READY_SECONDS:.0f} s and "
                f"{'removed again' if new else 'keeps running'}: {missing(states)}; "
                f"the kubelet's journal ends with: {last}"
            )


def check_backend(backend: str | None) -> str:
    """The backend to use: as asked, else $CKS_LABS_BACKEND, else `embedded`."""
    chosen = backend or os.environ.get("CKS_LABS_BACKEND") or BACKENDS[0]
    if chosen not in BACKENDS:
        raise UsageError(f"there is no backend '{chosen}' here: use {' or '.join(BACKENDS)}")
    return chosen
