"""crictl: tables, documents, logs and errors are those of cri-tools 1.36."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cri_api.v1 import api_pb2 as cri

from labs.nodes import removal
from labs.tools.crictl import logs
from labs.tools.crictl.errors import CrictlError
from labs.tools.crictl.render import document, duration, rfc3339, size, table
from tests.runtime.harness import RuntimeNode

#: Output of the real one.
RECORDED_TABLE = """\
POD ID              CREATED             STATE               NAME                                        NAMESPACE           ATTEMPT             RUNTIME
0088e497555b7       8 seconds ago       Ready               web-cks-control-plane                       default             0                   (default)
2691b08ccffb1       39 minutes ago      Ready               kube-controller-manager-cks-control-plane   kube-system         0                   (default)
"""  # noqa: E501
RECORDED_CONTAINER = """\
{
  "id": "4d51",
  "podSandboxId": "0088",
  "metadata": {
    "name": "main",
    "attempt": 0
  },
  "image": {
    "image": "sha256:ed5e",
    "annotations": {},
    "userSpecifiedImage": "",
    "runtimeHandler": "",
    "imageRef": ""
  },
  "imageRef": "sha256:ed5e",
  "state": "CONTAINER_RUNNING",
  "createdAt": "1795456513405369236",
  "labels": {
    "io.kubernetes.container.name": "main"
  },
  "annotations": {},
  "imageId": ""
}"""


def test_tables_are_spaced_like_the_recorded_one() -> None:
    rows = [re.split(" {2,}", line) for line in RECORDED_TABLE.splitlines()]

    assert table(rows) == RECORDED_TABLE


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "Less than a second"),
        (1.5, "1 second"),
        (59, "59 seconds"),
        (61, "About a minute"),
        (150, "2 minutes"),
        (3599, "59 minutes"),
        (3601, "About an hour"),
        (2 * 3600, "2 hours"),
        (50 * 3600, "2 days"),
        (15 * 86400, "2 weeks"),
        (61 * 86400, "2 months"),
        (800 * 86400, "2 years"),
    ],
)
def test_ages_are_told_as_go_tells_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "digits", "text"),
    [
        (2_120_000, 3, "2.12MB"),
        (767_000, 3, "767kB"),
        (57_600_000, 3, "57.6MB"),
        (117_000_000, 3, "117MB"),
        (58_070_000, 4, "58.07MB"),
        (0, 4, "0B"),
    ],
)
def test_sizes_are_told_as_go_tells_them(number: int, digits: int, text: str) -> None:
    assert size(number, digits) == text


def test_a_document_has_the_fields_of_the_recorded_one_in_their_order() -> None:
    container = cri.Container(
        id="4d51",
        pod_sandbox_id="0088",
        metadata=cri.ContainerMetadata(name="main"),
        image=cri.ImageSpec(image="sha256:ed5e"),
        image_ref="sha256:ed5e",
        state=cri.CONTAINER_RUNNING,
        created_at=1795456513405369236,
        labels={"io.kubernetes.container.name": "main"},
    )

    assert json.dumps(document(container, nested=True), indent=2) == RECORDED_CONTAINER


def test_times_are_written_as_go_writes_them() -> None:
    assert rfc3339(1795456513405369236) == "2026-11-23T17:55:13.405369236Z"
    assert rfc3339(0) == "0001-01-01T00:00:00Z"


LOG = """\
2026-11-23T17:55:13.000000001Z stdout F one
2026-11-23T17:55:14.000000001Z stderr F two
2026-11-23T17:55:15.000000001Z stdout P thr
2026-11-23T17:55:15.000000002Z stdout F ee
"""


@pytest.fixture
def log(tmp_path: Path) -> str:
    file = tmp_path / "0.log"
    file.write_text(LOG)
    return str(file)


@pytest.mark.parametrize(
    ("wanted", "out", "err"),
    [
        (logs.Wanted(), "one\nthree\n", "two\n"),
        (logs.Wanted(tail=1), "ee\n", ""),
        (logs.Wanted(tail=0), "", ""),
        (logs.Wanted(tail=9), "one\nthree\n", "two\n"),
        (logs.Wanted(since="2026-11-23T17:55:14.5Z"), "three\n", ""),
        (logs.Wanted(stream="stderr"), "", "two\n"),
        (logs.Wanted(limit=2), "on", ""),
        (logs.Wanted(tail=1, timestamps=True), "2026-11-23T17:55:15.000000002Z ee\n", ""),
    ],
)
def test_logs_are_chosen_by_their_flags(
    log: str, wanted: logs.Wanted, out: str, err: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    logs.show(log, wanted, None)

    assert capfdbinary.readouterr() == (out.encode(), err.encode())


def test_a_followed_log_goes_on_over_a_rotation_until_the_container_ends(
    log: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    steps = iter(["append", "rotate", "end"])

    def running() -> bool:
        step = next(steps)
        if step == "append":
            with Path(log).open("a") as file:
                file.write("2026-11-23T17:55:16.000000001Z stdout F four\n")
        elif step == "rotate":
            Path(log).rename(f"{log}.1")
            Path(log).write_text("2026-11-23T17:55:17.000000001Z stdout F five\n")
        return step != "end"

    logs.show(log, logs.Wanted(tail=1), running)

    assert capfdbinary.readouterr().out == b"ee\nfour\nfive\n"


def test_a_wrong_time_is_refused(log: str) -> None:
    with pytest.raises(CrictlError, match="yesterday"):
        logs.show(log, logs.Wanted(since="yesterday"), None)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeNode]:
    """A node with one pod: a container that talks and sleeps, one that has exited with 3."""
    directory = tmp_path_factory.mktemp("node")
    for parent in [directory, *directory.parents]:  # as root a node's processes are another user
        if parent.stat().st_mode & 0o005 != 0o005:
            parent.chmod(parent.stat().st_mode | 0o055)
    node = RuntimeNode(directory)
    try:
        node.boot()
        node.pod = node.sandbox("web")
        labels = {"io.kubernetes.pod.name": "web", "io.kubernetes.pod.namespace": "default"}
        node.main = node.run_container(
            node.pod, "sh", "-c", "echo hello; echo oops >&2; exec sleep 100000", labels=labels
        )
        node.side = node.run_container(node.pod, "sh", "-c", "exit 3", name="side", labels=labels)
        node.wait_exit(node.side)
        yield node
    finally:
        node.down()
        removal.delete(directory)  # pytest can't: overlays leave directories that only a node's root may open


def test_ps_shows_running_containers_and_all_when_asked(node: RuntimeNode) -> None:
    header, row = node.sh("crictl ps").splitlines()

    assert header.split() == [
        "CONTAINER",
        "IMAGE",
        "CREATED",
        "STATE",
        "NAME",
        "ATTEMPT",
        "POD",
        "ID",
        "POD",
        "NAMESPACE",
    ]
    columns = re.split(" {2,}", row)
    assert columns[0] == node.main[:13]
    assert columns[3:] == ["Running", "main", "0", node.pod[:13], "web", "default"]
    assert [re.split(" {2,}", line)[3:5] for line in node.sh("crictl ps -a").splitlines()[1:]] == [
        ["Exited", "side"],
        ["Running", "main"],
    ]
    assert node.sh("crictl ps -aq --state exited") == f"{node.side}\n"
    assert node.sh(f"crictl ps -q --pod {node.pod[:10]} --name '^ma'") == f"{node.main}\n"
    assert node.sh("crictl ps -q --label io.kubernetes.container.name=nobody") == ""


def test_documents_are_json_and_yaml(node: RuntimeNode) -> None:
    assert [each["id"] for each in json.loads(node.sh("crictl ps -o json"))["containers"]] == [node.main]
    assert json.loads(node.sh("crictl pods -o json"))["items"][0]["state"] == "SANDBOX_READY"
    assert f'- annotations: {{}}\n  createdAt: "{node.status(node.main).created_at}"\n' in node.sh(
        "crictl ps -o yaml"
    )


def test_inspect_tells_status_and_the_runtimes_own_view(node: RuntimeNode) -> None:
    inspected = json.loads(node.sh(f"crictl inspect {node.side}"))

    assert list(inspected) == ["info", "status"]
    assert inspected["status"]["state"] == "CONTAINER_EXITED"
    assert (inspected["status"]["exitCode"], inspected["status"]["reason"]) == (3, "Error")
    assert inspected["info"]["config"]["command"] == ["sh", "-c", "exit 3"]
    assert inspected["info"]["sandboxID"] == node.pod
    pod = json.loads(node.sh(f"crictl inspectp {node.pod}"))
    assert pod["status"]["network"]["ip"].startswith("10.244.0.")
    assert json.loads(node.sh("crictl inspecti busybox:1.36"))["status"]["repoTags"] == [
        "docker.io/library/busybox:1.36"
    ]


def test_version_info_and_images(node: RuntimeNode) -> None:
    assert node.sh("crictl version") == (
        "Version:  0.1.0\nRuntimeName:  containerd\nRuntimeVersion:  1.6.20\nRuntimeApiVersion:  v1\n"
    )
    ready = [each["status"] for each in json.loads(node.sh("crictl info"))["status"]["conditions"]]
    assert ready == [True, True]
    rows = [re.split(" {2,}", line)[:2] for line in node.sh("crictl images").splitlines()]
    assert rows[0] == ["IMAGE", "TAG"]
    assert ["docker.io/library/busybox", "1.36"] in rows


def test_a_reader_that_has_seen_enough_is_no_error(node: RuntimeNode) -> None:
    assert node.sh(f"set -o pipefail; crictl inspect {node.main} 2>&1 | head -1") == "{\n"


def test_logs_of_a_container(node: RuntimeNode) -> None:
    assert node.sh(f"crictl logs {node.main} 2>/dev/null") == "hello\n"
    assert node.sh(f"crictl logs {node.main} 2>&1 >/dev/null") == "oops\n"


def test_exec_gives_the_commands_output_and_says_how_it_failed(node: RuntimeNode) -> None:
    assert node.sh(f"crictl exec {node.main} cat /proc/1/cmdline") == "sleep\x00100000\x00"
    assert node.sh(f"crictl exec -s {node.main} hostname") == "web\n"
    assert node.sh(f"echo through | crictl exec -i {node.main} cat") == "through\n"
    code, text = node.run("bash", "-c", f"crictl exec {node.main} sh -c 'echo out; exit 7'")
    assert code == 1
    assert text.startswith("out\n")
    assert f"execing command in container {node.main}: command terminated with exit code 7" in text


def test_exec_with_a_terminal_is_on_one(node: RuntimeNode) -> None:
    inside = "tty; stty size; read line; echo got $line"
    node.sh(
        f"cat > /root/exec.sh <<'E'\nstty rows 40 cols 100\ncrictl exec -it {node.main} sh -c '{inside}'\nE"
    )

    output = node.sh("echo typed | script -qec 'bash /root/exec.sh' /dev/null")

    for line in ("/dev/pts/0", "40 100", "got typed"):
        assert f"{line}\r\n" in output


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("logs nobody", 'desc = an error occurred when try to find container "nobody": not found'),
        ("rmi nobody", "no such image nobody"),
        ("ps -o xml", 'listing containers: unsupported output format "xml"'),
        ("ps -s dead", "list containers: --state should be one of created, running, exited or unknown"),
        ("rm {main}", 'container "{main}" is running, please stop it first'),
        ("rmp {pod}", 'pod sandbox "{pod}" is running, please stop it first'),
        ("-r unix:///run/none.sock ps", "connect: no such file or directory"),
    ],
)  # fmt: skip
def test_failures_are_told_in_one_line_as_the_real_one_tells_them(
    node: RuntimeNode, command: str, message: str
) -> None:
    names = {"main": node.main, "pod": node.pod}

    code, text = node.run("bash", "-c", f"crictl {command.format(**names)}")

    assert code == 1
    assert re.fullmatch(r'time="[^"]+" level=error msg=".*"\n', text)
    assert message.format(**names) in text.replace('\\"', '"')


def test_stopping_and_removing(node: RuntimeNode) -> None:
    sandbox = node.sandbox("short")
    container, other = (
        node.run_container(sandbox, "sleep", "9"),
        node.run_container(sandbox, "sleep", "9", attempt=1),
    )

    assert node.sh(f"crictl stop -t 0 {container}") == f"{container}\n"
    assert node.sh(f"crictl rm {container}") == f"{container}\n"
    assert node.sh(f"crictl rm -f {other}") == f"{other}\n"
    assert node.sh(f"crictl stopp {sandbox}") == f"Stopped sandbox {sandbox}\n"
    assert node.sh(f"crictl rmp {sandbox}") == f"Removed sandbox {sandbox}\n"


def test_an_image_is_removed_and_pulled(node: RuntimeNode) -> None:
    names = ["docker.io/library/busybox:1.37", "docker.io/library/busybox:latest"]
    assert node.sh("crictl rmi busybox:1.37").splitlines() == [f"Deleted: {name}" for name in names]
    assert node.sh("crictl pull busybox:1.37").startswith("Image is up to date for sha256:")
