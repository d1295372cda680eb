"""journalctl answers as on a real node."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from labs.tools import journalctl

START = 1795456353_000000  # 2026-11-23 17:52:33 UTC
BOOTS = ("a" * 32, "b" * 32)


def entry(
    seconds: float, message: str, *, unit: str = "kubelet.service", boot: int = 1, **fields: Any
) -> str:
    systemd = fields.pop("systemd", False)
    identifier = "systemd" if systemd else unit.removesuffix(".service")
    owner = {"_SYSTEMD_UNIT": "init.scope", "UNIT": unit} if systemd else {"_SYSTEMD_UNIT": unit}
    found = {
        "__REALTIME_TIMESTAMP": str(START + int(seconds * 1_000_000)),
        "__MONOTONIC_TIMESTAMP": str(int((1000 + seconds) * 1_000_000)),
        "_BOOT_ID": BOOTS[boot],
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": identifier,
        "_PID": "1" if systemd else "132932",
        "_HOSTNAME": "cks-control-plane",
        **owner,
        **fields,
        "MESSAGE": message,
    }
    return json.dumps(found) + "\n"


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A journal of two boots and two units."""
    (tmp_path / "system@old.jsonl").write_text(entry(-86400, "from an earlier boot", boot=0))
    (tmp_path / "system.jsonl").write_text(
        entry(0, "Started kubelet.service - kubelet: The Kubernetes Node Agent.", systemd=True)
        + entry(1, 'I1123 17:52:34.000000  132932 kubelet.go:1] "one"')
        + "this is no entry\n"
        + entry(2, "level=info msg=serving", unit="containerd.service")
        + entry(3, "kubelet.service: Failed with result 'signal'.", systemd=True, PRIORITY="4")
        + entry(4.25, 'E1123 17:52:37.250000  132932 pod_workers.go:1324] "Two" \u00fc')
    )
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    return tmp_path


def run(directory: Path, *arguments: str) -> tuple[int, str, str]:
    """journalctl on this journal: exit status, stdout and stderr."""
    output, complaints = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(complaints),
    ):
        patch.setattr(sys, "argv", ["journalctl", "-D", str(directory), *arguments])
        code = journalctl.main()
    return code, output.getvalue(), complaints.getvalue()


def test_the_default_is_syslogs_format_of_everything(directory: Path) -> None:
    kubelet, systemd = "cks-control-plane kubelet[132932]", "cks-control-plane systemd[1]"

    assert run(directory, "--no-pager") == (
        0,
        "Nov 22 17:52:33 cks-control-plane kubelet[132932]: from an earlier boot\n"
        f"-- Boot {BOOTS[1]} --\n"
        f"Nov 23 17:52:33 {systemd}: Started kubelet.service - kubelet: The Kubernetes Node Agent.\n"
        f'Nov 23 17:52:34 {kubelet}: I1123 17:52:34.000000  132932 kubelet.go:1] "one"\n'
        "Nov 23 17:52:35 cks-control-plane containerd[132932]: level=info msg=serving\n"
        "Nov 23 17:52:36 cks-control-plane systemd[1]: kubelet.service: Failed with result 'signal'.\n"
        f'Nov 23 17:52:37 {kubelet}: E1123 17:52:37.250000  132932 pod_workers.go:1324] "Two" ü\n',
        "",
    )


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (["-u", "kubelet"], ["from", "Started", "I1123", "kubelet.service:", "E1123"]),
        (["-u", "containerd.service"], ["level=info"]),
        (["-ukubelet", "-ucontainerd", "-n3"], ["level=info", "kubelet.service:", "E1123"]),
        (["-u", "kubelet", "-n", "2"], ["kubelet.service:", "E1123"]),
        (["-n", "2", "-r"], ["E1123", "kubelet.service:"]),
        (["-rn1"], ["E1123"]),
        (["--lines=1"], ["E1123"]),
        (["-p", "warning"], ["kubelet.service:"]),
        (["-p", "4..5"], ["kubelet.service:"]),
        (["-p", "err"], []),
        (["-t", "systemd"], ["Started", "kubelet.service:"]),
        (["-b", "-u", "kubelet", "-n", "all"], ["Started", "I1123", "kubelet.service:", "E1123"]),
        (["-b", "-1"], ["from"]),
        (["-b", "0", "-n1"], ["E1123"]),
        (["--since", f"@{START // 1_000_000 + 3}"], ["kubelet.service:", "E1123"]),
        (["--since", "2026-11-23 17:52:34", "--until", "2026-11-23 17:52:35"], ["I1123", "level=info"]),
        (["-S", "2026-11-23 17:52:37"], ["E1123"]),
        (["--since", "1 min ago"], []),
        (["-g", "two"], ["E1123"]),
        (["-g", "TWO"], []),
        (["SYSLOG_IDENTIFIER=containerd"], ["level=info"]),
        (["_PID=1", "PRIORITY=4"], ["kubelet.service:"]),
        (["-k"], []),
        (["-xeu", "kubelet", "-n1"], ["E1123"]),
        (["-u", "nosuch"], []),
    ],
)
def test_filters(directory: Path, arguments: list[str], messages: list[str]) -> None:
    code, out, _ = run(directory, *arguments, "-o", "cat", "--no-pager")

    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == (messages or ["--"])


def test_no_entries_are_said(directory: Path) -> None:
    assert run(directory, "-u", "nosuch") == (0, "-- No entries --\n", "")
    assert run(directory, "-q", "-u", "nosuch") == (0, "", "")


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("short-precise", "Nov 23 17:52:37.250000 cks-control-plane kubelet[132932]: E1123"),
        ("short-iso", "2026-11-23T17:52:37+0000 cks-control-plane kubelet[132932]: E1123"),
        ("short-iso-precise", "2026-11-23T17:52:37.250000+0000 cks-control-plane kubelet[132932]: E1123"),
        ("short-full", "Mon 2026-11-23 17:52:37 UTC cks-control-plane kubelet[132932]: E1123"),
        ("short-unix", "1795456357.250000 cks-control-plane kubelet[132932]: E1123"),
        ("short-monotonic", "[ 1004.250000] cks-control-plane kubelet[132932]: E1123"),
        ("with-unit", "Mon 2026-11-23 17:52:37 UTC cks-control-plane kubelet.service[132932]: E1123"),
        ("cat", "E1123 17:52:37.250000"),
    ],
)
def test_formats(directory: Path, output: str, line: str) -> None:
    assert run(directory, "-n1", "-o", output)[1].startswith(line)


def test_the_host_name_can_be_left_out(directory: Path) -> None:
    assert run(directory, "-n1", "--no-hostname")[1].startswith("Nov 23 17:52:37 kubelet[132932]: E1123")
    assert run(directory, "-n1")[1].startswith("Nov 23 17:52:37 cks-control-plane kubelet[132932]: E1123")


def test_json_has_the_journals_own_fields(directory: Path) -> None:
    found = json.loads(run(directory, "-n1", "-o", "json")[1])

    assert found["_SYSTEMD_UNIT"] == "kubelet.service"
    assert found["__REALTIME_TIMESTAMP"] == str(START + 4_250_000)
    assert found["PRIORITY"] == "6"


def test_boots_are_listed(directory: Path) -> None:
    assert run(directory, "--list-boots")[1].splitlines()[1:] == [
        f" -1 {BOOTS[0]} Sun 2026-11-22 17:52:33 UTC Sun 2026-11-22 17:52:33 UTC",
        f"  0 {BOOTS[1]} Mon 2026-11-23 17:52:33 UTC Mon 2026-11-23 17:52:37 UTC",
    ]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--since", "soon"], "Failed to parse timestamp: soon"),
        (["-o", "xml"], "Unknown output format 'xml'."),
        (["-n", "-5", "-p", "loud"], "Failed to parse lines '-5'."),
        (["-p", "loud"], "Unknown log level loud"),
        (["--nosuch"], "journalctl: unrecognized option '--nosuch'"),
        (["-Z"], "journalctl: invalid option -- 'Z'"),
        (["-u"], "journalctl: option requires an argument -- 'u'"),
        (["kubelet"], "Failed to add match 'kubelet': Invalid argument"),
        (["-b", "-7"], "Data from the specified boot (-7) is not available: No such boot ID in journal"),
        (["-g", "("], 'Bad pattern "("'),
    ],
)
def test_a_wrong_call_is_refused_in_a_line(directory: Path, arguments: list[str], complaint: str) -> None:
    code, out, err = run(directory, *arguments)

    assert (code, out) == (1, "")
    assert err.startswith(complaint)
    assert err.count("\n") == 1


def test_an_empty_or_missing_journal_has_no_entries(tmp_path: Path) -> None:
    assert run(tmp_path) == (0, "-- No entries --\n", "")
    assert run(tmp_path / "missing") == (0, "-- No entries --\n", "")


def test_following_shows_what_is_written_and_survives_rotation(directory: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "labs.tools.journalctl",
        "-D",
        str(directory),
        "-f",
        "-ukubelet",
        "-ocat",
        "-n1",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        try:
            assert follower.stdout.readline().startswith("E1123")
            current = directory / "system.jsonl"
            with current.open("a") as file:
                file.write(entry(5, "other", unit="containerd.service"))
                line = entry(6, "in two pieces")
                file.write(line[:40])
                file.flush()
                file.write(line[40:])
            assert follower.stdout.readline() == "in two pieces\n"
            current.rename(directory / "system@old.jsonl")
            current.write_text(entry(7, "after rotation"))
            assert follower.stdout.readline() == "after rotation\n"
        finally:
            follower.kill()
