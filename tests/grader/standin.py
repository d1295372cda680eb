"""A lab without a cluster: a socket that a notebook can tell its deeds, and a judge that remembers them.

Used where a test is about the grader and not about Kubernetes. `$CKS_TEST_LAB` names a JSON file that may
ask for trouble: {"fail": "boot" | "start" | "judge" | "null", "times": N}.
"""

import contextlib
import json
import os
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from grader.lab import Lab
from grader.record import Verdict
from labs.errors import LabsError

CRITERIA = {"first": {"predicted": 2.0, "done": 3.0}, "second": {"done": 5.0}}


class StandInLab:
    name = "cks"

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.deeds: list[list[str]] = []
        self.begun: set[str] = set()

    def started(self, exercise: str) -> bool:
        return exercise in self.begun or ["start", exercise] in self.deeds

    def start(self, exercise: str) -> None:
        if _trouble("start"):
            raise LabsError("the exercise could not be set up")
        self.begun.add(exercise)

    def check(self, exercise: str) -> Verdict:
        if _trouble("judge"):
            raise LabsError("the judge fell over")
        unknown = _trouble("null")
        criteria = [
            {
                "id": id,
                "passed": None if unknown else [exercise, id] in self.deeds,
                "points": points if [exercise, id] in self.deeds and not unknown else 0.0,
                "max": points,
                "rationale": f"about <{id}>",
                "expected": f"{id} of {exercise}",
                "seen": json.dumps(self.deeds),
                "hint": f"think of {id}",
            }
            for id, points in CRITERIA[exercise].items()
        ]
        points = sum(criterion["points"] for criterion in criteria)
        return {
            "exercise": exercise,
            "points": points,
            "max": sum(CRITERIA[exercise].values()),
            "criteria": criteria,
        }


def _trouble(kind: str) -> bool:
    path = os.environ.get("CKS_TEST_LAB")
    if not path or not Path(path).exists():
        return False
    asked = json.loads(Path(path).read_text())
    if asked["fail"] != kind or asked["times"] <= 0:
        return False
    Path(path).write_text(json.dumps({**asked, "times": asked["times"] - 1}))
    return True


@contextlib.contextmanager
def lab(run: str) -> Iterator[Lab]:
    if _trouble("boot"):
        raise LabsError("the lab did not boot")
    with tempfile.TemporaryDirectory(prefix="cks-lab-") as folder:
        standin = StandInLab(Path(folder) / "student.sock")

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                for line in self.rfile:
                    standin.deeds.append(line.decode().split())
                    self.wfile.write(b"ok\n")

        with socketserver.ThreadingUnixStreamServer(str(standin.socket), Handler) as server:
            server.daemon_threads = True
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield standin
            finally:
                server.shutdown()
                thread.join()
