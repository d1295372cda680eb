"""A cluster's supervisor: booting, ending, and what must be left behind: nothing but the data."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from labs.errors import LabsError
from labs.nodes import removal
from labs.nodes.client import Client

from .conftest import Start, Starter, Supervised, gone, read_reports


def mounts() -> str:
    return Path("/proc/self/mounts").read_text()


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_node_boots_and_reports_each_stage(cluster: Supervised) -> None:
    stages = [report.get("stage") for report in cluster.reports]

    assert stages == ["preparing", "node-up", "units-started", None]
    assert cluster.reports[-1] == {"ready": True, "port": cluster.port}


def test_a_student_is_root_on_a_machine_of_its_own(standing: Supervised) -> None:
    seen = standing.sh("id -u; hostname; cat /proc/1/comm; ls /proc | grep -c '^[0-9]'").stdout.split()

    assert seen[:2] == ["0", standing.node]
    assert int(seen[3]) < 20


def test_nothing_of_the_host_is_writable(cluster: Supervised) -> None:
    script = (
        "for d in / /etc /root /tmp /var/lib /usr /usr/bin /usr/local/bin /opt/cks-labs/site-packages; do"
    )
    seen = cluster.sh(f"{script} touch $d/here 2>/dev/null && echo $d; done").stdout.split()

    assert seen == ["/", "/etc", "/root", "/tmp", "/var/lib"]
    assert (cluster.rootfs / "etc/here").exists()


def test_moving_a_manifest_into_place_is_one_rename(standing: Supervised) -> None:
    script = (
        "cd /etc/kubernetes/manifests; echo > /root/.a; stat -c %i /root/.a; mv /root/.a .; stat -c %i .a"
    )
    inodes = standing.sh(f"{script}; rm .a").stdout.split()

    assert inodes[0] == inodes[1]


def test_the_supervisor_owns_the_files_outside_and_the_nodes_users_those_inside(cluster: Supervised) -> None:
    cluster.sh("touch /root/mine")
    owner = (cluster.rootfs / "root/mine").stat().st_uid

    assert (cluster.directory / "evidence.jsonl").stat().st_uid == cluster.starter.uid
    assert owner == (1_000_000_000 if cluster.starter.uid == 0 else cluster.starter.uid)


def test_sockets_and_credentials_are_for_the_starter_only(standing: Supervised) -> None:
    for name in ("student.sock", "judge.sock", "kubeconfig", "evidence.jsonl", "judge/client.key"):
        assert (standing.directory / name).stat().st_mode & 0o077 == 0, name


@pytest.mark.parametrize("ending", ["down", "SIGTERM", "SIGINT"])
def test_an_orderly_end_leaves_no_process_mount_port_or_socket(cluster: Supervised, ending: str) -> None:
    before, processes = mounts(), cluster.processes()
    cluster.sh("setsid sleep 1000 & setsid sh -c 'trap : TERM HUP; sleep 1000' &")
    if ending == "down":
        assert cluster.judge.call("down") == {}
        assert gone(processes[1:], within=0)
    else:
        cluster.process.send_signal(signal.Signals[ending])

    assert cluster.wait() == 0
    assert gone(processes)
    assert mounts() == before
    assert not listening(cluster.port)
    assert not (cluster.directory / "student.sock").exists()
    assert not (cluster.directory / "judge.sock").exists()


@pytest.mark.parametrize("part", ["supervisor", "keeper", "pid 1", "bwrap", "node's pid 1"])
def test_killing_any_part_ends_the_whole_and_loses_nothing(start: Start, part: str) -> None:
    cluster = start()
    cluster.sh("echo kept > /root/note; setsid sleep 1000 &")
    before, processes = mounts(), cluster.processes()
    names = ["supervisor", "keeper", "pid 1", "bwrap", "node's pid 1"]
    os.kill(processes[names.index(part)].pid, signal.SIGKILL)
    cluster.wait()

    assert gone(processes)
    assert mounts() == before
    assert not listening(cluster.port)

    resumed = start(directory=cluster.directory)
    assert resumed.reports[-1].get("ready"), resumed.reports
    assert resumed.sh("cat /root/note").stdout == "kept\n"


def test_a_resumed_cluster_keeps_identity_port_and_evidence(start: Start) -> None:
    first = start()
    authority = (first.rootfs / "etc/kubernetes/pki/ca.crt").read_bytes()
    port, seq = first.port, first.judge.call("record", source="lab", data={"event": "hint"})["seq"]
    first.judge.call("down")
    first.wait()
    second = start(directory=first.directory)

    assert (second.rootfs / "etc/kubernetes/pki/ca.crt").read_bytes() == authority
    assert second.port == port
    assert second.judge.call("evidence", since=seq - 1)["records"][0]["event"] == "hint"


def test_a_resumed_cluster_whose_port_was_taken_gets_another_and_its_kubeconfig_names_it(
    start: Start,
) -> None:
    first = start()
    first.judge.call("down")
    first.wait()
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(("127.0.0.1", first.port))
        thief.listen()
        taken = first.port
        second = start(directory=first.directory)

    assert second.port != taken
    assert f"server: https://127.0.0.1:{second.port}\n" in (second.directory / "kubeconfig").read_text()


def test_a_cluster_has_one_supervisor(start: Start) -> None:
    first = start()
    second = start(directory=first.directory)

    assert second.reports == [{"error": "cluster 'lab' is running: 'labs down lab' stops it"}]
    assert second.wait() == 1
    assert removal.running(first.directory) == first.process.pid
    assert first.sh("true").returncode == 0


def test_clusters_run_side_by_side(start: Start) -> None:
    one, two = start("one"), start("two")
    one.sh("echo 1 > /root/which")

    assert two.sh("ls /root/which").returncode != 0
    assert one.port != two.port
    assert (one.sh("hostname").stdout, two.sh("hostname").stdout) == (
        "one-control-plane\n",
        "two-control-plane\n",
    )


@pytest.mark.parametrize("stage", ["preparing", "node-up"])
def test_a_start_that_nobody_waits_for_any_more_is_given_up(starter: Starter, stage: str) -> None:
    directory = starter.directory()
    reader, writer = os.pipe()
    command = [
        "labs.nodes.supervisor",
        "--name",
        "lab",
        "--directory",
        str(directory),
        "--progress-fd",
        str(writer),
    ]
    process = starter.run(*command, pass_fds=[writer])
    os.close(writer)
    read_reports(reader, lambda report: report.get("stage") == stage)
    processes = Supervised("lab", directory, starter, process, []).processes()

    assert process.wait(timeout=20) != 0
    assert gone(processes)
    assert removal.running(directory) is None


def test_an_interrupted_preparation_is_begun_again(start: Start) -> None:
    first = start()
    first.judge.call("down")
    first.wait()
    (first.directory / "nodes" / first.node / "prepared").unlink()
    (first.rootfs / "etc/kubernetes/pki/ca.crt").unlink()
    second = start(directory=first.directory)

    assert second.reports[-1].get("ready"), second.reports
    assert second.sh("ls /etc/kubernetes/pki/ca.crt").returncode == 0


def test_a_stopped_cluster_is_removed_whoever_its_files_belong_to(start: Start) -> None:
    cluster = start()
    cluster.sh("mkdir -p /root/closed/to/all; chmod 000 /root/closed/to /root/closed")
    with pytest.raises(LabsError, match="is running"):
        removal.remove(cluster.directory)
    cluster.judge.call("down")
    cluster.wait()
    removal.remove(cluster.directory)

    assert not cluster.directory.exists()
    removal.remove(cluster.directory)


def test_a_deep_directory_is_no_trouble(start: Start, starter: Starter) -> None:
    deep = starter.directory() / ("d" * 100) / ("e" * 100)
    for directory in (deep.parent, deep):
        directory.mkdir()
        os.chown(directory, starter.uid, starter.uid)
    start(directory=deep)

    assert Client(deep / "student.sock").run(["hostname"]).stdout == "lab-control-plane\n"


def test_what_a_student_leaves_is_not_executed_when_the_node_is_resumed(start: Start) -> None:
    first = start()
    first.sh("echo /root/evil.so > /etc/ld.so.preload")
    assert "evil.so" in first.sh("true").stderr
    first.judge.call("down")
    first.wait()
    second = start(directory=first.directory)
    trusted = second.judge.run(["sh", "-c", "cat /etc/ld.so.preload; true"], view="trusted")

    assert second.reports[-1].get("ready"), second.reports
    assert "evil.so" not in (second.directory / "supervisor.log").read_text()
    assert "evil.so" not in trusted.stderr


def test_links_a_student_leaves_do_not_lead_a_resumed_node_to_the_host(
    start: Start, starter: Starter
) -> None:
    outside = starter.directory()
    first = start()
    places = "srv var/log etc/kubernetes opt run"
    first.sh(f"cd /; for d in {places}; do mv $d $d.old; ln -s {outside} $d || mv $d.old $d; done")
    first.judge.call("down")
    first.wait()
    second = start(directory=first.directory)
    second.judge.run(["sh", "-c", "touch /srv/x /var/log/x /etc/kubernetes/x /run/x"], view="trusted")
    second.sh("touch /srv/x /opt/x /run/x")

    assert second.reports[-1].get("ready"), second.reports
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize(
    "path", ["/proc/1/fd/3", "/proc/1/environ", "/proc/1/mem", "/proc/1/root/cks", "/proc/1/ns/mnt", "/cks"]
)
def test_being_root_on_the_node_does_not_reach_its_trusted_side(standing: Supervised, path: str) -> None:
    assert standing.sh(f"head -c1 {path} || ls {path}/").returncode != 0


def test_a_student_cannot_kill_the_nodes_first_process(standing: Supervised) -> None:
    standing.sh("kill -9 1; kill -TERM 1; kill -INT 1")

    assert standing.sh("echo alive").stdout == "alive\n"


def test_students_commands_are_evidence(standing: Supervised) -> None:
    before = standing.judge.call("barrier", timeout=0.5)["seq"]
    standing.student.run(["sh", "-c", "exit 3"])
    records = standing.judge.call("evidence", since=before)["records"]
    shell = [
        (record["event"], record["argv"], record["exit"]) for record in records if record["source"] == "shell"
    ]

    assert shell == [("started", ["sh", "-c", "exit 3"], None), ("exited", ["sh", "-c", "exit 3"], 3)]


Ask = Callable[[Client], object]


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        (lambda client: client.call("evidence", since=0), "no operation 'evidence' on this socket"),
        (lambda client: client.call("record", source="lab", data={}), "no operation 'record' on this socket"),
        (lambda client: client.call("down"), "no operation 'down' on this socket"),
        (lambda client: client.call("exercise", verb="solve", args={}), "'solve' is not offered here"),
        (lambda client: client.call("exec", argv=[]), "'argv' is a list of at least one word"),
        (lambda client: client.call("exec", argv=["true"]), "needs 3 file descriptors"),
        (lambda client: client.run(["true"], node="other"), "there is no node 'other'"),
    ],
)
def test_the_students_socket_refuses(standing: Supervised, ask: Ask, reason: str) -> None:
    with pytest.raises(LabsError, match=reason):
        ask(standing.student)


def test_the_students_socket_ignores_a_wish_for_the_trusted_view(standing: Supervised) -> None:
    assert standing.student.run(["ls", "/cks"], view="trusted").returncode != 0
    assert standing.judge.run(["ls", "/cks"], view="trusted").returncode == 0


@pytest.mark.parametrize("line", [b"hello\n", b"[1]\n", b"{}\n", b'{"op": "exec"}\n', b"\xff\xfe\n"])
def test_nonsense_is_answered_and_harms_nobody_else(standing: Supervised, line: bytes) -> None:
    from labs.nodes.client import connect

    with connect(standing.directory / "student.sock") as connection:
        connection.sendall(line)
        assert b'"ok": false' in connection.recv(4096)

    assert standing.sh("true").returncode == 0


def test_while_a_grader_is_at_work_a_check_is_recorded_and_tells_nothing(cluster: Supervised) -> None:
    cluster.judge.call("grading", on=True)
    answer = cluster.student.call("exercise", verb="check", args={"exercise": "delete-mirror-pod"})
    last = cluster.judge.call("evidence", since=0)["records"]

    assert answer == {"result": {"recorded": True}}
    assert any(record["source"] == "lab" and record["event"] == "check" for record in last)


SERVER = """
import socket
with socket.create_server(("172.18.0.2", 6443)) as server:
    print("listening", flush=True)
    connection, _ = server.accept()
    with connection:
        connection.sendall(connection.recv(100).upper())
"""


def test_the_hosts_port_leads_to_the_api_servers_on_the_node(standing: Supervised) -> None:
    from labs.nodes.views import NodePython

    python = NodePython.own() if standing.starter.uid == os.geteuid() else None
    command = python.student_command if python else ["/usr/bin/python3"]
    reader, writer = os.pipe()
    with os.fdopen(reader) as lines, Path(os.devnull).open() as null:
        import threading

        serving = threading.Thread(
            target=standing.student.exec,
            args=([*command, "-c", SERVER],),
            kwargs={"fds": (null.fileno(), writer, 2)},
        )
        serving.start()
        assert lines.readline() == "listening\n"
        with socket.create_connection(("127.0.0.1", standing.port), timeout=10) as connection:
            connection.sendall(b"hello")
            assert connection.recv(100) == b"HELLO"
            assert connection.recv(100) == b""
        serving.join()
    os.close(writer)


def test_the_hosts_port_hangs_up_when_no_api_server_listens(standing: Supervised) -> None:
    with socket.create_connection(("127.0.0.1", standing.port), timeout=10) as connection:
        assert connection.recv(100) == b""
    assert standing.student.call("status")["api"] is False
