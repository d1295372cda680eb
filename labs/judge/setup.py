"""Setting an exercise up, alone and from any state its student left behind.

Whether the set-up stands is read from the evidence: the container's start from the runtime's event log, the
mirror from the audit trail. The manifests are written where no program of the student's takes part.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from labs.judge.access import Access, Evidence, Judged
from labs.judge.errors import JudgeError
from labs.judge.exercise import Exercise, load
from labs.judge.facts import Seeded
from labs.judge.state import State

MANIFESTS = "/etc/kubernetes/manifests"
PATIENCE = 120.0
"""Seconds the kubelet may take to stop or start the exercise's pod."""

OnProgress = Callable[[str], None]


def start(cluster: Judged, id: str, *, progress: OnProgress | None = None) -> None:
    """Make the exercise's pod anew, wait until it and its mirror run, and let the judged time begin.

    Where the API server is down, whatever was done to it, the nodes are made anew first.
    """
    exercise = load(id)
    access = Access(cluster)
    tell = progress or _quiet
    if not access.api_up():
        tell("making the nodes anew, as the API server is down")
        access.renew()
    with access.evidence() as evidence:
        _take_away(exercise, access, evidence, tell)
        for name, text in exercise.manifests.items():
            _write(access, f"{MANIFESTS}/{name}", text)
        tell(f"waiting for the kubelet to run {exercise.pod}")
        _until(access, evidence, exercise, _stands, f"{exercise.pod} does not run with a mirror")
        access.record("start", exercise=id, seed=_seed(access, evidence))


def reset(cluster: Judged, id: str, *, progress: OnProgress | None = None) -> None:
    """Take the exercise's pod off the node."""
    access = Access(cluster)
    with access.evidence() as evidence:
        _take_away(load(id), access, evidence, progress or _quiet)


def _take_away(exercise: Exercise, access: Access, evidence: Evidence, tell: OnProgress) -> None:
    evidence.up_to(access.barrier().seq)
    state = State().apply_all(evidence.facts)
    paths = {f"{MANIFESTS}/{name}" for name in exercise.manifests}
    paths |= {one.path for one in state.manifests_of(exercise.pod)}
    _run(access, ["rm", "-f", *sorted(paths)])
    started = access.run(["systemctl", "start", "kubelet"])
    if started.returncode != 0:
        raise JudgeError(
            f"the kubelet does not start: {_last_line(started.stderr)}; see `journalctl -u kubelet`"
        )
    if not _gone(state, exercise, access.node):
        tell(f"waiting for the kubelet to remove the {exercise.pod} of before")
    _until(access, evidence, exercise, _gone, f"the {exercise.pod} of before does not go away")


def _until(
    access: Access,
    evidence: Evidence,
    exercise: Exercise,
    reached: Callable[[State, Exercise, str], bool],
    otherwise: str,
) -> None:
    deadline = time.monotonic() + PATIENCE
    evidence.up_to(access.barrier().seq)
    while not reached(State().apply_all(evidence.facts), exercise, access.node):
        if time.monotonic() > deadline:
            raise JudgeError(
                f"{otherwise} after {PATIENCE:.0f} s: look at `journalctl -u kubelet` on {access.node}"
            )
        evidence.more(deadline - time.monotonic())


def _gone(state: State, exercise: Exercise, node: str) -> bool:
    name = exercise.mirror(node)
    return state.pod(name) is None and not state.running(name) and not state.manifests_of(exercise.pod)


def _stands(state: State, exercise: Exercise, node: str) -> bool:
    name = exercise.mirror(node)
    pod, files = state.pod(name), state.manifests_of(exercise.pod)
    if pod is None or pod.deleting or pod.phase != "Running" or not state.running(name):
        return False
    return [pod.images] == [one.images for one in files]  # and not what an attempt before had asked for


def _write(access: Access, path: str, text: str) -> None:
    """Write outside of what the kubelet reads and move into it, so that no half-written file is ever seen."""
    _run(access, ["sh", "-c", 'cat > "$1" && mv "$1" "$2"', "sh", "/etc/kubernetes/.new", path], input=text)


def _run(access: Access, argv: list[str], *, input: str | None = None) -> None:
    done = access.run(argv, trusted=True, input=input)
    if done.returncode != 0:
        raise JudgeError(f"the node's manifests cannot be written: {_last_line(done.stderr)}")


def _seed(access: Access, evidence: Evidence) -> str:
    seeds = [fact.seed for fact in evidence.facts if isinstance(fact, Seeded)]
    return seeds[-1] if seeds else access.node


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]


def _quiet(_: str) -> None:
    """Progress that nobody wants to hear of."""
