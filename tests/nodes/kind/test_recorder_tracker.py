"""What becomes of sandboxes and containers, told once from events and listings that overlap."""

from __future__ import annotations

from typing import Any

import pytest

from labs.nodes.kind.recorder.tracker import Exit, Stage, Thing, Tracker

POD = {"name": "web-node", "namespace": "default", "uid": "u1"}
SANDBOX = Thing("s1", Stage.CREATED, {"id": "s1", "sandbox": "s1", "pod": POD}, is_sandbox=True, created=1.0)


def container(stage: Stage, id: str = "c1", **fields: Any) -> Thing:
    about = {"id": id, "sandbox": "s1", "pod": POD, "container": "web", "image": "busybox:1.37", "attempt": 0}
    return Thing(id, stage, about, **fields)


class Told(list[dict[str, Any]]):
    """The records, in order."""

    def __call__(self, **record: Any) -> None:
        self.append(record)

    @property
    def steps(self) -> list[tuple[str, str]]:
        return [(record["id"], record["event"]) for record in self]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def tracker(told: Told) -> Tracker:
    return Tracker(told)


def test_a_container_is_followed_through_its_life(tracker: Tracker, told: Told) -> None:
    tracker.listed([SANDBOX, container(Stage.CREATED)])
    tracker.started("c1", 2.0)
    tracker.ended("c1", 3, 4.0)
    tracker.removed("c1", 5.0)
    tracker.ended("s1", 0, 6.0)
    tracker.removed("s1", 7.0)

    assert told.steps == [
        ("s1", "SandboxCreated"),
        ("c1", "ContainerCreated"),
        ("c1", "ContainerStarted"),
        ("c1", "ContainerExited"),
        ("c1", "ContainerRemoved"),
        ("s1", "SandboxStopped"),
        ("s1", "SandboxRemoved"),
    ]


def test_a_record_says_whose_it_is_when_it_happened_and_how_it_ended(tracker: Tracker, told: Told) -> None:
    tracker.listed([SANDBOX, container(Stage.STARTED)])
    tracker.ended("c1", 3, 4.5)

    assert told[-1] == {
        "source": "runtime",
        "time": "1970-01-01T00:00:04.500000Z",
        "event": "ContainerExited",
        "id": "c1",
        "sandbox": "s1",
        "pod": POD,
        "container": "web",
        "image": "busybox:1.37",
        "attempt": 0,
        "exitCode": 3,
        "reason": "Error",
    }


def test_what_an_event_has_told_no_listing_tells_again(tracker: Tracker, told: Told) -> None:
    tracker.listed([SANDBOX, container(Stage.CREATED)])
    tracker.started("c1", 2.0)
    tracker.listed([SANDBOX, container(Stage.STARTED)])
    tracker.ended("c1", 0, 3.0)
    tracker.listed([SANDBOX, container(Stage.STARTED)])  # it was under way
    tracker.listed([SANDBOX, container(Stage.ENDED, exit=Exit(0))])

    assert told.steps.count(("c1", "ContainerStarted")) == 1
    assert told.steps.count(("c1", "ContainerExited")) == 1


def test_one_that_no_event_told_of_is_told_step_by_step(tracker: Tracker, told: Told) -> None:
    ended = Exit(1, 3.0, "OOMKilled")
    tracker.listed([SANDBOX, container(Stage.ENDED, created=1.0, started=2.0, exit=ended)])

    assert told.steps[1:] == [
        ("c1", "ContainerCreated"),
        ("c1", "ContainerStarted"),
        ("c1", "ContainerExited"),
    ]
    assert [record["time"] for record in told[1:]] == [
        f"1970-01-01T00:00:0{second}.000000Z" for second in (1, 2, 3)
    ]
    assert (told[-1]["exitCode"], told[-1]["reason"]) == (1, "OOMKilled")


def test_who_is_not_listed_any_more_was_removed(tracker: Tracker, told: Told) -> None:
    tracker.listed([SANDBOX, container(Stage.ENDED, exit=Exit(0))])
    tracker.listed([])

    assert told.steps[-3:] == [
        ("c1", "ContainerRemoved"),
        ("s1", "SandboxStopped"),
        ("s1", "SandboxRemoved"),
    ]


def test_one_whose_end_nobody_saw_has_an_unknown_one(tracker: Tracker, told: Told) -> None:
    tracker.listed([SANDBOX, container(Stage.STARTED)])
    tracker.listed([SANDBOX])

    assert told.steps[-2:] == [("c1", "ContainerExited"), ("c1", "ContainerRemoved")]
    assert (told[-1]["exitCode"], told[-1]["reason"]) == (255, "Unknown")


def test_one_that_was_never_started_has_no_end(tracker: Tracker, told: Told) -> None:
    tracker.listed([SANDBOX, container(Stage.CREATED)])
    tracker.removed("c1", 2.0)

    assert told.steps[1:] == [("c1", "ContainerCreated"), ("c1", "ContainerRemoved")]


def test_one_that_was_removed_does_not_come_back_with_a_late_listing(tracker: Tracker, told: Told) -> None:
    tracker.listed([SANDBOX, container(Stage.ENDED, exit=Exit(0))])
    tracker.removed("c1", 2.0)
    before = list(told)
    tracker.listed([SANDBOX, container(Stage.ENDED, exit=Exit(0))])

    assert told == before


def test_an_event_about_one_that_no_listing_has_shown_tells_nothing(tracker: Tracker, told: Told) -> None:
    tracker.started("c1", 1.0)
    tracker.ended("c1", 0, 2.0)
    tracker.removed("c1", 3.0)

    assert told == []


def test_after_a_gap_only_what_the_evidence_does_not_hold_is_told(tracker: Tracker, told: Told) -> None:
    tracker.listed([SANDBOX, container(Stage.STARTED), container(Stage.STARTED, "c2")])
    last = {record["id"]: record for record in told}
    later = Told()
    resumed = Tracker(later, last.values())

    resumed.listed([SANDBOX, container(Stage.STARTED), container(Stage.STARTED, "c3")])

    assert later.steps == [
        ("c3", "ContainerCreated"),
        ("c3", "ContainerStarted"),
        ("c2", "ContainerExited"),
        ("c2", "ContainerRemoved"),
    ]
