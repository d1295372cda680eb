"""Jobs, seen with real kubectl."""

from __future__ import annotations

import json
from typing import Any

from .conftest import World
from .manager import OUTCOME, until

Object = dict[str, Any]


def create(world: World, outcome: str = "Succeeded", **spec: Any) -> None:
    template = {
        "metadata": {"annotations": {OUTCOME: outcome}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "j:1"}]},
    }
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j"},
        "spec": {"template": template, **spec},
    }
    world.ok("create", "-f", "-", stdin=json.dumps(job))


def conditions(world: World) -> list[tuple[str, str, str]]:
    found = world.get("jobs", "j")["status"].get("conditions", [])
    return [(c["type"], c["status"], c["reason"]) for c in found]


def test_a_job_is_complete_when_its_pods_have_succeeded(world: World) -> None:
    create(world, completions=2, parallelism=2)

    world.ok("wait", "--for=condition=complete", "job/j", "--timeout=120s")

    status = world.get("jobs", "j")["status"]
    assert (status["succeeded"], status["uncountedTerminatedPods"], status["ready"]) == (2, {}, 0)
    assert "completionTime" in status
    assert conditions(world) == [
        ("SuccessCriteriaMet", "True", "CompletionsReached"),
        ("Complete", "True", "CompletionsReached"),
    ]
    until(lambda: ("Completed", "Job completed") in world.events("Job", "j"))
    assert all("finalizers" not in pod["metadata"] for pod in world.items("pods"))


def test_a_job_fails_when_its_pods_have(world: World) -> None:
    create(world, "Failed", backoffLimit=0)

    world.ok("wait", "--for=condition=failed", "job/j", "--timeout=120s")

    assert world.get("jobs", "j")["status"]["failed"] == 1
    assert conditions(world) == [
        ("FailureTarget", "True", "BackoffLimitExceeded"),
        ("Failed", "True", "BackoffLimitExceeded"),
    ]
    until(
        lambda: (
            ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
            in world.events("Job", "j")
        )
    )


def test_a_job_has_only_so_much_time(world: World) -> None:
    create(world, "Running", activeDeadlineSeconds=1)

    world.ok("wait", "--for=condition=failed", "job/j", "--timeout=120s")

    until(lambda: world.names("pods") == set())
    assert {reason for _, _, reason in conditions(world)} == {"DeadlineExceeded"}


def test_a_suspended_job_has_no_pods_until_it_is_resumed(world: World) -> None:
    create(world, "Succeeded", suspend=True)
    until(lambda: conditions(world) == [("Suspended", "True", "JobSuspended")])
    assert world.names("pods") == set()

    world.ok("patch", "job", "j", "--type=merge", "-p", '{"spec":{"suspend":false}}')

    world.ok("wait", "--for=condition=complete", "job/j", "--timeout=120s")
    assert ("Suspended", "False", "JobResumed") in conditions(world)


def test_an_indexed_job_does_every_part_of_the_work(world: World) -> None:
    create(world, completions=3, parallelism=2, completionMode="Indexed")

    world.ok("wait", "--for=condition=complete", "job/j", "--timeout=120s")

    assert world.get("jobs", "j")["status"]["completedIndexes"] == "0-2"
    indexes = {pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"]
               for pod in world.items("pods")}  # fmt: skip
    assert indexes == {"0", "1", "2"}


def test_a_finished_job_goes_when_its_time_is_up(world: World) -> None:
    create(world, ttlSecondsAfterFinished=0)

    until(lambda: world.names("jobs") == set() and world.names("pods") == set())


def test_a_deleted_job_takes_its_pods_along(world: World) -> None:
    create(world, "Running")
    until(lambda: len(world.names("pods")) == 1)

    world.ok("delete", "job", "j")

    until(lambda: world.names("pods") == set())
