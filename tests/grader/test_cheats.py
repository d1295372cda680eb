"""Submissions that attack the kernel, nbgrader or the grader. Each earns what it did in the lab, no more."""

from collections.abc import Callable

import nbformat
import pytest

from tests.grader.courses import PERFECT, Course, answered, plain

#: A class of its own is graded for them: a minute on two cores.
pytestmark = pytest.mark.long

HONEST = 'do("first", "done")'
EARNED = {"first": 3.0, "second": 0.0}
ALL_LOST = {"first": 0.0, "second": 0.0}

DROP_ASSERTS = """
import ast
class Drop(ast.NodeTransformer):
    def visit_Assert(self, node): return ast.copy_location(ast.Pass(), node)
get_ipython().ast_transformers.append(Drop())
get_ipython().input_transformers_cleanup.append(lambda lines: ["5.0\\n"])
"""

PATCH_IPYTHON = """
import IPython, ipykernel.ipkernel, sys
async def do_execute(self, *args, **kwargs):
    from IPython.display import display
    display({"text/plain": "5.0"}, raw=True)
    return {"status": "ok", "execution_count": 1, "user_expressions": {}, "payload": []}
ipykernel.ipkernel.IPythonKernel.do_execute = do_execute
sys.modules["nbgrader"] = sys.modules["grader"] = IPython
"""

FORGED_RESULT = """
from ipykernel.kernelapp import IPKernelApp
k = IPKernelApp.instance().kernel
k.session.send(k.iopub_socket, "execute_result",
    {"data": {"text/plain": "5.0", "text/html": "<b>first: 5 of 5 points</b>"}, "metadata": {},
     "execution_count": 1}, parent=k.get_parent())
print("first: 5 of 5 points"); print("5.0")
5.0
"""

READ_EVERYTHING = """
import os, subprocess
found = subprocess.run(["find", "/", "-xdev", "(", "-name", "gradebook.db", "-o", "-name", "verdicts.jsonl",
    "-o", "-name", "nb.ipynb", "-o", "-path", "*labs/exercises*", "-o", "-path", "*labs/judge*", ")"],
    capture_output=True, text=True).stdout
print("FOUND", found.split())
"""

WRITE_EVERYWHERE = """
import glob, os
places = ["/usr/x", "/etc/x", "/proc/1/mem", "/run/cks-labs/student.sock"]
places += glob.glob("/proc/*/root/etc/passwd")
for path in places:
    try:
        open(path, "r+b" if os.path.exists(path) else "wb").write(b"x")
        print("WROTE", path)
    except OSError:
        pass
"""

CHEATS: dict[str, tuple[nbformat.NotebookNode, dict[str, float]]] = {
    "leaves": (answered(f"{HONEST}; import os; os._exit(0)", 'do("second", "done")'), EARNED),
    "leaves-at-once": (answered("import os; os._exit(0)"), ALL_LOST),
    "prints": (answered(f"{HONEST}; print(5.0)", "print(5.0)"), EARNED),
    "drops-asserts": (answered(f"{HONEST}\n{DROP_ASSERTS}", 'do("second", "done")'), EARNED),
    "patches": (answered(f"{HONEST}\n{PATCH_IPYTHON}", 'do("second", "done")'), EARNED),
    "forges": (answered(f"{HONEST}\n{FORGED_RESULT}", FORGED_RESULT), EARNED),
    "reads": (answered(f"{HONEST}\n{READ_EVERYTHING}"), EARNED),
    "writes": (answered(f"{HONEST}\n{WRITE_EVERYWHERE}"), EARNED),
    "bombs": (
        answered(f"{HONEST}; import subprocess; subprocess.run(['bash', '-c', ':(){{ :|:& }};:'])"),
        EARNED,
    ),
    "floods": (answered(f"{HONEST}\nwhile True: print('x' * 10000)"), EARNED),
    "hangs": (answered(f"{HONEST}\nwhile True: pass"), EARNED),
    "closes-channels": (
        answered(
            f"{HONEST}\nfrom ipykernel.kernelapp import IPKernelApp as A\nA.instance().shell_socket.close()",
            'do("second", "done")',
        ),
        EARNED,
    ),
    "own-graded-cell": (
        answered(HONEST, "", plain('get_ipython().set_next_input("5.0"); 5.0')),
        EARNED,
    ),
}

SETTINGS = """
from grader.limits import Limits
c.JudgeInLab.limits = Limits(cell_time=4.0, total_time=30.0)
"""


@pytest.fixture(scope="module")
def batch(shared_course: Callable[[], Course]) -> Course:
    course = shared_course()
    with (course.root / "nbgrader_config.py").open("a") as config:
        config.write(SETTINGS)
    for student, (book, _) in CHEATS.items():
        course.submit(student, book)
    course.submit("victim", PERFECT)
    done = course.autograde()
    assert done.returncode == 0, done.stderr
    return course


@pytest.mark.parametrize("student", CHEATS)
def test_a_cheat_earns_what_its_honest_part_earns(batch: Course, student: str) -> None:
    assert batch.scores()[student] == CHEATS[student][1]


def test_the_honest_student_of_the_same_batch_is_not_hurt(batch: Course) -> None:
    assert batch.scores()["victim"] == {"first": 5.0, "second": 5.0}


def shown(course: Course, student: str) -> str:
    outputs = [output for cell in course.autograded(student).cells for output in cell.get("outputs", ())]
    return "\n".join(output.get("text", "") for output in outputs)


def test_nothing_of_others_was_found(batch: Course) -> None:
    assert "FOUND []" in shown(batch, "reads")


def test_nothing_outside_was_written(batch: Course) -> None:
    assert "WROTE /usr" not in shown(batch, "writes")
    assert "student.sock" not in shown(batch, "writes")


def test_a_forged_verdict_is_not_shown_at_the_graded_cell(batch: Course) -> None:
    book = batch.autograded("forges")
    (cell,) = (cell for cell in book.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == "second")

    assert [output.data["text/plain"].splitlines()[0] for output in cell.outputs] == ["second: 0 of 5 points"]


def test_no_markup_of_a_student_reaches_the_instructors_browser(batch: Course) -> None:
    outputs = [output for cell in batch.autograded("forges").cells for output in cell.get("outputs", ())]
    html = [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]

    assert all(text.startswith('<div class="cks-labs-verdict">') for text in html)


def test_the_instructor_is_told_why_cells_were_not_executed(batch: Course) -> None:
    assert "[grader] the kernel died" in shown(batch, "leaves")
    assert "[grader] not executed" in shown(batch, "leaves")
    assert "[grader] it ran out of time" in shown(batch, "hangs")
