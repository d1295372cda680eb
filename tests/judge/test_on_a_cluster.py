"""The judge on a real cluster of every backend: each exercise unsolved, solved, and done in each wrong way.

One cluster serves them all, one after the other: starting an exercise must work from whatever state the
attempt before has left behind.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from labs import judge
from labs.judge import Attempt, Exercise, catalogue

if TYPE_CHECKING:
    from labs.cluster import Cluster

ATTEMPTS = [
    pytest.param(exercise, attempt, id=f"{exercise.id}-{attempt.id}")
    for exercise in catalogue()
    for attempt in (exercise.solution, *exercise.wrong)
]


@pytest.fixture(scope="module")
def cluster(each_backend: Cluster) -> Cluster:
    return each_backend


@pytest.mark.parametrize("exercise", catalogue(), ids=lambda exercise: exercise.id)
def test_an_exercise_that_was_only_started_earns_nothing(cluster: Cluster, exercise: Exercise) -> None:
    judge.start(cluster, exercise.id)

    verdict = judge.check(cluster, exercise.id)

    assert verdict.points == 0
    assert not verdict.needs_attention


@pytest.mark.parametrize(("exercise", "attempt"), ATTEMPTS)
def test_each_attempt_gets_the_score_that_its_file_says(
    cluster: Cluster, exercise: Exercise, attempt: Attempt
) -> None:
    verdict = judge.rehearse(cluster, exercise, attempt)

    assert verdict.points == attempt.score, json.dumps(verdict.to_json(), indent=1)


def test_a_mirror_that_is_not_back_yet_is_waited_for(cluster: Cluster) -> None:
    judge.start(cluster, "delete-mirror-pod")
    judge.answer(cluster, "delete-mirror-pod", "uid", "new-uid")
    delete = 'kubectl delete pod "web-$(hostname)" --force --grace-period=0'
    cluster.run(["bash", "-c", f"systemctl stop kubelet; {delete}"])
    judge.answer(cluster, "delete-mirror-pod", "why", "file")
    waits: list[str] = []

    def wake_the_kubelet(wait: judge.Wait, left: float) -> None:
        if not waits:
            cluster.run(["systemctl", "start", "kubelet"])
        waits.append(wait.what)

    verdict = judge.check(cluster, "delete-mirror-pod", on_wait=wake_the_kubelet)

    assert verdict.points == verdict.max, json.dumps(verdict.to_json(), indent=1)
    assert set(waits) == {f"a new mirror web-{cluster.nodes[0]}, made by the kubelet"}


def test_the_view_says_what_kubectl_and_crictl_say(cluster: Cluster) -> None:
    judge.start(cluster, "delete-mirror-pod")
    seen = judge.view(cluster, "web")

    name = f"web-{cluster.nodes[0]}"
    uid = cluster.run(["kubectl", "get", "pod", name, "-o", "jsonpath={.metadata.uid}"]).stdout
    ids = cluster.run(["crictl", "ps", "-q", "--no-trunc", "--name", "main"]).stdout.split()

    assert seen["api"]["pod"]["uid"] == uid
    assert [one["id"] for one in seen["runtime"] if one["state"] == "Running"] == ids
    assert [one["image"] for one in seen["file"]] == ["busybox:1.36"]


def test_with_the_kubelet_asleep_a_change_of_the_file_stays_in_the_file(cluster: Cluster) -> None:
    judge.start(cluster, "delete-mirror-pod")
    views = judge.follow(cluster, "web")
    before = next(views)

    edit = "sed -i s/busybox:1.36/busybox:1.37/ /etc/kubernetes/manifests/web.yaml"
    cluster.run(["bash", "-c", f"systemctl stop kubelet; {edit}"])
    after = next(view for view in itertools.islice(views, 20) if view["file"] != before["file"])
    cluster.run(["systemctl", "start", "kubelet"])

    assert [one["image"] for one in after["file"]] == ["busybox:1.37"]
    assert after["runtime"] == before["runtime"]
    assert after["api"] == before["api"]


def test_resetting_takes_the_pod_away(cluster: Cluster) -> None:
    judge.start(cluster, "delete-mirror-pod")
    judge.reset(cluster, "delete-mirror-pod")

    seen = judge.view(cluster, "web")
    assert (seen["file"], seen["api"]["pod"]) == ([], None)
    assert not [one for one in seen["runtime"] if one["state"] == "Running"]


def test_an_answer_before_the_start_is_refused_with_what_to_do(fresh_cluster: Cluster) -> None:
    with pytest.raises(judge.JudgeError, match=r'^start the exercise before you answer: start\("delete-'):
        judge.answer(fresh_cluster, "delete-mirror-pod", "uid", "new-uid")


def ask(cluster: Cluster, verb: str, **arguments: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "labs.judge", "--cluster", cluster.name, verb]
    return subprocess.run(command, input=json.dumps(arguments), capture_output=True, text=True, check=False)


def test_the_supervisors_way_of_asking_gives_the_same_documents(cluster: Cluster) -> None:
    ask(cluster, "start", exercise="delete-mirror-pod")

    question = json.loads(ask(cluster, "question", exercise="delete-mirror-pod", question="uid").stdout)[
        "result"
    ]
    assert {option["key"] for option in question["options"]} == {
        "gone",
        "new-uid",
        "new-container",
        "same-uid",
    }
    assert all(set(option) == {"key", "text"} for option in question["options"])

    verdict = json.loads(ask(cluster, "check", exercise="delete-mirror-pod").stdout)["result"]
    assert (verdict["points"], verdict["max"]) == (0, 10)


@pytest.mark.parametrize(
    ("verb", "arguments", "status", "message"),
    [
        ("check", {"exercise": "nothing"}, 1, "there is no exercise 'nothing'"),
        ("check", {}, 2, "the request needs 'exercise', a text"),
        (
            "answer",
            {"exercise": "delete-mirror-pod", "question": "uid", "choice": "42"},
            1,
            "'42' is no answer to 'uid'; choose one of: gone, new-container, new-uid, same-uid",
        ),
        (
            "question",
            {"exercise": "delete-mirror-pod", "question": "x"},
            1,
            "has no question 'x'; it asks: uid, why",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    cluster: Cluster, verb: str, arguments: dict[str, Any], status: int, message: str
) -> None:
    asked = ask(cluster, verb, **arguments)

    assert asked.returncode == status
    assert message in asked.stderr
    assert len(asked.stderr.splitlines()) == 1
