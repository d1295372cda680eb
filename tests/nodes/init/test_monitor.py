"""What the container runtime can rely on: containers, logs and exit codes outlive it."""

from __future__ import annotations

import json
import os
import re
import signal
import time

import pytest

from tests.nodes.init.harness import Node, Runtime

BWRAP = "/opt/cks-labs/bin/bwrap"
LINE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) ([FP]) (.*)$")


@pytest.fixture(scope="module")
def runtime(shared_node: Node) -> Runtime:
    return shared_node.runtime()


def log_of(node: Node, path: str) -> list[tuple[str, str, str]]:
    text = (node.rootfs / path.lstrip("/")).read_text()
    return [LINE.fullmatch(line).groups() for line in text.split("\n")[:-1]]  # type: ignore[misc, union-attr]


def pod_log(node: Node, name: str) -> str:
    directory = node.rootfs / "var/log/pods" / name
    node.sh(f"mkdir -p /var/log/pods/{name}")
    assert directory.is_dir()
    return f"/var/log/pods/{name}/0.log"


def sandbox(*command: str, bwrap: tuple[str, ...] = ()) -> list[str]:
    view = ["--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib"]
    view += ["--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev"]
    return [BWRAP, *view, "--unshare-pid", "--as-pid-1", "--die-with-parent", *bwrap, "--", *command]


def start_container(runtime: Runtime, name: str, *bwrap: str) -> int:
    """Run a container that waits; its pid 1 as the node knows it, once it runs its own program."""
    report_read, report = os.pipe()
    up_read, up = os.pipe()
    argv = sandbox(
        "bash", "-c", "echo up >&11; exec sleep 1000 10>&- 11>&-", bwrap=("--info-fd", "10", *bwrap)
    )
    assert "error" not in runtime.call("run", [report, up], name=name, argv=argv, log=None)
    os.close(report)
    os.close(up)
    with os.fdopen(report_read) as told:
        pid = json.load(told)["child-pid"]
    assert os.read(up_read, 10) == b"up\n"
    return int(pid)


def test_output_becomes_lines_in_the_cri_format(shared_node: Node, runtime: Runtime) -> None:
    log = pod_log(shared_node, "two-streams")
    script = "echo hello; echo oops >&2; printf 'no end'"
    answer = runtime.call("run", name="two-streams", argv=["/bin/sh", "-c", script], log=log)

    assert answer["pid"] > 1
    assert runtime.wait_exit("two-streams")["exit"] == 0
    assert sorted(log_of(shared_node, log)) == [
        ("stderr", "F", "oops"),
        ("stdout", "F", "hello"),
        ("stdout", "P", "no end"),
    ]


def test_a_long_line_is_written_in_partial_pieces_of_16_kib(shared_node: Node, runtime: Runtime) -> None:
    log = pod_log(shared_node, "long")
    runtime.call(
        "run", name="long", argv=["/bin/sh", "-c", "head -c 40000 /dev/zero | tr '\\0' x; echo"], log=log
    )
    runtime.wait_exit("long")

    assert [(tag, len(text)) for _, tag, text in log_of(shared_node, log)] == [
        ("P", 16384),
        ("P", 16384),
        ("F", 7232),
    ]


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_exit_codes_are_a_shells(shared_node: Node, runtime: Runtime, script: str, code: int) -> None:
    name = f"exit-{code}"
    runtime.call("run", name=name, argv=["/bin/sh", "-c", script], log=None)
    event = runtime.wait_exit(name)

    assert event["exit"] == code
    assert abs(time.time_ns() - event["finished"]) < 10e9


def test_a_container_killed_from_outside_exits_137(shared_node: Node, runtime: Runtime) -> None:
    pid = runtime.call("run", name="killed", argv=sandbox("sleep", "1000"), log=None)["pid"]
    assert "error" not in runtime.call("signal", name="killed", signal=int(signal.SIGKILL), pid=pid)
    assert runtime.wait_exit("killed")["exit"] == 137


def test_extra_descriptors_start_at_10(shared_node: Node, runtime: Runtime) -> None:
    log = pod_log(shared_node, "fds")
    first, second = os.memfd_create("a"), os.memfd_create("b")
    os.pwrite(first, b"one\n", 0)
    os.pwrite(second, b"two\n", 0)
    runtime.call(
        "run",
        [first, second],
        name="fds",
        argv=["bash", "-c", "cat <&10; cat <&11; ls /proc/self/fd"],
        log=log,
    )
    runtime.wait_exit("fds")

    assert [text for _, _, text in log_of(shared_node, log)] == ["one", "two", "0", "1", "10", "11", "2", "3"]


def test_namespaces_are_joined_before_the_program_starts(shared_node: Node, runtime: Runtime) -> None:
    log = pod_log(shared_node, "joined")
    apart = ("--unshare-net", "--unshare-uts", "--hostname", "web")
    inside = start_container(runtime, "pause", *apart)
    net, uts = shared_node.open(f"/proc/{inside}/ns/net"), shared_node.open(f"/proc/{inside}/ns/uts")
    script = "hostname; readlink /proc/self/ns/net; ls /proc/self/fd"
    runtime.call(
        "run", [net, uts], name="joined", argv=["/bin/sh", "-c", script], log=log, join={"net": 10, "uts": 11}
    )
    runtime.wait_exit("joined")
    expected = shared_node.sh(f"readlink /proc/{inside}/ns/net", view="trusted").strip()

    assert [text for _, _, text in log_of(shared_node, log)] == ["web", expected, "0", "1", "2", "3"]


def test_a_command_can_join_all_namespaces_of_a_container(shared_node: Node, runtime: Runtime) -> None:
    apart = ("--unshare-user", "--unshare-net", "--unshare-uts", "--hostname", "db", "--tmpfs", "/only-here")
    inside = start_container(runtime, "db", *apart)
    same = " ".join(f"/proc/1/ns/{kind}" for kind in ("user", "pid", "net", "uts", "mnt"))
    code, text = runtime.exec(
        inside, "/bin/sh", "-c", f"hostname; ls -d /only-here; readlink {same}; id -u", env={}
    )
    own = shared_node.sh(f"cd /proc/{inside}/ns; readlink user pid net uts mnt", view="trusted").split()

    assert (code, text) == (0, text)
    assert text.split() == ["db", "/only-here", *own, "0"]
    assert runtime.exec(inside, "sh", "-c", "exit 5", env={"PATH": "/bin"})[0] == 5
    assert runtime.exec(inside, "nosuch", env={"PATH": "/bin"}) == (
        -1,
        'exec: "nosuch": executable file not found in $PATH',
    )
    below = runtime.exec(inside, "/bin/sh", "-c", "readlink /proc/self/ns/user; id -u", env={}, below=True)
    assert below[0] == 0
    assert below[1].split()[0] != own[0]
    assert below[1].split()[1] == "0"


def test_a_terminal_of_the_container_is_opened_in_it(shared_node: Node, runtime: Runtime) -> None:
    inside = start_container(runtime, "tty", "--unshare-user")
    answer, fds = runtime.call_with_fds(
        "exec",
        pid=inside,
        argv=["/bin/sh", "-c", "tty; stty size; exit 4"],
        env={},
        tty={"rows": 33, "cols": 101},
    )
    assert "error" not in answer, answer
    text = b""
    while True:
        try:
            text += os.read(fds[0], 4096)
        except OSError:
            break

    assert answer["pid"]
    assert text.decode().split() == ["/dev/pts/0", "33", "101"]


def test_a_new_runtime_finds_containers_logs_and_exit_codes(node: Node) -> None:
    first = node.runtime()
    log = pod_log(node, "survivor")
    script = "echo before; while [ ! -e /tmp/go ]; do sleep 0.02; done; echo after; exit 9"
    first.call("run", name="survivor", argv=["/bin/sh", "-c", script], log=log)
    first.call("run", name="gone", argv=["true"], log=None)
    first.wait_exit("gone")
    main = node.unit("status", "containerd")["unit"]["pid"]
    first.sock.close()
    node.sh(f"kill -9 {main}; touch /tmp/go")
    second = node.next_runtime()
    listed = {process["name"]: process for process in second.call("list")["processes"]}
    if listed["survivor"]["running"]:
        second.wait_exit("survivor")
        listed = {process["name"]: process for process in second.call("list")["processes"]}

    assert listed["gone"]["exit"] == 0
    assert listed["survivor"]["exit"] == 9
    assert listed["survivor"]["finished"] > listed["survivor"]["started"]
    assert [text for _, _, text in log_of(node, log)] == ["before", "after"]
    assert "error" not in second.call("forget", name="survivor")
    assert [process["name"] for process in second.call("list")["processes"]] == ["gone"]


def test_a_renamed_log_is_reopened_under_its_name(shared_node: Node, runtime: Runtime) -> None:
    log = pod_log(shared_node, "rotated")
    script = "echo one; read x </tmp/rotate-fifo; echo two"
    shared_node.sh("mkfifo /tmp/rotate-fifo")
    runtime.call("run", name="rotated", argv=["/bin/sh", "-c", script], log=log)
    while not (shared_node.rootfs / log[1:]).read_text():
        os.sched_yield()
    shared_node.sh(f"mv {log} {log}.1")
    assert "error" not in runtime.call("reopen", name="rotated")
    shared_node.sh("echo > /tmp/rotate-fifo")
    runtime.wait_exit("rotated")

    assert [text for _, _, text in log_of(shared_node, f"{log}.1")] == ["one"]
    assert [text for _, _, text in log_of(shared_node, log)] == ["two"]


@pytest.mark.parametrize(
    "trick", ["ln -s /proc/sys/kernel/ns_last_pid", "ln -s /proc/1/oom_score_adj", "mkfifo", "mkdir -p"]
)
def test_a_log_path_cannot_lead_elsewhere(shared_node: Node, runtime: Runtime, trick: str) -> None:
    log = pod_log(shared_node, f"trick-{abs(hash(trick))}")
    shared_node.sh(f"{trick} {log}")
    answer = runtime.call("run", name=f"trick-{trick}", argv=["true"], log=log)

    assert "error" in answer


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ({"op": "dance"}, "unknown op 'dance'"),
        ({"op": "run", "name": "x"}, "argv: a list of texts is needed"),
        ({"op": "run", "name": "x", "argv": ["a\0b"]}, "argv: a list of texts is needed"),
        (
            {"op": "run", "name": "x", "argv": ["/nosuch"]},
            'exec: "/nosuch": stat /nosuch: no such file or directory',
        ),
        (
            {"op": "run", "name": "x", "argv": ["true"], "join": {"net": 10}},
            "join: no descriptor 10 for 'net'",
        ),
        ({"op": "signal", "name": "nobody", "signal": 9}, "nobody is not known"),
        ({"op": "exec", "pid": 1, "argv": ["true"]}, "exec: three descriptors, or a tty, are needed"),
    ],
)
def test_what_cannot_be_done_is_answered_in_a_line(
    shared_node: Node, runtime: Runtime, message: dict[str, object], complaint: str
) -> None:
    fields = {key: value for key, value in message.items() if key != "op"}
    assert runtime.call(str(message["op"]), **fields)["error"] == complaint
    assert "processes" in runtime.call("list")


def test_noise_on_the_socket_does_no_harm(shared_node: Node, runtime: Runtime) -> None:
    for noise in (b"{", b"[]", b"\xff\xfe", b"3", b'{"op": {}}', b"x" * 150_000):
        runtime.sock.send(noise)
    assert "processes" in runtime.call("list")


def test_flood_of_output_reaches_the_log_complete(shared_node: Node, runtime: Runtime) -> None:
    log = pod_log(shared_node, "flood")
    runtime.call("run", name="flood", argv=["seq", "200000"], log=log)
    runtime.wait_exit("flood")
    lines = log_of(shared_node, log)

    assert len(lines) == 200000
    assert lines[-1] == ("stdout", "F", "200000")
