"""Supervisors of bare nodes, started as whoever runs the tests and, if that is root, as an ordinary user."""

from __future__ import annotations

import asyncio
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

import psutil
import pytest

import labs
from labs.nodes import boot, removal
from labs.nodes.client import Client
from labs.nodes.doctor import needs

#: A uid that no account has.
STRANGER = 54321


@dataclass
class Starter:
    """Starts supervisors as one user."""

    uid: int
    python: str
    directories: list[Path] = field(default_factory=list)

    def directory(self) -> Path:
        """A new directory for a cluster, which this user owns. Not pytest's, which only root may enter."""
        directory = Path(tempfile.mkdtemp(prefix="cks-labs-test-"))
        os.chown(directory, self.uid, self.uid)
        self.directories.append(directory)
        return directory

    def run(self, *command: str, **options: Any) -> subprocess.Popen[bytes]:
        """Run one of the project's modules as this user."""
        if self.uid != os.geteuid():
            options |= {"user": self.uid, "group": self.uid, "extra_groups": []}
        environment = {**os.environ, "HOME": "/", "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.Popen(
            [self.python, "-P", boot.__file__, *command], env=environment, start_new_session=True, **options
        )


@dataclass
class Supervised:
    """A cluster whose supervisor a test has started, and may end as it likes."""

    name: str
    directory: Path
    starter: Starter
    process: subprocess.Popen[bytes]
    reports: list[dict[str, Any]]

    @property
    def node(self) -> str:
        return f"{self.name}-control-plane"

    @property
    def rootfs(self) -> Path:
        return self.directory / "nodes" / self.node / "rootfs"

    @property
    def student(self) -> Client:
        return Client(self.directory / "student.sock")

    @property
    def judge(self) -> Client:
        return Client(self.directory / "judge.sock")

    @property
    def port(self) -> int:
        return int((self.directory / "port").read_text())

    def sh(self, script: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a shell script on the node as the student."""
        return self.student.run(["sh", "-c", script], timeout=30, **options)

    def processes(self) -> list[psutil.Process]:
        """The supervisor and every process below it that has not ended: a zombie has."""
        try:
            supervisor = psutil.Process(self.process.pid)
            family = [supervisor, *supervisor.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []
        return [process for process in family if alive(process)]

    def wait(self) -> int:
        """Wait for the supervisor's end."""
        return self.process.wait(timeout=20)


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test that is a coroutine."""

    @wraps(test)
    def run(*arguments: Any, **options: Any) -> None:
        asyncio.run(test(*arguments, **options))

    return run


def alive(process: psutil.Process) -> bool:
    """Whether a process has not ended."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone(processes: list[psutil.Process], within: float = 5.0) -> bool:
    """Wait until all of them have ended; whether they did."""
    deadline = time.monotonic() + within
    while any(map(alive, processes)):
        if time.monotonic() > deadline:
            return False
        select.select([], [], [], 0.005)
    return True


def read_reports(stream: int, until: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """The lines a starting supervisor reports, up to the one that is waited for, or to its end."""
    reports = []
    with os.fdopen(stream) as lines:
        for line in lines:
            reports.append(json.loads(line))
            if until(reports[-1]):
                break
    return reports


Start = Callable[..., Supervised]


@pytest.fixture(scope="session")
def sandbox() -> None:
    """What needs a node is skipped where this machine cannot give one, with the doctor's reason."""
    for need in needs():
        if need.required and not need.ok:
            pytest.skip(f"no embedded node here: {need.name}: {need.found}")


@pytest.fixture(scope="session")
def strangers_python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str | None]:
    """A Python with the packages of this one that every user may run; None when there is none."""
    system = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    packages = Path(psutil.__file__).parents[1]
    kubectl = Path(sys.executable).parent / "kubectl"
    repository = Path(labs.__file__).parent
    public = all(
        parent.stat().st_mode & 1 for path in (packages, repository) for parent in [path, *path.parents]
    )
    if os.geteuid() != 0 or not Path(system).exists() or not public:
        yield None
        return
    venv = Path(tempfile.mkdtemp(prefix="cks-labs-venv-"))
    venv.chmod(0o755)
    subprocess.run([system, "-m", "venv", "--without-pip", str(venv)], check=True)
    own = venv / "lib" / Path(system).name / "site-packages"
    own.rmdir() if not any(own.iterdir()) else shutil.rmtree(own)
    own.symlink_to(packages)
    (venv / "bin/kubectl").symlink_to(kubectl)
    yield str(venv / "bin/python")
    shutil.rmtree(venv)


STARTERS = ["own user", "ordinary user"]


@contextmanager
def starting_as(request: pytest.FixtureRequest) -> Iterator[Starter]:
    """The starter that the parameter of the fixture `request` names."""
    if request.param == "own user":
        starter = Starter(os.geteuid(), sys.executable)
    else:
        python = request.getfixturevalue("strangers_python")
        if python is None:
            pytest.skip("starting as another user takes root, and a Python and a checkout that all may read")
        starter = Starter(STRANGER, python)
    yield starter
    for directory in starter.directories:
        removal.remove(directory)


@contextmanager
def starting(starter: Starter) -> Iterator[Start]:
    """Starts supervisors of bare clusters; all are stopped afterwards."""
    started: list[Supervised] = []

    def start(name: str = "lab", directory: Path | None = None) -> Supervised:
        directory = directory or starter.directory()
        reader, writer = os.pipe()
        command = ["labs.nodes.supervisor", "--name", name, "--directory", str(directory), "--bare"]
        process = starter.run(*command, "--progress-fd", str(writer), pass_fds=[writer])
        os.close(writer)
        reports = read_reports(reader, lambda report: "ready" in report or "error" in report)
        supervised = Supervised(name, directory, starter, process, reports)
        started.append(supervised)
        return supervised

    yield start
    for supervised in started:
        processes = supervised.processes()
        if supervised.process.poll() is None:
            supervised.process.send_signal(signal.SIGTERM)
            supervised.wait()
        assert gone(processes)


@pytest.fixture(params=STARTERS)
def starter(request: pytest.FixtureRequest, sandbox: None) -> Iterator[Starter]:
    """Whoever runs the tests, and an ordinary user with no subordinate ids."""
    with starting_as(request) as starter:
        yield starter


@pytest.fixture
def start(starter: Starter) -> Iterator[Start]:
    """Start supervisors of bare clusters; all are stopped and removed afterwards."""
    with starting(starter) as start:
        yield start


@pytest.fixture
def cluster(start: Start) -> Supervised:
    """A running bare cluster, for one test that may do with it what it likes."""
    cluster = start()
    assert cluster.reports[-1].get("ready"), cluster.reports
    return cluster


@pytest.fixture(scope="session", params=STARTERS)
def standing(request: pytest.FixtureRequest, sandbox: None) -> Iterator[Supervised]:
    """A running bare cluster for many tests, each of which leaves it as it was."""
    with starting_as(request) as starter, starting(starter) as start:
        yield start()
