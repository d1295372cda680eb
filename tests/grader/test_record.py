"""The append-only record: what is in it counts, what a crash tore off does not."""

import json
import multiprocessing
from pathlib import Path

import pytest

from grader.errors import TroubleError
from grader.record import Identity, Record, Verdict

WHO = Identity("student", "lab", "nb")
VERDICT: Verdict = {"exercise": "first", "points": 3.0, "max": 5.0, "criteria": []}


def finished(record: Record, run: str, key: str = "key", who: Identity = WHO) -> None:
    record.begin(run, key, who, 1)
    record.verdict(run, "first", VERDICT)
    record.finish(run, "{}")


def test_a_finished_run_is_found_by_its_key(tmp_path: Path) -> None:
    record = Record(tmp_path)
    finished(record, "one")
    found = record.find("key")

    assert found is not None
    assert (found.who, found.verdicts) == (WHO, {"first": VERDICT})
    assert record.find("another key") is None


def test_a_run_that_did_not_finish_does_not_count(tmp_path: Path) -> None:
    record = Record(tmp_path)
    record.begin("one", "key", WHO, 1)
    record.verdict("one", "first", VERDICT)

    assert record.find("key") is None
    with pytest.raises(TroubleError, match="no finished run"):
        record.run("one")


def test_a_run_without_its_notebook_does_not_count(tmp_path: Path) -> None:
    record = Record(tmp_path)
    finished(record, "one")
    record.executed("one").unlink()

    assert record.find("key") is None


def test_the_latest_run_counts(tmp_path: Path) -> None:
    record = Record(tmp_path)
    finished(record, "one")
    finished(record, "two")
    found = record.find("key")

    assert found is not None
    assert found.id == "two"


def test_giving_up_comes_after_a_run_and_a_run_after_giving_up(tmp_path: Path) -> None:
    record = Record(tmp_path)
    finished(record, "one")
    record.give_up(WHO, "no lab")

    assert record.latest("lab") == {WHO: "no lab"}

    finished(record, "two")
    latest = record.latest("lab")[WHO]

    assert not isinstance(latest, str)
    assert latest.id == "two"


def test_a_torn_line_costs_nothing_but_itself(tmp_path: Path) -> None:
    record = Record(tmp_path)
    finished(record, "one")
    with record.path.open("a") as file:
        file.write('{"event": "verd')
    finished(record, "two")

    assert [run.finished for run in record.runs()] == [True, True]


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    record = Record(tmp_path)
    finished(record, "one")

    assert record.folder.stat().st_mode & 0o777 == 0o700
    assert record.path.stat().st_mode & 0o777 == 0o600


def write_many(folder: Path, name: str) -> None:
    for number in range(40):
        finished(Record(folder), f"{name}-{number}")


def test_several_processes_append_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=write_many, args=(tmp_path, str(number))) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert len(Record(tmp_path).runs()) == 120
    assert all(json.loads(line) for line in Record(tmp_path).path.read_text().splitlines())
