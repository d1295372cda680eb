"""The evidence: one file, one order, whatever happens to the machine."""

from __future__ import annotations

import asyncio
import json
import resource
from datetime import datetime
from pathlib import Path

import pytest

from labs.nodes.evidence import Evidence

from .conftest import in_a_loop


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "evidence.jsonl"


def fill(path: Path, *words: str) -> Evidence:
    evidence = Evidence(path)
    for word in words:
        evidence.append("lab", "node", word=word)
    return evidence


def words(records: list[dict[str, object]]) -> list[object]:
    return [record["word"] for record in records]


def test_records_are_numbered_from_one_in_the_order_they_came(path: Path) -> None:
    records = fill(path, "a", "b", "c").since(0)

    assert [record["seq"] for record in records] == [1, 2, 3]
    assert words(records) == ["a", "b", "c"]


def test_a_record_has_time_source_and_node(path: Path) -> None:
    (record,) = fill(path, "a").since(0)

    assert (record["source"], record["node"]) == ("lab", "node")
    assert datetime.fromisoformat(record["at"]).utcoffset() is not None


def test_data_cannot_pretend_to_be_another_record(path: Path) -> None:
    evidence = Evidence(path)
    evidence.append("runtime", "node", seq=99, at="never")
    (record,) = evidence.since(0)

    assert record["seq"] == 1
    assert record["at"] != "never"


def test_numbering_goes_on_where_the_last_boot_ended(path: Path) -> None:
    fill(path, "a", "b").close()
    resumed = fill(path, "c")

    assert words(resumed.since(0)) == ["a", "b", "c"]
    assert resumed.last == 3


def test_only_the_newer_records_are_given(path: Path) -> None:
    evidence = fill(path, "a", "b", "c")

    assert words(evidence.since(2)) == ["c"]
    assert evidence.since(3) == []
    assert evidence.since(99) == []


def test_a_record_cut_off_by_a_power_failure_is_dropped_and_its_number_given_again(path: Path) -> None:
    fill(path, "a", "b").close()
    path.write_bytes(path.read_bytes()[:-5])
    resumed = fill(path, "c")

    assert words(resumed.since(0)) == ["a", "c"]
    assert [json.loads(line)["seq"] for line in path.read_text().splitlines()] == [1, 2]


def test_text_of_every_kind_stays_one_line(path: Path) -> None:
    strange = "a\nb\r\u2028ü\x00"

    assert words(fill(path, strange, "b").since(0)) == [strange, "b"]


def test_a_full_disk_is_an_error_and_leaves_no_half_record(path: Path) -> None:
    evidence = fill(path, "a")
    size = path.stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            evidence.append("lab", None, word="b")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert not evidence.complete
    assert path.stat().st_size == size
    evidence.append("lab", None, word="c")
    assert words(evidence.since(0)) == ["a", "c"]


def test_nobody_else_may_read_it(path: Path) -> None:
    fill(path, "a")

    assert path.stat().st_mode & 0o777 == 0o600


@in_a_loop
async def test_following_gives_what_is_there_and_then_what_comes(path: Path) -> None:
    evidence = fill(path, "a", "b")
    seen: list[str] = []

    async def follow() -> None:
        async for record in evidence.follow(1):
            seen.append(record["word"])
            if len(seen) == 3:
                return

    following = asyncio.create_task(follow())
    await asyncio.sleep(0)
    evidence.append("lab", None, word="c")
    await asyncio.sleep(0)
    evidence.append("lab", None, word="d")
    await following

    assert seen == ["b", "c", "d"]
