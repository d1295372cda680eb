"""`labs exercise` on a running cluster."""

import json

import pytest

from labs import judge
from labs.cluster import Cluster
from labs.nodes.spec import Spec
from tests.cli.running import labs

EXERCISE = "delete-mirror-pod"


@pytest.fixture(scope="module")
def name(shared_cluster: Cluster) -> str:
    return shared_cluster.name


def test_the_list_has_every_exercise() -> None:
    done = labs("exercise", "list")
    lines = done.stdout.splitlines()

    assert lines[0].split() == ["ID", "POINTS", "MINUTES", "TITLE"]
    assert [line.split()[0] for line in lines[1:]] == [exercise.id for exercise in judge.catalogue()]


def test_an_exercise_not_worked_on_earns_nothing_and_the_status_says_no(name: str) -> None:
    assert labs("exercise", "start", EXERCISE, "-c", name).returncode == 0
    done = labs("exercise", "check", EXERCISE, "-c", name, "--json")
    verdict = json.loads(done.stdout)

    assert done.returncode == 1
    assert verdict["exercise"] == EXERCISE
    assert (verdict["points"], verdict["max"]) == (0, judge.load(EXERCISE).points)
    assert verdict["criteria"][0].keys() == {
        *("id", "passed", "points", "max", "rationale", "expected", "seen", "hint"),
    }


def test_a_solved_exercise_earns_everything_also_when_it_is_checked_again(name: str) -> None:
    solved = labs("exercise", "solve", EXERCISE, "-c", name)
    checked = labs("exercise", "check", EXERCISE, "-c", name)

    assert (solved.returncode, checked.returncode) == (0, 0), solved.stdout + solved.stderr
    assert checked.stdout == solved.stdout
    assert checked.stdout.endswith(f"{EXERCISE}: 10 of 10 points\n")


def test_a_reset_exercise_leaves_the_cluster_as_new_and_its_verdict_as_it_was(name: str) -> None:
    manifests = ["node", "-c", name, "--", "ls", "/etc/kubernetes/manifests"]
    assert "web.yaml" in labs(*manifests).stdout.split()
    before = labs("exercise", "check", EXERCISE, "-c", name).stdout
    assert labs("exercise", "reset", EXERCISE, "-c", name).returncode == 0

    assert labs(*manifests).stdout.split() == [f"{component}.yaml" for component in Spec().components]
    assert labs("exercise", "check", EXERCISE, "-c", name).stdout == before


def test_an_unknown_exercise_is_named(name: str) -> None:
    done = labs("exercise", "start", "no-such-exercise", "-c", name)

    assert done.returncode in (1, 2)
    assert done.stderr.count("\n") == 1
    assert "no-such-exercise" in done.stderr


def test_without_its_cluster_an_exercise_cannot_be_checked() -> None:
    done = labs("exercise", "check", EXERCISE, "-c", "nowhere")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "labs: there is no cluster 'nowhere': 'labs up nowhere' makes it, 'labs list' shows all\n"
    )
