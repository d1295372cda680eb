"""A container's log, as `kubectl logs` shows it."""

import asyncio
from pathlib import Path

import pytest

from labs.kubelet.container_logs import LogOptions, read_log
from labs.kubelet.hostfs import HostFs

LOG = b"""2026-11-23T17:55:13.000000001Z stdout F one
2026-11-23T17:55:14.000000001Z stdout P tw
2026-11-23T17:55:14.000000002Z stdout F o
2026-11-23T17:55:15.000000001Z stderr F three
"""


def logged(tmp_path: Path, options: LogOptions, content: bytes = LOG) -> str:
    """The text that a log shows."""
    (tmp_path / "0.log").write_bytes(content)

    async def collect() -> bytes:
        parts = [p async for p in read_log(HostFs(str(tmp_path)), "/0.log", options, lambda: False)]
        return b"".join(parts)

    return asyncio.run(collect()).decode()


def test_a_log_is_shown_without_the_runtimes_columns(tmp_path: Path) -> None:
    assert logged(tmp_path, LogOptions()) == "one\ntwo\nthree\n"


@pytest.mark.parametrize(
    ("lines", "shown"), [(0, ""), (1, "three\n"), (3, "two\nthree\n"), (99, "one\ntwo\nthree\n")]
)
def test_only_the_last_lines(tmp_path: Path, lines: int, shown: str) -> None:
    assert logged(tmp_path, LogOptions(tail=lines)) == shown


def test_the_last_lines_of_a_log_longer_than_a_block(tmp_path: Path) -> None:
    content = b"".join(b"2026-11-23T17:55:13Z stdout F line %d\n" % i for i in range(5000))

    assert logged(tmp_path, LogOptions(tail=2), content) == "line 4998\nline 4999\n"


def test_with_timestamps_and_a_limit_of_bytes(tmp_path: Path) -> None:
    assert (
        logged(tmp_path, LogOptions(timestamps=True, limit_bytes=34)) == "2026-11-23T17:55:13.000000001Z one"
    )


def test_following_ends_with_the_container(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_bytes(LOG)
    ended = asyncio.Event()

    def alive() -> bool:
        return not ended.is_set()

    async def follow() -> bytes:
        shown = b""
        async for text in read_log(HostFs(str(tmp_path)), "/0.log", LogOptions(follow=True, tail=0), alive):
            shown += text
            ended.set()
        return shown

    async def both() -> bytes:
        following = asyncio.create_task(follow())
        await asyncio.sleep(0)
        with log.open("ab") as file:
            file.write(b"2026-11-23T17:55:16Z stdout F late\n")
        return await following

    assert asyncio.run(asyncio.wait_for(both(), 20)) == b"late\n"
