"""`labs up`, `list` and `down` of real clusters."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labs.nodes.readiness import Api
from tests.cli.running import LABS, labs, processes_naming


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A state directory of this test's own, empty again at its end or else emptied."""
    yield tmp_path / "state"
    labs("down", "--all", state=tmp_path / "state")


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether the condition holds, at the latest after some seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_up_prints_the_contracts_document_and_down_leaves_nothing(state: Path) -> None:
    up = labs("up", "blue", "--json", state=state)
    assert up.returncode == 0, up.stderr
    document = json.loads(up.stdout)
    listed = json.loads(labs("list", "--json", state=state).stdout)
    down = labs("down", "blue", state=state)

    assert document == {
        "name": "blue",
        "backend": "embedded",
        "engine": "bundled",
        "nodes": ["blue-control-plane"],
        "kubeconfig": str(state / "cks-labs/clusters/blue/kubeconfig"),
        "seconds": document["seconds"],
    }
    assert 0 < document["seconds"] < 60
    assert listed == [
        {
            "name": "blue",
            "backend": "embedded",
            "engine": "bundled",
            "nodes": ["blue-control-plane"],
            "running": True,
        }
    ]
    assert (down.returncode, down.stderr) == (0, "Cluster 'blue' is gone.\n")
    assert list((state / "cks-labs/clusters").iterdir()) == []
    assert processes_naming(str(state)) == []


def test_after_up_the_control_plane_is_ready_and_reachable_from_the_host(state: Path) -> None:
    assert labs("up", "blue", state=state).returncode == 0
    path = labs("kubeconfig", "-c", "blue", state=state).stdout.strip()
    pods = labs("kubectl", "-c", "blue", "get", "pods", "-n", "kube-system", "--no-headers", state=state)
    api = Api.from_kubeconfig(Path(path))

    assert Path(path).with_name("kubectl").is_dir()  # its cache, not in the person's home
    assert [line.split()[:3] for line in pods.stdout.splitlines()] == [
        ["etcd-blue-control-plane", "1/1", "Running"],
        ["kube-apiserver-blue-control-plane", "1/1", "Running"],
        ["kube-controller-manager-blue-control-plane", "1/1", "Running"],
        ["kube-scheduler-blue-control-plane", "1/1", "Running"],
    ]
    with (
        socket.create_connection((api.host, api.port)) as plain,
        api.context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        assert isinstance(connection, ssl.SSLSocket)


def test_a_second_up_of_a_running_cluster_says_so_and_restarts_nothing(state: Path) -> None:
    assert labs("up", "blue", "--bare", state=state).returncode == 0
    boot = ["node", "-c", "blue", "--", "stat", "-c", "%Y", "/proc/1"]
    before = labs(*boot, state=state).stdout
    again = labs("up", "blue", "--bare", state=state)

    assert (again.returncode, again.stderr) == (
        0,
        "Cluster 'blue' is running already: labs node -c blue\n",
    )
    assert labs(*boot, state=state).stdout == before


def test_a_bare_cluster_has_a_node_and_a_kubelet_and_no_manifests(state: Path) -> None:
    assert labs("up", "blue", "--bare", state=state).returncode == 0
    node = ["node", "-c", "blue", "--"]

    assert labs(*node, "ls", "-A", "/etc/kubernetes/manifests", state=state).stdout == ""
    assert labs(*node, "systemctl", "is-active", "kubelet", state=state).stdout == "active\n"


def test_clusters_run_side_by_side(state: Path) -> None:
    ups = [
        subprocess.Popen(
            [LABS, "up", name, "--bare"],
            env=os.environ | {"XDG_STATE_HOME": str(state)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("blue", "green")
    ]
    for up in ups:
        _, said = up.communicate(timeout=120)
        assert up.returncode == 0, said

    names = [labs("node", "-c", name, "--", "hostname", state=state).stdout for name in ("blue", "green")]
    assert names == ["blue-control-plane\n", "green-control-plane\n"]


def test_one_name_brought_up_twice_at_once_is_one_cluster(state: Path) -> None:
    environment = os.environ | {"XDG_STATE_HOME": str(state)}
    ups = [subprocess.Popen([LABS, "up", "blue", "--bare"], env=environment) for _ in range(2)]
    statuses = [up.wait(120) for up in ups]

    assert 0 in statuses
    assert labs("node", "-c", "blue", "--", "true", state=state).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay", [0.05, 0.3, 0.8, 1.5])
def test_an_interrupted_first_up_leaves_nothing_behind(
    state: Path, number: signal.Signals, delay: float
) -> None:
    environment = os.environ | {"XDG_STATE_HOME": str(state)}
    up = subprocess.Popen([LABS, "up", "blue"], env=environment, stderr=subprocess.PIPE, text=True)
    clusters = state / "cks-labs/clusters"
    until((clusters / "blue/cluster.json").exists)
    with pytest.raises(subprocess.TimeoutExpired):
        up.wait(delay)
    up.send_signal(number)
    _, said = up.communicate(timeout=30)

    assert up.returncode == 130
    assert "Traceback" not in said
    assert list(clusters.iterdir()) == []
    assert until(lambda: processes_naming(str(state)) == [])


def test_an_up_that_is_interrupted_before_it_hears_that_all_is_ready_leaves_nothing_behind(
    state: Path,
) -> None:
    from labs.nodes import removal

    directory = state / "cks-labs/clusters/blue"
    environment = os.environ | {"XDG_STATE_HOME": str(state)}
    up = subprocess.Popen([LABS, "up", "blue"], env=environment, stderr=subprocess.PIPE, text=True)
    assert until(lambda: directory.is_dir() and removal.running(directory) is not None)
    up.send_signal(signal.SIGSTOP)
    supervisor = Path(f"/proc/{removal.running(directory)}")
    arguments = (supervisor / "cmdline").read_text().split("\0")
    told = supervisor / "fd" / arguments[arguments.index("--progress-fd") + 1]
    assert until(lambda: not told.exists(), 60)

    up.send_signal(signal.SIGINT)
    up.send_signal(signal.SIGCONT)
    _, said = up.communicate(timeout=60)

    assert (up.returncode, "Traceback" in said) == (130, False)
    assert not directory.exists()
    assert until(lambda: processes_naming(str(state)) == [])


def test_a_killed_supervisor_leaves_files_that_up_resumes_and_down_removes(state: Path) -> None:
    assert labs("up", "blue", "--bare", state=state).returncode == 0
    assert labs("node", "-c", "blue", "--", "touch", "/root/kept", state=state).returncode == 0
    kill(state / "cks-labs/clusters/blue")

    stopped = labs("node", "-c", "blue", "--", "true", state=state)
    assert stopped.returncode == 125
    assert "labs up blue" in stopped.stderr
    assert json.loads(labs("list", "--json", state=state).stdout)[0]["running"] is False

    assert labs("up", "blue", state=state).returncode == 0
    assert labs("node", "-c", "blue", "--", "ls", "/root/kept", state=state).returncode == 0

    kill(state / "cks-labs/clusters/blue")
    assert labs("down", "--all", state=state).returncode == 0
    assert list((state / "cks-labs/clusters").iterdir()) == []


def test_an_up_that_was_killed_is_cleaned_by_down_of_all(state: Path) -> None:
    environment = os.environ | {"XDG_STATE_HOME": str(state)}
    up = subprocess.Popen([LABS, "up", "blue"], env=environment, stderr=subprocess.DEVNULL)
    clusters = state / "cks-labs/clusters"
    until((clusters / "blue/supervisor.json").exists)
    up.kill()
    up.wait()

    assert labs("down", "--all", state=state).returncode == 0
    assert list(clusters.iterdir()) == []
    assert until(lambda: processes_naming(str(state)) == [])


def test_a_down_during_up_wins(state: Path) -> None:
    environment = os.environ | {"XDG_STATE_HOME": str(state)}
    up = subprocess.Popen([LABS, "up", "blue"], env=environment, stderr=subprocess.PIPE, text=True)
    clusters = state / "cks-labs/clusters"
    until((clusters / "blue/student.sock").exists)
    down = labs("down", "blue", state=state)
    _, said = up.communicate(timeout=30)

    assert down.returncode == 0
    assert (up.returncode, said.count("\n")) == (1, 1)
    assert list(clusters.iterdir()) == []


def kill(directory: Path) -> None:
    """kill -9 the supervisor, and wait until the kernel has ended what it owned."""
    from labs.nodes import removal

    pid = removal.running(directory)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: removal.running(directory) is None)


def test_a_supervisor_that_cannot_start_is_reported_in_one_line(state: Path) -> None:
    environment = os.environ | {"XDG_STATE_HOME": str(state), "LD_PRELOAD": ""}
    script = "from labs.nodes import boot; boot.__file__ = '/none.py'; from labs.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "up", "blue"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("labs: the cluster's supervisor ended while starting: ")
    assert done.stderr.count("\n") == 1
    assert list((state / "cks-labs/clusters").iterdir()) == []
