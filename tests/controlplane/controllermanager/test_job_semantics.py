"""What a Job's pods make of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.controlplane.controllermanager.job import semantics

from .build import NOW, pod

Object = dict[str, Any]
TRACKED = {"finalizers": [semantics.TRACKING], "namespace": "default"}


def job(**spec: Any) -> Object:
    template = {"spec": {"restartPolicy": "Never"}}
    return {"metadata": {"name": "j", "uid": "j"}, "spec": {"completions": 1, "template": template, **spec}}


def job_pod(name: str, phase: str, **metadata: Any) -> Object:
    return pod(name, phase=phase, metadata={**TRACKED, "name": name, "uid": name, **metadata})


def verdict(j: Object, pods: list[Object]) -> str | None:
    found = semantics.verdict(j, pods, semantics.count(j, pods), NOW)
    return found[1] if found else None


def test_a_job_is_done_when_enough_pods_have_succeeded() -> None:
    pods = [job_pod("a", "Succeeded"), job_pod("b", "Succeeded")]

    assert verdict(job(completions=2), pods) == "CompletionsReached"
    assert verdict(job(completions=3), pods) is None


def test_a_work_queue_is_done_when_one_has_succeeded_and_none_is_at_work() -> None:
    queue = job(completions=None, parallelism=3)

    assert verdict(queue, [job_pod("a", "Succeeded"), job_pod("b", "Running")]) is None
    assert verdict(queue, [job_pod("a", "Succeeded")]) == "CompletionsReached"


def test_a_job_fails_when_more_pods_failed_than_may() -> None:
    pods = [job_pod("a", "Failed"), job_pod("b", "Failed")]

    assert verdict(job(backoffLimit=2), pods) is None
    assert verdict(job(backoffLimit=1), pods) == "BackoffLimitExceeded"


def test_containers_that_are_restarted_count_as_failures_too() -> None:
    template = {"spec": {"restartPolicy": "OnFailure"}}
    running = job_pod("a", "Running")
    running["status"]["containerStatuses"] = [{"restartCount": 2}]

    assert verdict(job(backoffLimit=3, template=template), [running]) is None
    assert verdict(job(backoffLimit=2, template=template), [running]) == "BackoffLimitExceeded"


def test_a_job_fails_when_its_time_is_up() -> None:
    j = job(activeDeadlineSeconds=60) | {"status": {"startTime": "2026-11-23T17:59:00Z"}}

    assert verdict(j, [job_pod("a", "Running")]) == "DeadlineExceeded"


def test_a_pod_that_is_being_deleted_has_failed_unless_its_end_is_waited_for() -> None:
    going = job_pod("a", "Running", deletionTimestamp="x")

    assert semantics.count(job(), [going]).failed == 1
    assert semantics.count(job(podReplacementPolicy="Failed"), [going]).failed == 0


def test_a_pod_that_was_noted_counts_once() -> None:
    j = job() | {"status": {"failed": 1, "uncountedTerminatedPods": {"failed": ["a"]}}}

    assert semantics.count(j, [job_pod("a", "Failed"), job_pod("b", "Failed")]).failed == 3


@pytest.mark.parametrize(("text", "numbers"), [("", []), ("1", [1]), ("0,1,3-5,7", [0, 1, 3, 4, 5, 7])])
def test_indexes_are_written_as_runs(text: str, numbers: list[int]) -> None:
    assert semantics.parse_indexes(text) == numbers
    assert semantics.format_indexes(numbers) == text


def test_an_indexed_job_gives_each_pod_a_part_that_nobody_has() -> None:
    j = job(completions=5, completionMode="Indexed")
    done = job_pod("a", "Succeeded", annotations={semantics.INDEX: "1"})
    at_work = job_pod("b", "Running", annotations={semantics.INDEX: "0"})

    counted = semantics.count(j, [done, at_work])

    assert semantics.free_indexes(j, counted, 2) == [2, 3]


@pytest.mark.parametrize(("failures", "seconds"), [(0, 0), (1, 10), (2, 20), (3, 40), (9, 600)])
def test_each_failure_doubles_the_wait_for_the_next_pod(failures: int, seconds: float) -> None:
    pods = [job_pod(f"p{i}", "Failed", deletionTimestamp="2026-11-23T18:00:00Z") for i in range(failures)]

    assert semantics.backoff_seconds(pods, NOW) == seconds


@settings(deadline=None)
@given(
    st.integers(0, 8),
    st.integers(0, 8),
    st.lists(st.sampled_from(["Running", "Pending", "Succeeded", "Failed"])),
)
def test_a_job_never_has_more_pods_at_work_than_it_can_use(
    completions: int, parallelism: int, phases: list[str]
) -> None:
    j = job(completions=completions, parallelism=parallelism)
    counted = semantics.count(j, [job_pod(f"p{i}", phase) for i, phase in enumerate(phases)])

    wanted = semantics.wanted_active(j, counted)
    after = (
        len(counted.active) + semantics.to_start(j, counted, wanted) - len(semantics.to_stop(counted, wanted))
    )

    assert after == wanted
    assert wanted <= parallelism
    assert wanted + min(counted.succeeded, completions) <= completions
