"""What a student's kernel can do in its box, and what it cannot. Real bubblewrap, real kernels."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from grader.kernel import End, Kernel, Ran
from grader.limits import MEBIBYTE, Limits
from grader.sandbox import Box, box
from tests.grader.courses import ROOT
from tests.grader.processes import alive

SMALL = Limits(cell_time=20.0, total_time=60.0, memory=400 * MEBIBYTE, home=8 * MEBIBYTE)
Open = Callable[..., tuple[Box, Kernel]]


@pytest.fixture
def open_box() -> Iterator[Open]:
    with ExitStack() as stack:

        def opened(files: dict[str, bytes] | None = None, limits: Limits = SMALL) -> tuple[Box, Kernel]:
            sandbox = stack.enter_context(box(files or {}, None, "cks", limits))
            return sandbox, stack.enter_context(Kernel(sandbox, limits))

        yield opened


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    """One box for all tests that leave it as it was."""
    with box({"data/part.txt": b"mine"}, None, "cks", SMALL) as sandbox, Kernel(sandbox, SMALL) as opened:
        yield opened


def text(ran: Ran) -> str:
    return "".join(output.get("text", "") for output in ran.outputs)


def error(ran: Ran) -> str:
    return "".join(output.get("ename", "") for output in ran.outputs)


def test_a_cell_runs_and_its_output_comes_back(kernel: Kernel) -> None:
    ran = kernel.execute("print('hello'); 6 * 7")

    assert ran.end is End.OK
    assert text(ran) == "hello\n"
    assert ran.outputs[-1].data == {"text/plain": "42"}


def test_cells_share_their_variables(kernel: Kernel) -> None:
    kernel.execute("answer = 42")

    assert text(kernel.execute("print(answer)")) == "42\n"


def test_shell_lines_and_cell_magics_work(kernel: Kernel) -> None:
    assert text(kernel.execute("!echo from the shell")) == "from the shell\n"
    assert text(kernel.execute("%%bash\necho from bash")) == "from bash\n"


def test_the_submissions_files_lie_beside_the_notebook_and_can_be_written(kernel: Kernel) -> None:
    ran = kernel.execute("print(open('data/part.txt').read()); open('own.txt', 'w').write('x')")

    assert text(ran) == "mine\n"
    assert ran.end is End.OK


@pytest.mark.parametrize(
    "path",
    [
        ROOT / "course" / "nbgrader_config.py",
        ROOT / "labs" / "exercises",
        ROOT / "labs" / "judge",
        ROOT / "grader",
        "/etc/shadow",
        "/root/.ssh",
        "/var",
        "/opt/cks-labs/src/labs/exercises",
        "/opt/cks-labs/src/labs/judge",
        "/opt/cks-labs/src/labs/cluster.py",
    ],
)
def test_nothing_of_the_course_or_the_machine_is_in_sight(kernel: Kernel, path: Path | str) -> None:
    assert text(kernel.execute(f"import os; print(os.path.exists({str(path)!r}))")) == "False\n"


def test_no_file_of_the_host_is_found_by_searching(kernel: Kernel, tmp_path: Path) -> None:
    secret = tmp_path / "gradebook-of-this-test.db"
    secret.write_text("secret")

    ran = kernel.execute(f"!find / -xdev -name {secret.name} 2>/dev/null; ls {tmp_path} 2>&1 | tail -1")

    assert secret.name not in text(ran)
    assert "No such file" in text(ran)


@pytest.mark.parametrize("path", ["/usr/x", "/etc/x", "/x", "/opt/x", "/dev/x", "/run/kernel/../../x"])
def test_nothing_outside_home_and_tmp_can_be_written(kernel: Kernel, path: str) -> None:
    assert error(kernel.execute(f"open({path!r}, 'w')")) in ("OSError", "PermissionError")


def test_there_is_no_network(kernel: Kernel) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        ran = kernel.execute(f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)")

        assert error(ran) == "ConnectionRefusedError"
    assert error(kernel.execute("socket.create_connection(('1.1.1.1', 53), 2)")) == "OSError"


def test_abstract_sockets_of_the_host_are_out_of_reach(kernel: Kernel) -> None:
    name = f"\0cks-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        ran = kernel.execute(f"import socket; socket.socket(socket.AF_UNIX).connect({name!r})")

    assert error(ran) == "ConnectionRefusedError"


def test_no_process_outside_is_visible(kernel: Kernel) -> None:
    ran = kernel.execute("import os; print(max(int(name) for name in os.listdir('/proc') if name.isdigit()))")

    assert int(text(ran)) < 100


def test_the_kernel_is_nobody_on_the_host(open_box: Open) -> None:
    sandbox, kernel = open_box()
    status = Path(f"/proc/{sandbox.inner}/status").read_text()
    uids = {line.split()[1] for line in status.splitlines() if line.startswith("Uid:")}

    assert uids.isdisjoint({"0"})
    assert text(kernel.execute("!grep CapEff /proc/self/status")).split()[1] == "0000000000000000"


def test_no_further_user_namespace_can_be_made(kernel: Kernel) -> None:
    assert "rc=0" not in text(kernel.execute("!unshare -Ur true; echo rc=$?"))


def test_secrets_in_the_graders_environment_stay_there(
    open_box: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADER_TOKEN", "secret")
    _, kernel = open_box()

    assert "GRADER_TOKEN" not in text(kernel.execute("!env"))


def test_an_endless_loop_is_interrupted_and_the_next_cell_runs(open_box: Open) -> None:
    _, kernel = open_box(limits=Limits(cell_time=1.0))
    ran = kernel.execute("while True: pass")

    assert ran.end is End.TIMEOUT
    assert "1 s" in ran.why
    assert kernel.execute("1").end is End.OK


@pytest.mark.long
def test_a_loop_that_ignores_the_interrupt_costs_the_kernel(open_box: Open) -> None:
    _, kernel = open_box(limits=Limits(cell_time=1.0))
    ran = kernel.execute("import signal; signal.signal(2, signal.SIG_IGN)\nwhile True: pass")

    assert ran.end is End.KILLED
    assert kernel.execute("1").kernel_lost


def test_the_notebook_as_a_whole_has_a_time_limit(open_box: Open) -> None:
    _, kernel = open_box(limits=Limits(cell_time=20.0, total_time=0.5))
    kernel.execute("import time; time.sleep(5)")

    assert kernel.execute("1").kernel_lost


def test_leaving_by_os_exit_is_noticed_at_once(open_box: Open) -> None:
    _, kernel = open_box()
    before = time.monotonic()
    ran = kernel.execute("import os; os._exit(0)")

    assert ran.end is End.DIED
    assert time.monotonic() - before < 5


@pytest.mark.long
def test_becoming_another_program_runs_out_of_time(open_box: Open) -> None:
    _, kernel = open_box(limits=Limits(cell_time=1.0))
    ran = kernel.execute("import os; os.execv('/bin/sleep', ['sleep', '100'])")

    assert ran.kernel_lost


def test_a_fork_bomb_stays_in_the_box(open_box: Open) -> None:
    sandbox, kernel = open_box(limits=Limits(cell_time=8.0, processes=60))
    kernel.execute("import subprocess; subprocess.run(['bash', '-c', ':(){ :|:& };:; sleep 1'])")
    ran = kernel.execute("import os\nwhile True: os.fork()")

    assert ran.end is not End.OK
    sandbox.kill()
    assert not alive(sandbox.inner)


def test_one_process_cannot_take_all_memory(kernel: Kernel) -> None:
    assert error(kernel.execute("x = bytearray(1 << 36)")) == "MemoryError"


def test_many_processes_together_cannot_take_all_memory(open_box: Open) -> None:
    _, kernel = open_box()
    ran = kernel.execute(
        "import os, time\nfor _ in range(8):\n"
        "  if not os.fork(): x = bytearray(100 << 20); time.sleep(60)\ntime.sleep(15)"
    )

    assert ran.end is End.KILLED
    assert "memory" in ran.why


def test_disks_are_small(kernel: Kernel) -> None:
    for place in ("/home/student", "/tmp", "/dev/shm", "/run/kernel"):
        ran = kernel.execute(
            f"import os\ntry:\n  f = open('{place}/big', 'wb')\n"
            "  for _ in range(200): f.write(bytes(1 << 20))\n"
            f"finally:\n  os.unlink('{place}/big')"
        )
        assert error(ran) == "OSError", place


def test_limits_cannot_be_raised_from_within(kernel: Kernel) -> None:
    ran = kernel.execute("import resource; resource.setrlimit(resource.RLIMIT_NPROC, (10**6, 10**6))")

    assert error(ran) == "ValueError"


def test_a_flood_of_output_is_cut(open_box: Open) -> None:
    _, kernel = open_box(limits=Limits(cell_time=20.0, cell_output=10_000))
    ran = kernel.execute("for _ in range(3000): print('x' * 1000)")

    assert ran.end is End.OK
    assert len(text(ran)) < 11_000
    assert "output cut" in text(ran)


def test_a_single_giant_message_is_survived(open_box: Open) -> None:
    _, kernel = open_box(limits=Limits(cell_time=20.0))
    kernel.execute("from IPython.display import display; display({'text/plain': 'x' * (40 << 20)}, raw=True)")

    assert kernel.execute("1").end is End.OK


def test_only_text_and_pictures_are_kept(kernel: Kernel) -> None:
    ran = kernel.execute(
        "from IPython.display import display\n"
        "display({'text/html': '<script>alert(1)</script>', 'application/javascript': 'alert(1)',"
        " 'image/svg+xml': '<svg onload=alert(1)>', 'image/png': '<script>', 'text/plain': 'plain'},"
        " raw=True)"
    )

    assert [output.data for output in ran.outputs] == [{"text/plain": "plain"}]


MALFORMED = """
import json
from ipykernel.kernelapp import IPKernelApp
kernel = IPKernelApp.instance().kernel
session, socket = kernel.session, kernel.iopub_socket
socket.send_multipart([b'junk'])
socket.send_multipart([b'', b'<IDS|MSG>', b'bad signature', b'{}', b'{}', b'{}', b'{}'])
for content in ([], 'text', 7, None, {'name': 5, 'text': []}, {'data': [1]}, {'execution_state': {}}):
    for kind in ('stream', 'display_data', 'error', 'status', 'execute_reply'):
        session.send(socket, kind, content=json.dumps(content).encode(), parent=kernel.get_parent())
print('after')
"""


def test_malformed_messages_are_dropped(open_box: Open) -> None:
    _, kernel = open_box()
    ran = kernel.execute(MALFORMED)

    assert ran.end is End.OK
    assert "after" in text(ran)


def test_a_made_up_reply_ends_the_cell_and_no_more(open_box: Open) -> None:
    _, kernel = open_box(limits=Limits(cell_time=6.0))
    kernel.execute(
        "from ipykernel.kernelapp import IPKernelApp\nk = IPKernelApp.instance().kernel\n"
        "k.session.send(k.iopub_socket, 'status', {'execution_state': 'idle'}, parent=k.get_parent())"
    )

    assert text(kernel.execute("print('next')")) == "next\n"


def test_nothing_is_left_when_the_box_is_closed() -> None:
    with box({}, None, "cks", SMALL) as sandbox, Kernel(sandbox, SMALL) as kernel:
        kernel.execute("import subprocess; subprocess.Popen(['setsid', 'sleep', '1000'])")

    assert not alive(sandbox.inner)
    assert sandbox.process.poll() is not None
