"""What a source's new list means: which pods are new, other than before, or gone."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from labs.kubelet.events import timestamp
from labs.kubelet.pod.model import Pod
from labs.kubelet.pod_config import Changes, difference, rfc3339_nano
from labs.kubelet.sources.api import pod_from_api
from tests.kubelet.node import api_pod


def pod_of(uid: str = "1", image: str = "b:1", annotations: dict[str, str] | None = None, **more: Any) -> Pod:
    pod = api_pod(container={"image": image})
    pod["metadata"] |= {"uid": uid, "annotations": annotations or {}, **more}
    return pod_from_api(pod)


def listed(known: dict[str, Pod], *pods: Pod, seen: str = "later") -> tuple[dict[str, Pod], Changes]:
    return difference(known, pods, "api", seen)


def uids(changes: Changes) -> tuple[list[str], list[str], list[str]]:
    return tuple([p.uid for p in each] for each in (changes.added, changes.updated, changes.removed))  # type: ignore[return-value]


def test_a_new_pod_is_stamped_with_its_source_and_when_it_was_seen() -> None:
    after, changes = listed({}, pod_of(annotations={"own": "x"}), seen="first")

    assert uids(changes) == (["1"], [], [])
    assert after["1"] is changes.added[0]
    stamps = {"own": "x", "kubernetes.io/config.source": "api", "kubernetes.io/config.seen": "first"}
    assert dict(after["1"].annotations) == stamps
    assert after["1"].object["metadata"]["annotations"] == stamps


@pytest.mark.parametrize(
    ("change", "news"),
    [
        ({}, False),
        ({"image": "c:1"}, True),
        ({"labels": {"x": "y"}}, True),
        ({"annotations": {"x": "y"}}, True),
        ({"annotations": {"kubernetes.io/config.seen": "other"}}, False),
        ({"deletionTimestamp": "2026-01-01T00:00:00Z"}, True),
        ({"deletionGracePeriodSeconds": 7}, True),
        ({"generation": 9}, False),
    ],
)
def test_a_pod_is_updated_when_something_counts_and_was_seen_first_when_it_came(
    change: dict[str, Any], news: bool
) -> None:
    known, _ = listed({}, pod_of(), seen="first")

    after, changes = listed(known, pod_of(**change))

    assert uids(changes) == ([], ["1"] if news else [], [])
    assert bool(changes) is news
    assert (after["1"] is known["1"]) is not news
    assert after["1"].annotations["kubernetes.io/config.seen"] == "first"


def test_what_is_not_listed_any_more_is_gone_and_new_uids_are_other_pods() -> None:
    known, _ = listed({}, pod_of("1"), pod_of("2"))

    after, changes = listed(known, pod_of("2"), pod_of("3"))

    assert uids(changes) == (["3"], [], ["1"])
    assert list(after) == ["2", "3"]


@pytest.mark.parametrize(
    ("fraction", "text"), [(0, "17:55:13Z"), (500_000, "17:55:13.5Z"), (123_456, "17:55:13.123456Z")]
)
def test_times_are_told_as_go_tells_them(fraction: int, text: str) -> None:
    at = datetime(2026, 11, 23, 17, 55, 13, tzinfo=UTC) + timedelta(microseconds=fraction)

    assert rfc3339_nano(at) == f"2026-11-23T{text}"


@pytest.fixture
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's own time is not the API's."""
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "JST-9")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("far_east")
def test_moments_are_told_in_universal_time_wherever_the_machine_is() -> None:
    at = datetime(2026, 11, 23, 18, 55, 13, 250_000, timezone(timedelta(hours=1)))

    assert timestamp(at) == "2026-11-23T17:55:13Z"
    assert rfc3339_nano(at) == "2026-11-23T17:55:13.25Z"
