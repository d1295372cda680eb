"""A pod's phase and conditions from what its containers do (`getPhase`, `status/generate.go`)."""

import json
from datetime import timedelta
from typing import Any

import pytest

from labs.kubelet.phase import conditions_of, phase_of
from labs.kubelet.pod.manifest import pod_from_file
from labs.kubelet.pod.model import Pod
from labs.kubelet.runtime_status import PodStatus, SandboxState
from tests.kubelet.node import START, api_pod

WAITS = {"state": {"waiting": {"reason": "ContainerCreating"}}}
RUNS = {"state": {"running": {}}, "ready": True, "started": True}
STARTS = {"state": {"running": {}}, "ready": False, "started": False}
DONE: dict[str, Any] = {"state": {"terminated": {"exitCode": 0}}}
FAILED: dict[str, Any] = {"state": {"terminated": {"exitCode": 1}}}
CRASHED = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": FAILED["state"]}
REPEATS = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": DONE["state"]}


def pod_of(number: int, init: str = "", **spec: Any) -> Pod:
    """A static pod of so many containers; `init` has a letter for each: i, or s for a sidecar."""
    containers = [{"name": f"c{i}", "image": "b:1"} for i in range(number)]
    inits = [
        {"name": f"i{i}", "image": "b:1", **({"restartPolicy": "Always"} if kind == "s" else {})}
        for i, kind in enumerate(init)
    ]
    obj = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "annotations": {"kubernetes.io/config.source": "file"}},
        "spec": {"initContainers": inits, "containers": containers, **spec},
    }
    return pod_from_file(json.dumps(obj).encode(), "/m/web.yaml", "n")


def entries(letter: str, *states: dict[str, Any]) -> dict[str, dict[str, Any]]:
    plain = {"lastState": {}, "ready": False, "started": False}
    return {f"{letter}{i}": {**plain, **state} for i, state in enumerate(states)}


@pytest.mark.parametrize(
    ("policy", "states", "phase"),
    [
        ("Always", [RUNS], "Running"),
        ("Always", [WAITS], "Pending"),
        ("Always", [RUNS, WAITS], "Pending"),
        ("Always", [DONE], "Running"),
        ("Always", [FAILED, FAILED], "Running"),
        ("Always", [CRASHED], "Running"),
        ("Always", [REPEATS, RUNS], "Running"),
        ("OnFailure", [DONE], "Succeeded"),
        ("OnFailure", [DONE, DONE], "Succeeded"),
        ("OnFailure", [DONE, FAILED], "Running"),
        ("OnFailure", [CRASHED], "Running"),
        ("OnFailure", [RUNS, DONE], "Running"),
        ("Never", [DONE, RUNS], "Running"),
        ("Never", [DONE], "Succeeded"),
        ("Never", [DONE, FAILED], "Failed"),
        ("Never", [FAILED, FAILED], "Failed"),
        ("Never", [FAILED, WAITS], "Pending"),
    ],
)
def test_fact_36_a_phase_follows_the_containers_and_the_restart_policy(
    policy: str, states: list[dict[str, Any]], phase: str
) -> None:
    pod = pod_of(len(states), restartPolicy=policy)

    assert phase_of(pod, {}, entries("c", *states), True) == phase


@pytest.mark.parametrize(
    ("policy", "init", "container", "phase"),
    [
        ("Always", [WAITS], WAITS, "Pending"),
        ("Always", [RUNS], WAITS, "Pending"),
        ("Always", [FAILED], WAITS, "Pending"),
        ("Always", [CRASHED], WAITS, "Pending"),
        ("OnFailure", [FAILED], WAITS, "Pending"),
        ("Never", [FAILED], WAITS, "Failed"),
        ("Never", [DONE, FAILED], WAITS, "Failed"),
        ("Never", [DONE, WAITS], WAITS, "Pending"),
        ("Never", [DONE, WAITS], RUNS, "Pending"),
        ("Never", [DONE, DONE], RUNS, "Running"),
        ("Never", [DONE, DONE], DONE, "Succeeded"),
    ],
)
def test_an_init_container_keeps_a_pod_pending_or_fails_it(
    policy: str, init: list[dict[str, Any]], container: dict[str, Any], phase: str
) -> None:
    pod = pod_of(1, "i" * len(init), restartPolicy=policy)

    assert phase_of(pod, entries("i", *init), entries("c", container), False) == phase


@pytest.mark.parametrize(
    ("sidecar", "container", "active", "phase"),
    [
        (STARTS, WAITS, False, "Pending"),
        (STARTS, RUNS, True, "Running"),
        (STARTS, DONE, False, "Pending"),
        (RUNS, RUNS, True, "Running"),
        (RUNS, DONE, False, "Running"),
        (WAITS, RUNS, True, "Pending"),
        (DONE, DONE, False, "Succeeded"),
        (CRASHED, DONE, False, "Succeeded"),
        (FAILED, FAILED, False, "Failed"),
    ],
)
def test_a_sidecar_counts_while_it_runs_or_has_never_run(
    sidecar: dict[str, Any], container: dict[str, Any], active: bool, phase: str
) -> None:
    pod = pod_of(1, "s", restartPolicy="Never")

    assert phase_of(pod, entries("i", sidecar), entries("c", container), active) == phase


def test_an_init_container_that_runs_again_has_not_ended() -> None:
    again = {**STARTS, "lastState": FAILED["state"]}

    assert phase_of(
        pod_of(1, "i", restartPolicy="Never"), entries("i", again), entries("c", WAITS), False
    ) == ("Pending")


def test_one_sidecar_that_has_not_started_keeps_a_pod_pending_beside_others_that_have() -> None:
    pod = pod_of(1, "sss", restartPolicy="Never")

    assert phase_of(pod, entries("i", RUNS, STARTS, RUNS), entries("c", DONE), False) == "Pending"
    assert phase_of(pod, entries("i", RUNS, RUNS, RUNS), entries("c", DONE), False) == "Running"


@pytest.mark.parametrize(("state", "phase"), [(DONE, "Succeeded"), (FAILED, "Failed"), (RUNS, "Running")])
def test_nothing_of_a_pod_that_the_api_has_stopped_is_started_again(
    state: dict[str, Any], phase: str
) -> None:
    pod = Pod.of(api_pod("web", container={"name": "c0"}, metadata={"uid": "u"}))

    assert phase_of(pod, {}, entries("c", state), False, stopping=True) == phase


def test_fact_36_a_static_pod_that_is_stopped_is_given_no_last_phase() -> None:
    assert phase_of(pod_of(1), {}, entries("c", FAILED), False, stopping=True) == "Running"


def sandbox(*, ready: bool = True, attempt: int = 0, ips: tuple[str, ...] = ("10.244.0.5",)) -> SandboxState:
    return SandboxState(f"s{attempt}", ready, START, attempt, ips, False)


def conditions(
    pod: Pod,
    phase: str,
    containers: dict[str, dict[str, Any]],
    init: dict[str, dict[str, Any]] | None = None,
    status: PodStatus | None = None,
    **more: Any,
) -> dict[str, dict[str, Any]]:
    status = status or PodStatus(pod.uid, sandboxes=(sandbox(),))
    given = {"previous": {}, "now": START, **more}
    found = conditions_of(pod, status, init or {}, containers, phase, **given)
    return {condition.pop("type"): condition for condition in found}


def why(condition: dict[str, Any]) -> tuple[str, str, str]:
    return condition["status"], condition.get("reason", ""), condition.get("message", "")


YES = ("True", "", "")


def test_of_a_pod_that_runs_all_is_true_and_nothing_needs_words() -> None:
    found = conditions(pod_of(1), "Running", entries("c", RUNS))

    kinds = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]
    assert list(found) == kinds
    assert {why(condition) for condition in found.values()} == {YES}
    assert found["Ready"] == {
        "lastProbeTime": None, "lastTransitionTime": "2026-11-23T17:55:13Z", "status": "True",
    }  # fmt: skip


def test_containers_that_are_not_ready_are_named_sidecars_first() -> None:
    pod = pod_of(3, "is")
    init, containers = entries("i", DONE, STARTS), entries("c", STARTS, RUNS, WAITS)

    found = conditions(pod, "Running", containers, init)

    said = ("False", "ContainersNotReady", "containers with unready status: [i1 c0 c2]")
    assert why(found["Ready"]) == why(found["ContainersReady"]) == said


@pytest.mark.parametrize(("phase", "reason"), [("Succeeded", "PodCompleted"), ("Failed", "PodFailed")])
def test_a_pod_that_is_over_is_not_ready(phase: str, reason: str) -> None:
    found = conditions(pod_of(1), phase, entries("c", DONE))

    assert why(found["Ready"]) == why(found["ContainersReady"]) == ("False", reason, "")
    completed = ("True", "PodCompleted", "") if phase == "Succeeded" else YES
    assert why(found["Initialized"]) == completed


def test_init_containers_that_are_not_through_are_named() -> None:
    pod = pod_of(1, "iis")
    init = entries("i", {**DONE, "ready": True}, RUNS | {"ready": False}, WAITS)

    found = conditions(pod, "Pending", entries("c", WAITS), init)

    incomplete = "containers with incomplete status: [i1 i2]"
    assert why(found["Initialized"]) == ("False", "ContainersNotInitialized", incomplete)


def test_a_started_sidecar_is_through_although_it_is_not_ready() -> None:
    init = entries("i", RUNS | {"ready": False})

    assert why(conditions(pod_of(1, "s"), "Pending", entries("c", WAITS), init)["Initialized"]) == YES


@pytest.mark.parametrize("state", [RUNS, FAILED])
def test_a_pod_whose_containers_have_begun_is_initialized(state: dict[str, Any]) -> None:
    found = conditions(pod_of(2, "i"), "Running", entries("c", WAITS, state), entries("i", WAITS))

    assert why(found["Initialized"]) == YES


def test_initialized_is_not_taken_back() -> None:
    pod, previous = pod_of(1, "i"), {"conditions": [{"type": "Initialized", "status": "True"}]}

    found = conditions(pod, "Pending", entries("c", WAITS), entries("i", WAITS), previous=previous)

    assert why(found["Initialized"]) == YES


def test_gates_that_nobody_has_opened_are_named() -> None:
    gates = [{"conditionType": kind} for kind in ("a/open", "a/shut", "a/missing")]
    known = [{"type": "a/open", "status": "True"}, {"type": "a/shut", "status": "Unknown"}]

    found = conditions(
        pod_of(1, readinessGates=gates), "Running", entries("c", RUNS), previous={"conditions": known}
    )

    message = (
        'the status of pod readiness gate "a/shut" is not "True", but Unknown, '
        'corresponding condition of pod readiness gate "a/missing" does not exist.'
    )
    assert why(found["Ready"]) == ("False", "ReadinessGatesNotReady", message)
    assert why(found["ContainersReady"]) == YES


def test_containers_count_before_gates() -> None:
    pod = pod_of(1, readinessGates=[{"conditionType": "a/b"}])

    assert conditions(pod, "Running", entries("c", STARTS))["Ready"]["reason"] == "ContainersNotReady"


@pytest.mark.parametrize(
    "sandboxes",
    [(), (sandbox(ready=False),), (sandbox(ips=()),), (sandbox(attempt=1), sandbox())],
    ids=["none", "dead", "without address", "two"],
)
def test_without_one_sandbox_that_is_ready_containers_cannot_start(
    sandboxes: tuple[SandboxState, ...],
) -> None:
    pod = pod_of(1)

    found = conditions(pod, "Pending", entries("c", WAITS), status=PodStatus(pod.uid, sandboxes=sandboxes))

    assert why(found["PodReadyToStartContainers"]) == ("False", "", "")


def test_a_transition_is_dated_when_the_status_changes_and_only_then() -> None:
    pod, later = pod_of(1), START + timedelta(seconds=90)
    before = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}

    def dated(state: dict[str, Any]) -> str:
        found = conditions(pod, "Running", entries("c", state), previous={"conditions": [before]}, now=later)
        return str(found["Ready"]["lastTransitionTime"])

    assert dated(STARTS) == "2026-01-01T00:00:00Z"
    assert dated(RUNS) == "2026-11-23T17:56:43Z"


def test_a_disruption_comes_first_and_says_who_did_it() -> None:
    found = conditions(pod_of(1), "Failed", entries("c", DONE), disruption="had to go")

    assert next(iter(found)) == "DisruptionTarget"
    assert why(found["DisruptionTarget"]) == ("True", "TerminationByKubelet", "had to go")


def test_conditions_of_a_pod_of_the_api_say_which_generation_they_are_about() -> None:
    pod = Pod.of(api_pod("web", container={"name": "c0"}, metadata={"uid": "u", "generation": 7}))

    found = conditions(pod, "Running", entries("c", RUNS))

    assert {condition["observedGeneration"] for condition in found.values()} == {7}
