"""The API server's audit log, followed: every whole line once, whatever becomes of the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.nodes.kind.recorder.audit import AuditLog


def line(number: int) -> str:
    return f'{{"kind":"Event","auditID":"{number}","stage":"ResponseComplete"}}\n'


def numbers(log: AuditLog) -> list[int]:
    return [int(one.split(b'"auditID":"')[1].split(b'"')[0]) for one in log.read()]


def append(path: Path, *events: int) -> None:
    with path.open("a") as file:
        file.writelines(map(line, events))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


def test_a_log_that_is_not_there_yet_has_no_events(path: Path) -> None:
    log = AuditLog(path)

    assert numbers(log) == []

    append(path, 1, 2)

    assert numbers(log) == [1, 2]


def test_each_event_is_read_once(path: Path) -> None:
    log = AuditLog(path)
    append(path, 1)
    numbers(log)
    append(path, 2, 3)

    assert numbers(log) == [2, 3]
    assert numbers(log) == []


def test_a_line_is_read_when_its_end_is_written(path: Path) -> None:
    log = AuditLog(path)
    begun, rest = line(1)[:20], line(1)[20:]
    path.write_text(begun)

    assert numbers(log) == []

    with path.open("a") as file:
        file.write(rest)

    assert numbers(log) == [1]


def test_a_rotated_log_is_read_to_its_end_before_the_new_one(path: Path) -> None:
    log = AuditLog(path)
    append(path, 1)
    numbers(log)
    append(path, 2)
    path.rename(path.with_name("audit-2026-11-24T02-00-00.000.log"))
    append(path, 3)

    assert numbers(log) == [2, 3]


def test_logs_that_were_rotated_twice_between_two_looks_are_read_in_order(path: Path) -> None:
    log = AuditLog(path)
    append(path, 1)
    numbers(log)
    for hour in (1, 2):
        append(path, 10 * hour)
        path.rename(path.with_name(f"audit-2026-11-24T0{hour}-00-00.000.log"))
    append(path, 30)

    assert numbers(log) == [10, 20, 30]
    assert numbers(log) == []


def test_a_full_log_that_is_pruned_is_not_missed(path: Path) -> None:
    log = AuditLog(path)
    append(path, 1)
    numbers(log)
    full = path.rename(path.with_name("audit-2026-11-24T02-00-00.000.log"))
    append(path, 2)
    numbers(log)
    full.unlink()
    append(path, 3)

    assert numbers(log) == [3]


def test_a_truncated_log_is_read_from_its_start(path: Path) -> None:
    log = AuditLog(path)
    append(path, 1, 2, 3)
    numbers(log)
    path.write_text("")
    numbers(log)
    append(path, 4)

    assert numbers(log) == [4]


def test_a_log_that_was_removed_is_read_when_it_is_begun_anew(path: Path) -> None:
    log = AuditLog(path)
    append(path, 1, 2)
    numbers(log)
    path.unlink()

    assert numbers(log) == []

    append(path, 3)

    assert numbers(log) == [3]


@pytest.mark.parametrize(("last", "expected"), [("1", [2, 3, 4]), ("2", [3, 4]), ("3", [4]), ("4", [])])
def test_reading_goes_on_after_the_last_event_that_is_known_in_whichever_log_it_is(
    path: Path, last: str, expected: list[int]
) -> None:
    append(path, 1, 2)
    path.rename(path.with_name("audit-2026-11-24T02-00-00.000.log"))
    append(path, 3, 4)
    log = AuditLog(path)

    assert log.resume(last)
    assert numbers(log) == expected


def test_when_no_log_holds_the_last_event_any_more_all_that_is_there_is_new(path: Path) -> None:
    append(path, 5, 6)
    log = AuditLog(path)

    assert not log.resume("4")
    assert numbers(log) == [5, 6]
