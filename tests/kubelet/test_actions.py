"""What is done to a pod so that it runs as its spec says, from what the runtime has of it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from labs.kubelet.actions import Actions, compute_actions
from labs.kubelet.pod.manifest import pod_from_file
from labs.kubelet.pod.model import Pod
from labs.kubelet.runtime_status import ContainerState, PodStatus, SandboxState, State
from tests.kubelet.node import START, manifest

SANDBOX = SandboxState("s0", True, START, 3, ("10.244.0.5",), False)
UP = {"exec": {"command": ["up"]}}
#: What is done, shortly: containers killed as (name, message, reason), init containers and others started.
Plan = tuple[list[tuple[str, str, str]], list[str], list[str]]
NOTHING: Plan = ([], [], [])


def pod_of(init: list[dict[str, Any]] = [], **spec: Any) -> Pod:  # noqa: B006
    return pod_from_file(json.dumps(manifest(initContainers=init, **spec)).encode(), "/m/web.yaml", "n")


def init(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": "busybox:1.36", **fields}


def sidecar(name: str, **fields: Any) -> dict[str, Any]:
    return init(name, restartPolicy="Always", **fields)


def state(name: str = "main", state: State = State.RUNNING, code: int = 0, hash: str = "") -> ContainerState:
    return ContainerState(
        id=f"id-{name}", name=name, state=state, image="busybox:1.36", image_ref="sha256:1", hash=hash,
        restart_count=0, created_at=START, started_at=START, finished_at=START, exit_code=code, reason="",
        message="", termination_file="", termination_policy="File", log_path="",
    )  # fmt: skip


def ended(name: str = "main", code: int = 0) -> ContainerState:
    return state(name, State.EXITED, code)


def actions(
    pod: Pod,
    *there: ContainerState,
    sandboxes: tuple[SandboxState, ...] = (SANDBOX,),
    liveness: dict[str, bool | None] | None = None,
    startup: dict[str, bool | None] | None = None,
) -> Actions:
    return compute_actions(pod, PodStatus(pod.uid, "", "", sandboxes, there), liveness or {}, startup or {})


def plan(pod: Pod, *there: ContainerState, **probed: Any) -> Plan:
    """What is done in a sandbox that stays."""
    done = actions(pod, *there, **probed)
    assert (done.kill_pod, done.create_sandbox, done.sandbox_id, done.attempt) == (False, False, "s0", 3)
    kills = [(k.container.name, k.message, k.reason) for k in done.kill]
    assert done.of_containers == bool(kills or done.start_init or done.start)
    return kills, [c.name for c in done.start_init], [c.name for c in done.start]


STOP = Actions(kill_pod=True, sandbox_id="s0", attempt=3)


@pytest.mark.parametrize(
    ("sandboxes", "attempt", "id"),
    [
        ((), 0, ""),
        ((replace(SANDBOX, ready=False),), 4, "s0"),
        ((SANDBOX, replace(SANDBOX, id="s1")), 4, "s0"),
        ((replace(SANDBOX, host_network=True),), 4, ""),
        ((replace(SANDBOX, ips=()),), 4, "s0"),
    ],
    ids=["none", "stopped", "two at once", "of another network", "without address"],
)
def test_without_one_usable_sandbox_a_pod_begins_anew(
    sandboxes: tuple[SandboxState, ...], attempt: int, id: str
) -> None:
    pod = pod_of()

    assert actions(pod, sandboxes=sandboxes) == Actions(True, True, id, attempt, (), (), pod.containers)


def test_an_old_sandbox_beside_the_ready_one_does_not_matter() -> None:
    old = replace(SANDBOX, id="s1", ready=False)

    assert actions(pod_of(), state(), sandboxes=(SANDBOX, old)) == Actions(False, False, "s0", 3)


def test_a_pod_on_the_nodes_network_needs_no_address() -> None:
    sandbox = replace(SANDBOX, ips=(), host_network=True)

    assert actions(pod_of(hostNetwork=True), state(), sandboxes=(sandbox,)) == Actions(False, False, "s0", 3)


def test_what_begins_anew_begins_with_the_first_init_container() -> None:
    pod = pod_of([init("one"), init("two")])

    assert actions(pod, sandboxes=()) == Actions(True, True, "", 0, (), pod.init_containers[:1])


def test_a_never_pod_that_had_containers_is_not_given_a_second_sandbox() -> None:
    gone = replace(SANDBOX, ready=False)

    assert actions(pod_of(restartPolicy="Never"), ended(code=1), sandboxes=(gone,)) == Actions(
        kill_pod=True, sandbox_id="s0", attempt=4
    )
    assert actions(pod_of(restartPolicy="Never"), sandboxes=(gone,)).create_sandbox
    assert actions(pod_of(restartPolicy="Never"), ended(code=1), sandboxes=()).create_sandbox
    assert actions(pod_of(), ended(code=1), sandboxes=(gone,)).create_sandbox


def test_of_an_on_failure_pod_only_what_has_not_ended_well_begins_anew() -> None:
    gone = (replace(SANDBOX, ready=False),)
    two = [{"name": name, "image": "busybox:1.36"} for name in ("a", "b", "c")]
    pod = pod_of(restartPolicy="OnFailure", containers=two)

    half = actions(pod, ended("a"), ended("b", 1), state("c"), sandboxes=gone)
    assert [c.name for c in half.start] == ["b", "c"]
    assert actions(pod, ended("a"), ended("b"), ended("c"), sandboxes=gone) == Actions(
        kill_pod=True, sandbox_id="s0", attempt=4
    )
    assert [c.name for c in actions(pod, sandboxes=gone).start] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("policy", "last", "again"),
    [
        ("Always", None, True),
        ("Never", None, True),
        ("Never", state(state=State.CREATED), True),
        ("Always", ended(), True),
        ("Always", ended(code=1), True),
        ("OnFailure", ended(), False),
        ("OnFailure", ended(code=1), True),
        ("Never", ended(), False),
        ("Never", ended(code=1), False),
    ],
)
def test_a_container_starts_as_the_restart_policy_says(
    policy: str, last: ContainerState | None, again: bool
) -> None:
    done = actions(pod_of(restartPolicy=policy), *([last] if last else []))

    assert done == (replace(STOP, kill_pod=False, start=pod_of().containers) if again else STOP)


def test_a_container_that_runs_is_left_alone() -> None:
    assert plan(pod_of(), state()) == NOTHING
    assert plan(pod_of(restartPolicy="Never"), state()) == NOTHING


def test_while_one_container_runs_the_pod_is_not_over() -> None:
    two = [{"name": name, "image": "busybox:1.36"} for name in ("a", "b")]

    assert plan(pod_of(restartPolicy="Never", containers=two), ended("a"), state("b")) == NOTHING


@pytest.mark.parametrize(
    ("rules", "code", "again"),
    [
        ([("In", [7, 8])], 8, True),
        ([("In", [7, 8])], 9, False),
        ([("NotIn", [7, 8])], 9, True),
        ([("NotIn", [7, 8])], 7, False),
        ([("In", [1]), ("In", [2])], 2, True),
    ],
)
def test_rules_for_exit_codes_come_before_the_policy(
    rules: list[tuple[str, list[int]]], code: int, again: bool
) -> None:
    written = [{"action": "Restart", "exitCodes": {"operator": o, "values": v}} for o, v in rules]
    fields = {"restartPolicy": "Never", "restartPolicyRules": written}

    done = actions(pod_of(container=fields), ended(code=code))

    assert ([c.name for c in done.start], done.kill_pod) == (["main"] if again else [], not again)


def test_a_containers_own_policy_comes_before_the_pods() -> None:
    own = pod_of(restartPolicy="Never", container={"restartPolicy": "OnFailure"})

    assert plan(own, ended(code=1)) == ([], [], ["main"])
    assert actions(own, ended()) == STOP
    assert plan(own, state(), liveness={"id-main": False}) == (
        [("main", "Container main failed liveness probe, will be restarted", "LivenessProbeFailed")],
        [],
        ["main"],
    )
    assert actions(own, ended(), sandboxes=(replace(SANDBOX, ready=False),)).create_sandbox is False


@pytest.mark.parametrize(("policy", "again"), [("Always", True), ("OnFailure", True), ("Never", False)])
@pytest.mark.parametrize("kind", ["liveness", "startup"])
def test_a_container_that_a_probe_condemns_is_stopped_and_comes_back_unless_never(
    kind: str, policy: str, again: bool
) -> None:
    two = [{"name": name, "image": "busybox:1.36"} for name in ("a", "b")]
    pod = pod_of(restartPolicy=policy, containers=two)

    kills, inits, starts = plan(pod, state("a"), state("b"), **{kind: {"id-b": False}})

    told = f"Container b failed {kind} probe" + (", will be restarted" if again else "")
    assert kills == [("b", told, f"{kind.capitalize()}ProbeFailed")]
    assert (inits, starts) == ([], ["b"] if again else [])
    for unharmed in ({"id-b": True}, {"id-b": None}, {"id-other": False}):
        assert plan(pod, state("a"), state("b"), **{kind: unharmed}) == NOTHING


def test_the_last_container_that_a_probe_condemns_ends_a_never_pod() -> None:
    assert actions(pod_of(restartPolicy="Never"), state(), liveness={"id-main": False}) == STOP


def test_a_container_whose_definition_changed_is_replaced_whatever_the_policy() -> None:
    for policy in ("Always", "Never"):
        pod = pod_of(restartPolicy=policy)
        assert plan(pod, state(hash="other")) == (
            [("main", "Container main definition changed, will be restarted", "")],
            [],
            ["main"],
        )
        assert plan(pod, state(hash=pod.containers[0].hash)) == NOTHING


def test_a_container_of_unknown_state_is_stopped_before_it_starts_again() -> None:
    told = 'Container is in "unknown" state, try killing it before restart'

    assert plan(pod_of(), state(state=State.UNKNOWN)) == ([("main", told, "")], [], ["main"])


ONE_TWO = [init("one"), init("two")]


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ([], ([], ["one"], [])),
        ([state("one")], NOTHING),
        ([state("one", State.CREATED)], ([], ["one"], [])),
        ([ended("one")], ([], ["two"], [])),
        ([ended("one", 1)], ([], ["one"], [])),
        ([state("two"), ended("one")], NOTHING),
        ([ended("two", 1), ended("one")], ([], ["two"], [])),
        ([ended("two")], ([], [], ["main"])),
        ([ended("two"), ended("one")], ([], [], ["main"])),
        ([state("main"), ended("two"), ended("one")], NOTHING),
        ([state("main", State.CREATED)], ([], [], ["main"])),
        ([state("main")], NOTHING),
        ([ended("main"), ended("two")], ([], [], ["main"])),
    ],
)
def test_init_containers_run_one_after_the_other(there: list[ContainerState], expected: Plan) -> None:
    assert plan(pod_of(ONE_TWO), *there) == expected


def test_an_init_container_that_failed_ends_a_never_pod() -> None:
    pod = pod_of(ONE_TWO, restartPolicy="Never")

    assert actions(pod, ended("one", 1)) == STOP
    assert actions(pod, state("one", State.UNKNOWN)) == STOP
    assert plan(pod, ended("one")) == ([], ["two"], [])


def test_an_init_container_of_unknown_state_is_stopped_before_it_starts_again() -> None:
    told = 'Init container is in "unknown" state, try killing it before restart'

    for policy in ("Always", "OnFailure"):
        pod = pod_of(ONE_TWO, restartPolicy=policy)
        assert plan(pod, state("one", State.UNKNOWN)) == ([("one", told, "")], ["one"], [])


def test_an_init_containers_rules_say_when_it_is_tried_again() -> None:
    rules = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [7]}}]
    pod = pod_of([init("one", restartPolicy="Never", restartPolicyRules=rules)])

    assert plan(pod, ended("one", 7)) == ([], ["one"], [])
    assert actions(pod, ended("one", 1)) == STOP


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ([], ([], ["side"], [])),
        ([state("side")], ([], ["one"], [])),
        ([state("side", State.CREATED)], ([], ["side"], [])),
        ([ended("side")], ([], ["side"], [])),
        ([state("one"), state("side")], NOTHING),
        ([state("one")], ([], ["side"], [])),
        ([state("one"), ended("side", 1)], ([], ["side"], [])),
        ([ended("one"), state("side")], ([], ["last"], [])),
        ([state("last"), ended("one"), state("side")], ([], [], ["main"])),
        ([ended("last"), ended("one"), state("side")], ([], ["last"], [])),
        ([state("main"), state("last"), ended("one"), state("side")], NOTHING),
        ([state("main"), ended("last"), ended("one"), ended("side")], ([], ["side", "last"], [])),
        ([state("main")], ([], ["side", "last"], [])),
    ],
)
def test_sidecars_are_kept_running_from_their_turn_on(there: list[ContainerState], expected: Plan) -> None:
    assert plan(pod_of([sidecar("side"), init("one"), sidecar("last")]), *there) == expected


def test_a_sidecar_of_unknown_state_is_stopped_before_it_starts_again() -> None:
    told = 'Init container is in "unknown" state, try killing it before restart'

    pod = pod_of([sidecar("side")])
    assert plan(pod, state("side", State.UNKNOWN)) == ([("side", told, "")], ["side"], [])


@pytest.mark.parametrize("started", [None, False, True])
def test_a_sidecars_startup_probe_decides_when_the_next_one_may_start(started: bool | None) -> None:
    pod = pod_of([sidecar("side", startupProbe=UP)])

    done = plan(pod, state("side"), startup={"id-side": started})

    failed = [("side", "Init container side failed startup probe", "StartupProbeFailed")]
    expected: dict[bool | None, Plan] = {
        None: NOTHING, False: (failed, ["side"], []), True: ([], [], ["main"]),
    }  # fmt: skip
    assert done == expected[started]
    assert plan(pod_of([sidecar("side")]), state("side"), startup={"id-side": False}) == ([], [], ["main"])


def test_a_sidecar_that_a_probe_condemns_or_that_changed_starts_again_beside_the_others() -> None:
    pod = pod_of([sidecar("side", livenessProbe=UP)], restartPolicy="Never")

    assert plan(pod, state("main"), state("side"), liveness={"id-side": False}) == (
        [("side", "Init container side failed liveness probe", "LivenessProbeFailed")],
        ["side"],
        [],
    )
    assert plan(pod, state("main"), state("side", hash="other"), liveness={"id-side": False}) == (
        [("side", "Init container side definition changed", "")],
        ["side"],
        [],
    )
    own = pod.init_containers[0].hash
    for result in (True, None):
        assert plan(pod, state("main"), state("side", hash=own), liveness={"id-side": result}) == NOTHING
