"""The grader with a real cluster: what a student's kernel may ask of it, and that nothing of it is left."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.clusters import cluster_lab, sweep
from grader.kernel import End, Kernel, Ran
from grader.lab import Lab
from grader.limits import Limits
from grader.sandbox import box
from labs.nodes import removal
from labs.nodes.doctor import needs
from tests.grader.courses import ROOT
from tests.grader.processes import alive

EXERCISE = "delete-mirror-pod"

pytestmark = [
    pytest.mark.skipif(
        any(need.required and not need.ok for need in needs()), reason="no embedded node on this machine"
    ),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with cluster_lab("real-lab") as opened:
        yield opened


@pytest.fixture(scope="module")
def kernel(lab: Lab) -> Iterator[Kernel]:
    limits = Limits(cell_time=120.0)
    with box({}, lab.socket, lab.name, limits) as sandbox, Kernel(sandbox, limits) as opened:
        ran = opened.execute("%load_ext labs.notebook")
        assert ran.end is End.OK, ran
        yield opened


def text(ran: Ran) -> str:
    shown = [output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in ran.outputs]
    return "\n".join(shown)


def test_every_submission_finds_the_node_under_the_same_name(kernel: Kernel) -> None:
    assert text(kernel.execute("%%node\nhostname")).strip() == "cks-control-plane"


def test_the_verdict_is_kept_from_the_kernel(kernel: Kernel) -> None:
    kernel.execute(f'start("{EXERCISE}")')
    said = text(kernel.execute(f'check("{EXERCISE}")'))

    assert "Recorded" in said
    assert "points" not in said


@pytest.mark.parametrize(
    "asked",
    [
        'call("evidence", since=0)',
        'call("record", source="lab", data={"event": "check"})',
        'call("grading", on=False)',
        'call("down")',
        'call("barrier", timeout=1.0)',
        f'call("exercise", verb="solve", args={{"exercise": "{EXERCISE}"}})',
        f'call("exercise", verb="reset", args={{"exercise": "{EXERCISE}"}})',
    ],
)
def test_what_only_the_judge_may_ask_is_refused(kernel: Kernel, asked: str) -> None:
    ran = kernel.execute(
        "import os\nfrom labs.nodes.client import Client\n"
        f"print('GOT', Client(os.environ['CKS_LABS_STUDENT_SOCKET']).{asked})"
    )

    assert "GOT" not in text(ran)
    assert ran.end is End.ERROR


def test_the_trusted_view_of_the_node_is_not_given(kernel: Kernel) -> None:
    ran = kernel.execute(
        "print(Client(os.environ['CKS_LABS_STUDENT_SOCKET']).run(['ls', '/cks'], view='trusted').stderr)"
    )

    assert "cannot access '/cks'" in text(ran)


def test_the_judges_socket_is_not_there(kernel: Kernel) -> None:
    ran = kernel.execute("!find / -path /proc -prune -o -name '*.sock' -print 2>/dev/null")

    assert text(ran).split() == ["/run/cks-labs/student.sock"]


def test_the_judge_judges_what_was_not_started_and_what_was(lab: Lab) -> None:
    assert lab.check("edit-has-no-effect")["points"] == 0
    verdict = lab.check(EXERCISE)

    assert (verdict["points"], verdict["max"]) == (0, 10)
    assert all(criterion["passed"] is False for criterion in verdict["criteria"])


HOLD = """
import sys
from grader.clusters import cluster_lab
with cluster_lab("killed") as lab:
    print(lab.socket, flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_grader_left_is_swept_up_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        socket = Path(holder.stdout.readline().strip())
        assert socket.is_socket()
        sweep()
        assert socket.is_socket()  # a living grader's lab is left alone
        holder.send_signal(signal.SIGKILL)
    supervisor = removal.running(socket.parent)
    assert supervisor is not None
    sweep()

    assert list((tmp_path / "cks-labs" / "grading").iterdir()) == []
    assert not alive(supervisor)
