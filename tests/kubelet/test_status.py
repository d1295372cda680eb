"""A pod's status from what the runtime has and what was said before, field by field."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from labs.kubelet.pod.manifest import pod_from_file
from labs.kubelet.pod.model import Pod
from labs.kubelet.runtime_status import ContainerState, PodStatus, SandboxState, State
from labs.kubelet.status import Eviction, Inputs, concluded, generate, still_running
from tests.kubelet.node import START, api_pod, manifest

IPS = ("172.18.0.2", "fc00::2")
INPUTS = Inputs(START, IPS)
SANDBOX = SandboxState("s0", True, START, 0, ("10.244.0.5", "fd00::5"), False)
AT = "2026-11-23T17:55:13Z"


def pod_of(**spec: Any) -> Pod:
    metadata = {"annotations": {"kubernetes.io/config.source": "file"}}
    return pod_from_file(json.dumps(manifest(metadata=metadata, **spec)).encode(), "/m/web.yaml", "n")


def container(name: str = "main", state: State = State.RUNNING, **more: Any) -> ContainerState:
    plain = ContainerState(
        id=f"id-{name}", name=name, state=state, image="docker.io/library/busybox:1.36", image_ref="sha256:1",
        hash="", restart_count=0, created_at=START, started_at=START + timedelta(seconds=1),
        finished_at=START + timedelta(seconds=9), exit_code=0, reason="", message="", termination_file="",
        termination_policy="File", log_path="",
    )  # fmt: skip
    return replace(plain, **more)


def status_of(pod: Pod, *containers: ContainerState, sandbox: SandboxState | None = SANDBOX) -> PodStatus:
    return PodStatus(pod.uid, sandboxes=(sandbox,) if sandbox else (), containers=containers)


def made(pod: Pod, *containers: ContainerState, inputs: Inputs = INPUTS, **more: Any) -> dict[str, Any]:
    return generate(pod, status_of(pod, *containers, **more), inputs)


def first(status: Mapping[str, Any]) -> dict[str, Any]:
    return dict(status["containerStatuses"][0])


def after(entry: dict[str, Any], **more: Any) -> Inputs:
    """Inputs of a pod whose container was shown so before."""
    return replace(INPUTS, previous={"containerStatuses": [{"name": "main", **entry}]}, **more)


def test_a_running_pod_is_shown_with_all_that_is_known_of_it() -> None:
    resources = {"requests": {"cpu": "100m"}, "limits": {"memory": "32Mi"}}
    mounts = [{"name": "v", "mountPath": "/v"}, {"name": "v", "mountPath": "/w", "readOnly": True}]
    pod = pod_of(
        container={"resources": resources, "volumeMounts": mounts}, volumes=[{"name": "v", "emptyDir": {}}]
    )

    found = made(pod, container(user={"uid": 0, "gid": 0}))

    amounts = {"cpu": "100m", "memory": "32Mi"}
    assert first(found) == {
        "allocatedResources": amounts,
        "containerID": "containerd://id-main",
        "image": "docker.io/library/busybox:1.36",
        "imageID": "sha256:1",
        "lastState": {},
        "name": "main",
        "ready": True,
        "resources": {"limits": {"memory": "32Mi"}, "requests": amounts},
        "restartCount": 0,
        "started": True,
        "state": {"running": {"startedAt": "2026-11-23T17:55:14Z"}},
        "user": {"linux": {"uid": 0, "gid": 0}},
        "volumeMounts": [
            {"mountPath": "/v", "name": "v"},
            {"mountPath": "/w", "name": "v", "readOnly": True, "recursiveReadOnly": "Disabled"},
        ],
    }
    del found["containerStatuses"], found["conditions"]
    assert found == {
        "allocatedResources": amounts,
        "hostIP": "172.18.0.2",
        "hostIPs": [{"ip": "172.18.0.2"}, {"ip": "fc00::2"}],
        "phase": "Running",
        "podIP": "10.244.0.5",
        "podIPs": [{"ip": "10.244.0.5"}, {"ip": "fd00::5"}],
        "resources": {"limits": {"memory": "32Mi"}, "requests": amounts},
        "startTime": AT,
    }


def test_a_pod_of_which_nothing_is_there_yet_is_being_created() -> None:
    found = made(pod_of(), sandbox=None)

    assert first(found) == {
        "image": "busybox:1.36",
        "imageID": "",
        "lastState": {},
        "name": "main",
        "ready": False,
        "restartCount": 0,
        "started": False,
        "state": {"waiting": {"reason": "ContainerCreating"}},
    }
    assert found["phase"] == "Pending"
    assert found["resources"] == {}
    assert not {"podIP", "podIPs", "initContainerStatuses"} & set(found)


def test_containers_wait_for_init_containers() -> None:
    pod = pod_of(initContainers=[{"name": "i", "image": "b:1"}])

    found = made(pod)

    waiting = {"waiting": {"reason": "PodInitializing"}}
    assert first(found)["state"] == found["initContainerStatuses"][0]["state"] == waiting


@pytest.mark.parametrize(
    ("how", "shown"),
    [
        ({}, {"exitCode": 0, "reason": "Completed"}),
        ({"exit_code": 3}, {"exitCode": 3, "reason": "Error"}),
        ({"exit_code": 137, "reason": "OOMKilled"}, {"exitCode": 137, "reason": "OOMKilled"}),
        (
            {"exit_code": 128, "reason": "StartError", "message": "no such file"},
            {"exitCode": 128, "reason": "StartError", "message": "no such file"},
        ),
    ],
)
def test_an_ended_container_tells_how_it_ended(how: dict[str, Any], shown: dict[str, Any]) -> None:
    found = made(pod_of(), container(state=State.EXITED, **how))

    times = {"startedAt": "2026-11-23T17:55:14Z", "finishedAt": "2026-11-23T17:55:22Z"}
    assert first(found)["state"] == {"terminated": {"containerID": "containerd://id-main", **times, **shown}}
    assert (first(found)["ready"], first(found)["started"]) == (False, False)


@pytest.mark.parametrize(("own", "said"), [("", "last words"), ("broken", "broken: last words")])
def test_last_words_follow_the_runtimes(own: str, said: str) -> None:
    inputs = replace(INPUTS, message_of=lambda c: "last words" if c.id == "id-main" else "")

    found = made(pod_of(), container(state=State.EXITED, message=own), inputs=inputs)

    assert first(found)["state"]["terminated"]["message"] == said


def test_the_runtime_is_named_in_ids() -> None:
    inputs = replace(INPUTS, runtime_name="cks")

    assert first(made(pod_of(), container(), inputs=inputs))["containerID"] == "cks://id-main"


def test_the_generation_before_is_the_last_state() -> None:
    newest = container(id="new", restart_count=4)
    before = container(id="old", state=State.EXITED, exit_code=1)

    found = first(made(pod_of(), newest, before))

    assert found["restartCount"] == 4
    assert found["lastState"]["terminated"]["containerID"] == "containerd://old"
    assert found["state"] == {"running": {"startedAt": "2026-11-23T17:55:14Z"}}


def test_a_last_state_outlives_the_container_that_it_is_about() -> None:
    ended = {"exitCode": 1, "containerID": "containerd://gone"}

    by_state = after({"state": {"terminated": ended}, "containerID": "containerd://gone", "restartCount": 2})
    by_last = after({"state": {"running": {}}, "lastState": {"terminated": ended}, "restartCount": 2})

    for inputs in (by_state, by_last):
        assert first(made(pod_of(), container(), inputs=inputs))["lastState"] == {"terminated": ended}


def test_restarts_never_count_down() -> None:
    def count(old: dict[str, Any], **now: Any) -> int:
        return int(first(made(pod_of(), container(**now), inputs=after(old)))["restartCount"])

    running, ended = {"running": {}}, {"terminated": {"exitCode": 1}}
    assert count({"state": running, "restartCount": 5}, restart_count=2) == 5
    assert count({"state": running, "restartCount": 1}, restart_count=2) == 2
    assert count({"state": ended, "restartCount": 2}, restart_count=2) == 3
    assert count({"state": ended, "restartCount": 2}, restart_count=3) == 3


def test_a_container_that_ran_and_is_gone_has_been_lost() -> None:
    old = {"state": {"running": {"startedAt": AT}}, "lastState": {}, "restartCount": 1}

    found = first(made(pod_of(), inputs=after(old)))

    assert found["restartCount"] == 2
    assert found["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert found["lastState"] == {
        "terminated": {
            "exitCode": 137,
            "finishedAt": None,
            "message": "The container could not be located when the pod was deleted.  "
            "The container used to be Running",
            "reason": "ContainerStatusUnknown",
            "startedAt": None,
        }
    }


def test_a_container_that_had_ended_and_is_gone_stays_as_it_ended() -> None:
    old = {
        "state": {"terminated": {"exitCode": 0}}, "lastState": {}, "restartCount": 1, "ready": True,
        "image": "x", "imageID": "y", "started": True,
    }  # fmt: skip

    assert first(made(pod_of(restartPolicy="Never"), inputs=after(old))) == {
        **old, "name": "main", "ready": False, "started": False,
    }  # fmt: skip


def test_a_container_of_unknown_state_that_ran_has_been_lost() -> None:
    found = first(made(pod_of(), container(state=State.UNKNOWN), inputs=after({"state": {"running": {}}})))

    assert found["state"]["terminated"]["message"] == (
        "The container could not be located when the pod was terminated"
    )
    assert found["state"]["terminated"]["exitCode"] == 137
    assert found["restartCount"] == 1


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (("CrashLoopBackOff", "back-off 10s"), {"reason": "CrashLoopBackOff", "message": "back-off 10s"}),
        (("ErrImagePull", ""), {"reason": "ErrImagePull"}),
    ],
)
def test_a_container_that_could_not_be_started_waits_and_says_why(
    said: tuple[str, str], shown: dict[str, str]
) -> None:
    pod, inputs = pod_of(), replace(INPUTS, reasons={"main": said})

    crashed = first(made(pod, container(state=State.EXITED, exit_code=1), inputs=inputs))
    assert crashed["state"] == {"waiting": shown}
    assert crashed["lastState"]["terminated"]["exitCode"] == 1
    assert first(made(pod, inputs=inputs))["state"] == {"waiting": shown}
    running = first(made(pod, container(), inputs=inputs))
    assert "running" in running["state"]
    stopping = replace(inputs, terminating=True)
    assert "terminated" in first(made(pod, container(state=State.EXITED), inputs=stopping))["state"]
    never = pod_of(restartPolicy="Never")
    assert "terminated" in first(made(never, container(state=State.EXITED), inputs=inputs))["state"]


PROBE = {"exec": {"command": ["x"]}}


@pytest.mark.parametrize(
    ("probes", "startup", "readiness", "shown"),
    [
        ((), {}, {}, (True, True)),
        (("readinessProbe",), {}, {}, (True, False)),
        (("readinessProbe",), {}, {"id-main": True}, (True, True)),
        (("startupProbe",), {}, {}, (False, False)),
        (("startupProbe",), {"id-main": False}, {}, (False, False)),
        (("startupProbe",), {"id-main": True}, {}, (True, True)),
        (("startupProbe", "readinessProbe"), {}, {"id-main": True}, (False, False)),
        (("startupProbe", "readinessProbe"), {"id-main": True}, {"other": True}, (True, False)),
    ],
)
def test_started_and_ready_are_what_the_probes_say(
    probes: tuple[str, ...],
    startup: dict[str, bool],
    readiness: dict[str, bool],
    shown: tuple[bool, bool],
) -> None:
    pod = pod_of(container=dict.fromkeys(probes, PROBE))

    found = first(made(pod, container(), inputs=replace(INPUTS, startup=startup, readiness=readiness)))

    assert (found["started"], found["ready"]) == shown


def test_containers_are_listed_by_name_and_init_containers_in_their_order() -> None:
    it = manifest(initContainers=[{"name": n, "image": "b:1"} for n in ("z", "y")])
    it["spec"]["containers"] = [{"name": n, "image": "b:1"} for n in ("c", "b")]
    pod = pod_from_file(json.dumps(it).encode(), "/m/web.yaml", "n")

    found = made(pod)

    assert [entry["name"] for entry in found["containerStatuses"]] == ["b", "c"]
    assert [entry["name"] for entry in found["initContainerStatuses"]] == ["z", "y"]


def test_a_pod_on_the_nodes_network_has_the_nodes_addresses() -> None:
    pod = pod_of(hostNetwork=True)

    found = made(pod, container(), sandbox=replace(SANDBOX, ips=(), host_network=True))
    assert (found["podIP"], found["podIPs"]) == (IPS[0], [{"ip": ip} for ip in IPS])
    assert "podIP" not in made(pod, sandbox=None)


def test_addresses_outlive_the_sandbox() -> None:
    inputs = replace(INPUTS, previous={"podIPs": [{"ip": "10.244.0.9"}]})

    assert made(pod_of(), sandbox=replace(SANDBOX, ready=False), inputs=inputs)["podIP"] == "10.244.0.9"
    assert made(pod_of(), sandbox=None, inputs=inputs)["podIP"] == "10.244.0.9"
    assert made(pod_of(), inputs=inputs)["podIP"] == "10.244.0.5"


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_pod_that_is_over_stays_so_and_keeps_its_start(phase: str) -> None:
    previous = {"phase": phase, "reason": "R", "message": "M", "startTime": "2026-01-01T00:00:00Z"}

    found = made(pod_of(), container(), inputs=replace(INPUTS, previous=previous))

    assert {key: found[key] for key in previous} == previous


def test_reason_and_message_go_with_the_phase_they_were_about() -> None:
    previous = {"phase": "Pending", "reason": "R", "message": "M"}

    found = made(pod_of(), container(), inputs=replace(INPUTS, previous=previous))

    assert not {"reason", "message"} & set(found)


def test_an_evicted_pod_failed_and_says_why() -> None:
    eviction = Eviction("Preempting", "had to go", "for another")

    found = made(pod_of(), container(), inputs=replace(INPUTS, evicted=eviction))

    assert (found["phase"], found["reason"], found["message"]) == ("Failed", "Preempting", "had to go")
    assert found["conditions"][0]["type"] == "DisruptionTarget"
    assert found["conditions"][0]["message"] == "for another"


def test_a_pod_of_the_api_is_shown_with_the_generation_that_was_looked_at() -> None:
    pod = Pod.of(api_pod(metadata={"uid": "u", "generation": 3}))

    assert made(pod)["observedGeneration"] == 3
    assert "observedGeneration" not in made(pod_of())


OVER = {"phase": "Failed", "reason": "R", "message": "M", "x": 1}


@pytest.mark.parametrize(
    ("status", "shown", "seen"),
    [
        ({"phase": "Running", "x": 1}, {"phase": "Pending"}, {"phase": "Running", "x": 1}),
        (OVER, {"phase": "Running"}, {"phase": "Running", "x": 1}),
        (OVER, {}, {"phase": "Pending", "x": 1}),
        (OVER, {"phase": "Succeeded"}, OVER),
        (
            OVER,
            {"phase": "Pending", "reason": "A", "message": "B", "y": 2},
            {"phase": "Pending", "reason": "A", "message": "B", "x": 1},
        ),
    ],
)
def test_over_is_said_of_a_pod_only_when_nothing_of_it_runs(
    status: dict[str, Any], shown: dict[str, Any], seen: dict[str, Any]
) -> None:
    assert still_running(status, shown) == seen


LOST = {
    "exitCode": 137, "finishedAt": None, "reason": "ContainerStatusUnknown", "startedAt": None,
    "message": "The container could not be located when the pod was terminated",
}  # fmt: skip
WAITS: dict[str, Any] = {"state": {"waiting": {}}, "lastState": {}}
ENDED: dict[str, Any] = {"state": {"terminated": {"exitCode": 0}}, "lastState": {}}


def last(pod: Pod, **status: Any) -> dict[str, Any]:
    given = {"phase": "Running", "containerStatuses": [WAITS], **status}
    return concluded(pod, given)


@pytest.mark.parametrize("initialized", ["True", "False"])
def test_what_never_ended_is_lost_when_the_pod_has_been_stopped(initialized: str) -> None:
    conditions = [{"type": "Initialized", "status": initialized}]

    found = last(pod_of(), conditions=conditions, containerStatuses=[WAITS, ENDED])

    lost = {**WAITS, "state": {"terminated": LOST}} if initialized == "True" else WAITS
    assert found["containerStatuses"] == [lost, ENDED]
    assert found["phase"] == "Running"


@pytest.mark.parametrize(("phase", "final"), [("Running", "Failed"), ("Succeeded", "Succeeded")])
def test_a_pod_of_the_api_that_was_stopped_is_over(phase: str, final: str) -> None:
    assert last(Pod.of(api_pod(metadata={"uid": "u"})), phase=phase)["phase"] == final


def test_init_containers_that_never_had_a_turn_still_wait_at_the_end() -> None:
    tried = {**WAITS, "lastState": {"terminated": {"exitCode": 1}}}

    found = last(pod_of(), initContainerStatuses=[ENDED, tried, WAITS])["initContainerStatuses"]

    assert found == [ENDED, {**tried, "state": {"terminated": LOST}}, WAITS]
    first_lost = {**WAITS, "state": {"terminated": LOST}}
    assert last(pod_of(), initContainerStatuses=[WAITS, WAITS])["initContainerStatuses"] == [
        first_lost,
        WAITS,
    ]


def test_a_pods_resources_are_summed_over_its_containers() -> None:
    it = manifest()
    it["spec"]["containers"] = [
        {
            "name": "a",
            "image": "b:1",
            "resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "1Gi"}},
        },
        {"name": "b", "image": "b:1", "resources": {"requests": {"cpu": "1"}}},
    ]
    pod = pod_from_file(json.dumps(it).encode(), "/m/web.yaml", "n")

    found = made(pod, container("a"), container("b"))

    requests = {"cpu": "1500m", "memory": "1Gi"}
    assert found["resources"] == {"limits": {"memory": "1Gi"}, "requests": requests}
    assert found["allocatedResources"] == requests


def test_a_pod_that_has_resources_as_a_whole_shows_these() -> None:
    found = made(pod_of(resources={"limits": {"cpu": "200m"}}), container())

    assert found["resources"] == {"limits": {"cpu": "200m"}, "requests": {"cpu": "200m"}}
    assert found["allocatedResources"] == {"cpu": "200m"}
    assert first(found)["resources"] == {}


def test_a_container_that_has_been_made_and_not_started_waits() -> None:
    assert first(made(pod_of(), container(state=State.CREATED)))["state"] == {"waiting": {}}


@pytest.mark.parametrize("later", [container(), container(state=State.CREATED)])
def test_an_init_container_that_is_gone_when_others_are_there_has_ended_well(later: ContainerState) -> None:
    pod = pod_of(initContainers=[{"name": "one", "image": "b:1"}])

    once = replace(INPUTS, reasons={"one": ("ErrImagePull", "why it could not be started at first")})
    (entry,) = made(pod, later, inputs=once)["initContainerStatuses"]

    assert (entry["ready"], entry["started"], entry["restartCount"]) == (True, False, 0)
    assert entry["state"] == {
        "terminated": {
            "exitCode": 0,
            "finishedAt": None,
            "message": "Unable to get init container status from container runtime and pod has been "
            "initialized, treat it as exited normally",
            "reason": "Completed",
            "startedAt": None,
        }
    }


def test_a_container_that_waits_and_is_not_there_keeps_how_it_ended_before() -> None:
    ended = {"terminated": {"exitCode": 3, "reason": "Error"}}
    old = {"name": "main", "state": {"waiting": {}}, "lastState": ended, "restartCount": 4}

    entry = first(made(pod_of(), inputs=replace(INPUTS, previous={"containerStatuses": [old]})))

    assert (entry["lastState"], entry["restartCount"]) == (ended, 4)
    assert entry["state"] == {"waiting": {"reason": "ContainerCreating"}}


def test_a_sidecar_that_is_gone_is_to_come_back() -> None:
    pod = pod_of(initContainers=[{"name": "side", "image": "b:1", "restartPolicy": "Always"}])

    (entry,) = made(pod, container())["initContainerStatuses"]

    assert entry["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert entry["ready"] is False


@pytest.mark.parametrize(("code", "ready"), [(0, True), (1, False)])
def test_an_init_container_that_was_seen_to_end_stays_as_it_ended(code: int, ready: bool) -> None:
    pod = pod_of(initContainers=[{"name": "one", "image": "b:1"}])
    ended = {"terminated": {"exitCode": code, "reason": "Whatever"}}
    before = {"initContainerStatuses": [{"name": "one", "state": ended, "lastState": {}, "restartCount": 2}]}

    (entry,) = made(pod, container(), inputs=replace(INPUTS, previous=before))["initContainerStatuses"]

    assert (entry["state"], entry["ready"], entry["restartCount"]) == (ended, ready, 2)


def test_an_init_container_is_ready_when_it_has_ended_well_and_only_then() -> None:
    pod = pod_of(initContainers=[{"name": "one", "image": "b:1"}])

    for state, code, ready in (
        (State.RUNNING, 0, False), (State.EXITED, 0, True), (State.EXITED, 1, False),
        (State.CREATED, 0, False),
    ):  # fmt: skip
        (entry,) = made(pod, container("one", state, exit_code=code))["initContainerStatuses"]
        assert entry["ready"] is ready


def test_an_init_container_that_cannot_be_started_waits_unless_it_is_done() -> None:
    pod = pod_of(initContainers=[{"name": "one", "image": "b:1"}])
    inputs = replace(INPUTS, reasons={"one": ("CrashLoopBackOff", "back-off")})

    for code, state in ((1, "waiting"), (0, "terminated")):
        last = container("one", State.EXITED, exit_code=code)
        (entry,) = made(pod, last, inputs=inputs)["initContainerStatuses"]
        assert list(entry["state"]) == [state]


def test_what_was_said_of_a_pod_that_is_not_over_is_said_on_while_it_runs() -> None:
    done = {"phase": "Failed", "reason": "New", "message": "new", "startTime": AT}

    assert still_running(done, {"phase": "Running", "reason": "Old"}) == {
        "phase": "Running", "reason": "Old", "startTime": AT,
    }  # fmt: skip
    assert still_running(done, {"message": "old"}) == {"phase": "Pending", "message": "old", "startTime": AT}
    assert still_running(done, {"phase": "Succeeded"}) == done
    assert still_running({"phase": "Running"}, {"phase": "Pending"}) == {"phase": "Running"}


def test_the_first_init_container_had_its_turn_although_nothing_of_it_was_seen() -> None:
    entry = {"name": "one", "state": {"waiting": {}}, "lastState": {}}
    status = {"phase": "Failed", "initContainerStatuses": [entry, {**entry, "name": "two"}]}

    one, two = concluded(pod_of(), status)["initContainerStatuses"]

    assert one["state"]["terminated"]["reason"] == "ContainerStatusUnknown"
    assert two["state"] == {"waiting": {}}


def test_an_init_container_that_waits_to_be_tried_again_has_had_its_turn() -> None:
    entry = {"name": "one", "state": {"waiting": {}}, "lastState": {}}
    again = {**entry, "name": "two", "lastState": {"terminated": {"exitCode": 1}}}
    status = {"phase": "Failed", "initContainerStatuses": [entry, again, {**entry, "name": "three"}]}

    shown = concluded(pod_of(), status)["initContainerStatuses"]

    assert ["terminated" in e["state"] for e in shown] == [True, True, False]
