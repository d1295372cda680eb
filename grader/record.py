"""The grader's own append-only record: what was judged, when, and with which verdict.

One JSON document a line, in `COURSE/.grader/verdicts.jsonl`. The gradebook, the feedback and every report
are derived from it, so a score can always be traced to the verdict it came from. A *run* is one attempt to
judge one notebook of one submission:

    {"event": "began",    "run", "key", "student", "assignment", "notebook", "attempt", "at"}
    {"event": "verdict",  "run", "cell", "verdict": {as `labs exercise check --json`}, "at"}
    {"event": "finished", "run", "at"}                     only now do its verdicts count
    {"event": "trouble",  "run", "reason", "at"}           it came to nothing
    {"event": "gave up",  "student", "assignment", "notebook", "reason", "at"}

`key` is the digest of everything a verdict depends on (see `grader.submission`), so a finished run can stand
for a later one of the same submission: this is how an interrupted batch goes on where it stopped.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from grader.errors import TroubleError

FOLDER = ".grader"


class CriterionVerdict(TypedDict):
    """One thing that was judged. `passed` is None where it could not be."""

    id: str
    passed: bool | None
    points: float
    max: float
    rationale: str
    expected: str
    seen: str
    hint: str


class Verdict(TypedDict):
    """What the judge says about one exercise (the document of `labs exercise check --json`)."""

    exercise: str
    points: float
    max: float
    criteria: list[CriterionVerdict]
    title: NotRequired[str]


@dataclass(frozen=True)
class Identity:
    """Whose notebook it is."""

    student: str
    assignment: str
    notebook: str


@dataclass
class Run:
    """One attempt as the record tells it."""

    id: str
    key: str
    who: Identity
    at: str
    finished: bool = False
    trouble: str | None = None
    verdicts: dict[str, Verdict] = field(default_factory=dict)


class Record:
    """The record of one course. Several processes may append at once."""

    def __init__(self, course: Path) -> None:
        self.folder = course / FOLDER
        self.path = self.folder / "verdicts.jsonl"

    def append(self, event: str, **facts: Any) -> None:
        """Write one event and have it on disk before going on."""
        self.folder.mkdir(exist_ok=True, mode=0o700)
        (self.folder / "runs").mkdir(exist_ok=True)
        line = json.dumps({"event": event, "at": datetime.now(UTC).isoformat(), **facts}, ensure_ascii=False)
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            size = os.fstat(descriptor).st_size
            # a line that a crash tore off must not swallow this one
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            os.write(descriptor, (b"\n" if torn else b"") + line.encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def begin(self, run: str, key: str, who: Identity, attempt: int) -> None:
        """Say that an attempt has begun."""
        self.append("began", run=run, key=key, attempt=attempt, **vars(who))

    def verdict(self, run: str, cell: str, verdict: Verdict) -> None:
        """Keep what the judge said when `cell` had run."""
        self.append("verdict", run=run, cell=cell, verdict=verdict)

    def finish(self, run: str, notebook: str) -> None:
        """Keep the executed notebook; from here on the run counts."""
        path = self.executed(run)
        partial = path.with_suffix(".partial")
        partial.write_text(notebook, encoding="utf-8")
        partial.replace(path)
        self.append("finished", run=run)

    def give_up(self, who: Identity, reason: str) -> None:
        """Say that a person has to look at this notebook."""
        self.append("gave up", reason=reason, **vars(who))

    def executed(self, run: str) -> Path:
        """Where the notebook of a finished run lies, with its outputs."""
        return self.folder / "runs" / f"{run}.ipynb"

    def runs(self) -> list[Run]:
        """Every attempt so far, oldest first."""
        return list(self._read()[0].values())

    def find(self, key: str) -> Run | None:
        """The latest finished run of exactly this submission, if there is one."""
        found = [
            run for run in self.runs() if run.key == key and run.finished and self.executed(run.id).exists()
        ]
        return found[-1] if found else None

    def run(self, run: str) -> Run:
        """One finished run.

        Raises:
            TroubleError: it is not in the record, or did not finish.
        """
        found = self._read()[0].get(run)
        if found is None or not found.finished:
            raise TroubleError(f"{self.path} has no finished run {run}: run `grader autograde` again")
        return found

    def latest(self, assignment: str) -> dict[Identity, Run | str]:
        """For each notebook of `assignment`: its latest finished run, or why there is none after it."""
        runs, gave_up = self._read()
        result: dict[Identity, tuple[str, Run | str]] = {}
        for run in runs.values():
            if run.finished and run.who.assignment == assignment:
                result[run.who] = (run.at, run)
        for who, at, reason in gave_up:
            if who.assignment == assignment and (who not in result or at > result[who][0]):
                result[who] = (at, reason)
        return {who: outcome for who, (_, outcome) in result.items()}

    def _read(self) -> tuple[dict[str, Run], list[tuple[Identity, str, str]]]:
        runs: dict[str, Run] = {}
        gave_up: list[tuple[Identity, str, str]] = []
        for event in self._events():
            match event["event"]:
                case "began":
                    runs[event["run"]] = Run(event["run"], event["key"], _identity(event), event["at"])
                case "verdict":
                    runs[event["run"]].verdicts[event["cell"]] = event["verdict"]
                case "finished":
                    runs[event["run"]].finished = True
                    runs[event["run"]].at = event["at"]
                case "trouble":
                    runs[event["run"]].trouble = event["reason"]
                case "gave up":
                    gave_up.append((_identity(event), event["at"], event["reason"]))
        return runs, gave_up

    def _events(self) -> Iterator[dict[str, Any]]:
        if not self.path.exists():
            return
        with self.path.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    event = json.loads(line)
                except ValueError:  # torn off by a crash while it was written: it never counted
                    continue
                yield event


def _identity(event: Mapping[str, str]) -> Identity:
    return Identity(event["student"], event["assignment"], event["notebook"])
