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
from functools import partial
from pathlib import Path
from typing import Any, Self

from labs.errors import LabsError, UsageError
from labs.nodes import kubeconfig, launch, removal
from labs.nodes.client import Client
from labs.nodes.layout import Layout
from labs.nodes.spec import (
    BACKENDS,
    BUNDLED,
    CONTROL_PLANES,
    EMBEDDED,
    ENGINES,
    FILE,
    KIND,
    KUBELET,
    REAL,
    Spec,
)
from labs.nodes.state import (
    DEFAULT_NAME,
    NoSuchClusterError,
    NotRunningError,
    cluster_directory,
    clusters_directory,
)

#: How long the control plane of a starting cluster may take until it is Ready.
READY_SECONDS = 120.0
#: More nodes than that are no use to a course, and their ranges of addresses are numbered in one byte.
MOST_WORKERS = 9

Progress = Callable[[str], None]


class NotReadyError(LabsError):
    """The nodes run, but not all of the control plane got Ready in time."""


def _silent(_: str) -> None:
    pass


@dataclass(frozen=True)
class Cluster:
    """A named set of nodes."""

    name: str
    spec: Spec
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
        engine: str | None = None,
        control_plane: str | None = None,
        workers: int = 0,
        bare: bool = False,
        progress: Progress = _silent,
    ) -> Self:
        """Make the cluster `name`, or resume it with its data; return when its control plane is Ready.

        What it is made of (`check_spec`) is chosen when it is made; a resumed one stays what it is. A running
        cluster is returned as it is. A `bare` cluster has a node and a kubelet, and no manifests.
        When the start fails or is interrupted, a new cluster is removed again and a resumed one stopped;
        a resumed one whose control plane does not get Ready keeps running, so that it can be mended.
        `progress` is told what is being waited for.
        """
        started, clock = time.time(), time.monotonic()
        directory = cluster_directory(name)
        new = not directory.is_dir()
        if new:
            cluster = cls._create(name, directory, check_spec(backend, engine, control_plane, workers))
        else:
            cluster = cls.find(name)
        if cluster.running:
            return cluster
        return cluster._start(new, started, clock, bare=bare, progress=progress)

    @classmethod
    def attach(cls, name: str, *, progress: Progress = _silent) -> Self:
        """Use the cluster `name` that the kind CLI made, with the kubelet and control plane that it has.

        `down` lets go of it again; the kind CLI deletes it.
        """
        started, clock = time.time(), time.monotonic()
        directory = cluster_directory(name)
        if directory.is_dir():
            raise LabsError(f"there is a cluster '{name}' already: 'labs up {name}' resumes it")
        from labs.nodes.kind import adopt

        adopt.refuse_unfit(name)
        cluster = cls._create(name, directory, Spec(KIND, KUBELET, REAL, attached=True))
        return cluster._start(True, started, clock, bare=False, progress=progress)

    def _start(self, new: bool, started: float, clock: float, *, bare: bool, progress: Progress) -> Self:
        try:
            launch.start(self.name, self.directory, bare=bare, progress=progress)
            try:
                self._wait_for_control_plane(started, new, progress)
            except BaseException as error:
                if new or not isinstance(error, NotReadyError):
                    launch.stop(self.directory)
                raise
        except BaseException:
            if new:
                self._remove()
            raise
        return replace(self, seconds=round(time.monotonic() - clock, 3))

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

    def renew(self, *, progress: Progress = _silent) -> Self:
        """Put new nodes in the place of this running cluster's, whatever has been done to them.

        Its name, kubeconfig's path and evidence stay. Returns when the control plane is Ready.
        """
        started, clock = time.time(), time.monotonic()
        progress("making the nodes anew")
        self.call("renew")
        self._wait_for_control_plane(started, False, progress)
        return replace(self, seconds=round(time.monotonic() - clock, 3))

    def down(self) -> None:
        """Stop the cluster and remove all there is of it."""
        launch.stop(self.directory)
        self._remove()

    def _remove(self) -> None:
        """Remove what a stopped cluster leaves; the directory last, as it tells of all the rest."""
        if self.spec.backend == KIND:
            from labs.nodes.kind import adopt, container

            remove = adopt.release if self.spec.attached else container.remove
            remove(self._layout)
        for merged in self._layout.merged_into():
            kubeconfig.unmerge(self.kubeconfig, merged)
        removal.remove(self.directory)

    def merge_kubeconfig(self, target: Path) -> str:
        """Merge the cluster's context into a person's kubeconfig, until `down`; the context's name."""
        if not self.kubeconfig.exists():
            raise NotRunningError(self.name)
        context = kubeconfig.merge(self.kubeconfig, target)
        self._layout.note_merged(target)
        return context

    @property
    def backend(self) -> str:
        return self.spec.backend

    @property
    def engine(self) -> str:
        return self.spec.engine

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
    def _create(cls, name: str, directory: Path, spec: Spec) -> Self:
        nodes = Layout(directory, name).node_names(spec.workers)
        cluster = cls(name, spec, nodes, time.time(), directory)
        document = {
            "name": name,
            **asdict(spec),
            "nodes": cluster.nodes,
            "created": cluster.created,
        }
        directory.parent.mkdir(parents=True, exist_ok=True)
        try:
            directory.mkdir()
        except FileExistsError:
            raise LabsError(f"another 'labs up {name}' is at work: wait for it") from None
        draft = directory / f"{FILE}.new"
        draft.write_text(json.dumps(document) + "\n")
        draft.rename(directory / FILE)
        return cluster

    @classmethod
    def _load(cls, directory: Path) -> Self:
        """The cluster in `directory`; one whose making was cut short has the defaults."""
        name, file = directory.name, directory / FILE
        stored: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        return cls(
            name,
            Spec.load(directory),
            tuple(stored.get("nodes") or [Layout(directory, name).control_plane]),
            stored.get("created") or directory.stat().st_mtime,
            directory,
        )

    def _wait_for_control_plane(self, since: float, new: bool, progress: Progress) -> None:
        """Wait for the mirror pods of the control-plane manifests that the first node has."""
        node = self.nodes[0]
        listing = self.run(["ls", "/etc/kubernetes/manifests"], node=node).stdout.split()
        present = [component for component in self.spec.components if f"{component}.yaml" in listing]
        if "kube-apiserver" not in present or "etcd" not in present:
            return  # a bare node, or a student who took the control plane down: there is no API to ask

        from labs.nodes import readiness

        def missing(states: Mapping[str, str]) -> str:
            return ", ".join(f"{name} ({state})" for name, state in states.items() if state != "Ready")

        def check() -> None:
            if not self.running:
                raise LabsError(f"cluster '{self.name}' went down while it was starting")

        if self.spec.backend == KIND:  # the node may have been up before its supervisor
            from labs.nodes.kind.note import Note

            note = Note.load(self._layout, node)
            since = note.started if note is not None else since
        api = readiness.Api.from_kubeconfig(self.kubeconfig)
        wait = partial(
            readiness.wait_until_ready,
            api,
            since=since,
            timeout=READY_SECONDS,
            waiting=lambda states: progress(f"waiting for {missing(states)}"),
            check=check,
        )
        states = wait([f"{component}-{node}" for component in present])
        if not missing(states):  # without it no worker joins
            states |= wait(list(self.nodes[1:]), path=readiness.NODES)
        if missing(states):
            last = self.run(["journalctl", "-u", "kubelet", "-n", "1", "-o", "cat"], node=node).stdout.strip()
            raise NotReadyError(
                f"cluster '{self.name}' is not Ready after {READY_SECONDS:.0f} s and "
                f"{'removed again' if new else 'keeps running'}: {missing(states)}; "
                f"the kubelet's journal ends with: {last}"
            )


def check_backend(backend: str | None) -> str:
    """The backend to use: as asked, else $CKS_LABS_BACKEND, else `embedded`."""
    return _one_of(BACKENDS, "backend", backend or os.environ.get("CKS_LABS_BACKEND") or EMBEDDED)


def check_spec(
    backend: str | None, engine: str | None = None, control_plane: str | None = None, workers: int = 0
) -> Spec:
    """What a new cluster is made of: as asked; the real kubelet comes with the real control plane.

    `UsageError` for a choice that there is not, or not on this backend.
    """
    chosen = check_backend(backend)
    kubelet = _one_of(ENGINES, "engine", engine or BUNDLED)
    plane = _one_of(
        CONTROL_PLANES, "control plane", control_plane or (REAL if kubelet == KUBELET else BUNDLED)
    )
    if chosen == EMBEDDED:
        for option, wanted in (("--engine", kubelet), ("--control-plane", plane)):
            if wanted != BUNDLED:
                raise UsageError(f"an embedded node has no '{option} {wanted}': add --backend kind")
    if not 0 <= workers <= MOST_WORKERS:
        raise UsageError(f"a cluster has 0 to {MOST_WORKERS} workers, not {workers}")
    return Spec(chosen, kubelet, plane, workers=workers)


def _one_of(known: Sequence[str], what: str, chosen: str) -> str:
    if chosen not in known:
        raise UsageError(f"there is no {what} '{chosen}' here: use {' or '.join(known)}")
    return chosen
