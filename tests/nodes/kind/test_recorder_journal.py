"""Entries of systemd's journal as records of the evidence."""

from __future__ import annotations

from typing import Any

import pytest

from labs.nodes.kind.recorder.journal import command, is_after, record

ENTRY = {
    "__CURSOR": "s=39bcabb05d89401f9141cd6f368d7bae;i=7d;b=c7;m=1;t=2;x=3",
    "__REALTIME_TIMESTAMP": "1764000000123456",
    "_PID": "160",
    "_SYSTEMD_UNIT": "kubelet.service",
    "SYSLOG_IDENTIFIER": "kubelet",
    "MESSAGE": 'I1124 02:00:00.1 160 kubelet.go:2] "Creating a mirror pod for static pod" pod="default/web"',
}


def test_an_entry_of_the_kubelet_has_the_shape_that_the_embedded_nodes_have() -> None:
    assert record(ENTRY) == {
        "source": "journal",
        "unit": "kubelet.service",
        "identifier": "kubelet",
        "pid": 160,
        "message": ENTRY["MESSAGE"],
        "time": "2025-11-24T16:00:00.123456Z",
        "cursor": ENTRY["__CURSOR"],
    }


def test_what_systemd_says_about_a_unit_is_that_units() -> None:
    entry = {
        **ENTRY,
        "_PID": "1",
        "_SYSTEMD_UNIT": "init.scope",
        "UNIT": "kubelet.service",
        "SYSLOG_IDENTIFIER": "systemd",
        "MESSAGE": "Started kubelet.service",
    }

    seen = record(entry)

    assert (seen["unit"], seen["identifier"], seen["pid"]) == ("kubelet.service", "systemd", 1)


def test_a_process_that_claims_to_speak_about_a_unit_does_not_speak_for_it() -> None:
    entry = {**ENTRY, "_SYSTEMD_UNIT": "init.scope", "UNIT": "kubelet.service"}

    assert record(entry)["unit"] == "init.scope"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (None, ""),
        ([104, 195, 105], "h\ufffdi"),
        (["first", "second"], "first"),
        ("x" * 200_000, "x" * 100_000),
    ],
)
def test_any_message_is_text(message: Any, text: str) -> None:
    assert record({**ENTRY, "MESSAGE": message})["message"] == text


def cursor(number: int, journal: str = "a1") -> str:
    return f"s={journal};i={number:x};b=c7;m=1;t=2;x=3"


def test_entries_are_ordered_by_their_number() -> None:
    assert is_after(cursor(16), cursor(9))
    assert not is_after(cursor(9), cursor(16))
    assert not is_after(cursor(9), cursor(9))


def test_an_entry_of_a_journal_begun_anew_is_new() -> None:
    assert is_after(cursor(1, "b2"), cursor(99, "a1"))
    assert is_after(cursor(1), None)


def test_reading_goes_on_at_the_cursor() -> None:
    assert f"--after-cursor={cursor(7)}" in command(cursor(7))
    assert not any(word.startswith("--after-cursor") for word in command(None))
