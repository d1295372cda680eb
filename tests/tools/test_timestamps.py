"""Points in time as systemd.time(7) has them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from labs.tools import timestamps

NOW = 1795456524.5  # 2026-11-23 17:55:24.5 UTC


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("now", NOW),
        ("@1795454709", 1795454709),
        ("@1795454709.25", 1795454709.25),
        ("10 min ago", NOW - 600),
        ("1h30min ago", NOW - 5400),
        ("-60s", NOW - 60),
        ("-5m", NOW - 300),
        ("+2 hours", NOW + 7200),
        ("today", 1795392000),
        ("yesterday", 1795392000 - 86400),
        ("tomorrow", 1795392000 + 86400),
        ("2026-11-23", 1795392000),
        ("2026-11-23 17:55", 1795456500),
        ("2026-11-23 17:55:24.5", NOW),
        ("2026-11-23T17:55:24Z", 1795456524),
        ("Mon 2026-11-23 17:55:24 UTC", 1795456524),
        ("17:55", 1795456500),
        ("17:55:01", 1795456501),
    ],
)
def test_what_is_understood(text: str, seconds: float) -> None:
    assert timestamps.parse(text, NOW) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "10 parsecs ago", "2026-13-01", "25:00", "@x", "ago", "-"])
def test_what_is_not(text: str) -> None:
    with pytest.raises(ValueError):
        timestamps.parse(text, NOW)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "now"),
        (0.25, "250ms ago"),
        (5, "5s ago"),
        (190, "3min 10s ago"),
        (330, "5min ago"),
        (3700, "1h 1min ago"),
        (7 * 3600, "7h ago"),
        (26 * 3600, "1 day 2h ago"),
        (3 * 86400, "3 days ago"),
        (15 * 86400, "2 weeks 1 days ago"),
    ],
)
def test_how_long_ago_is_said_as_systemctl_says_it(seconds: float, text: str) -> None:
    assert timestamps.ago(seconds) == text


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(38_000_000, "38ms"), (3_120_000_000, "3.120s"), (62_004_000_000, "1min 2.004s")],
)
def test_processor_time(nanoseconds: int, text: str) -> None:
    assert timestamps.duration(nanoseconds) == text
