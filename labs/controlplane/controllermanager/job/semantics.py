"""What a Job's pods make of it: how many to start or stop, whether it is done, and why.

Mirrors `pkg/controller/job/job_controller.go` (`syncJob`, `manageJob`), `indexed_job_utils.go` and
`backoff_utils.go`. A pod counts once: it carries the finalizer `batch.kubernetes.io/job-tracking` until the
Job's status has counted it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..objects import Object, annotation, created, find_condition, is_going, parse_time, uid_of
from ..pods import is_active, is_ready, phase

TRACKING = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
#: Waits before a pod follows one that failed: doubled each time, up to the longest.
FIRST_BACKOFF, LONGEST_BACKOFF = 10.0, 600.0

COMPLETE, FAILED = "Complete", "Failed"
CRITERIA_MET, FAILURE_TARGET, SUSPENDED = "SuccessCriteriaMet", "FailureTarget", "Suspended"
COMPLETIONS_REACHED = ("CompletionsReached", "Reached expected number of succeeded pods")
BACKOFF_EXCEEDED = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
DEADLINE_EXCEEDED = ("DeadlineExceeded", "Job was active longer than specified deadline")


def is_true(job: Object, kind: str) -> bool:
    """Whether a condition of the Job holds."""
    condition = find_condition(job, kind)
    return condition is not None and condition["status"] == "True"


def is_finished(job: Object) -> bool:
    """Whether the Job has ended, well or not."""
    return is_true(job, COMPLETE) or is_true(job, FAILED)


def is_suspended(job: Object) -> bool:
    """Whether the Job is to have no pods for now."""
    return bool(job["spec"].get("suspend"))


def is_indexed(job: Object) -> bool:
    """Whether each pod does a numbered part of the work."""
    return bool(job["spec"].get("completionMode") == "Indexed")


# -- pods
def is_tracked(pod: Object) -> bool:
    """Whether the Job's status has not counted the pod for good."""
    return TRACKING in (pod["metadata"].get("finalizers") or [])


def has_failed(pod: Object, job: Object) -> bool:
    """Whether a pod counts as failed; one that is being deleted does, unless the Job waits for its end."""
    if phase(pod) == "Failed":
        return True
    waits = job["spec"].get("podReplacementPolicy") == "Failed"
    return is_going(pod) and not waits and phase(pod) != "Succeeded"


def completion_index(pod: Object) -> int | None:
    """The number of the part of the work that a pod does."""
    text = annotation(pod, INDEX)
    return int(text) if text.isdigit() else None


@dataclass(frozen=True)
class Count:
    """A Job's pods, counted: those counted in its status before, and those that ended since."""

    active: list[Object]
    ready: int
    terminating: int
    succeeded: int
    failed: int
    #: Ended, still tracked, and not yet noted in the status as uncounted.
    new_succeeded: list[Object]
    new_failed: list[Object]
    #: Of an indexed Job: the indexes that are done.
    indexes: list[int]


def count(job: Object, pods: Sequence[Object]) -> Count:
    """Count the Job's own `pods`."""
    status = job.get("status") or {}
    noted = status.get("uncountedTerminatedPods") or {}
    noted_ok, noted_bad = set(noted.get("succeeded") or []), set(noted.get("failed") or [])
    active = [pod for pod in pods if is_active(pod)]
    new_ok = [p for p in pods if phase(p) == "Succeeded" and is_tracked(p) and uid_of(p) not in noted_ok]
    new_bad = [p for p in pods if has_failed(p, job) and is_tracked(p) and uid_of(p) not in noted_bad]
    indexes: list[int] = []
    succeeded = int(status.get("succeeded", 0)) + len(new_ok) + len(noted_ok)
    if is_indexed(job):
        done = set(parse_indexes(status.get("completedIndexes", "")))
        done |= {i for p in pods if phase(p) == "Succeeded" and (i := completion_index(p)) is not None}
        indexes = sorted(i for i in done if i < int(job["spec"].get("completions") or 0))
        succeeded = len(indexes)
    return Count(
        active=active,
        ready=sum(is_ready(pod) for pod in active),
        terminating=sum(is_going(pod) and phase(pod) not in ("Failed", "Succeeded") for pod in pods),
        succeeded=succeeded,
        failed=int(status.get("failed", 0)) + len(new_bad) + len(noted_bad),
        new_succeeded=new_ok,
        new_failed=new_bad,
        indexes=indexes,
    )


# -- the end
def verdict(
    job: Object, pods: Sequence[Object], counted: Count, now: datetime
) -> tuple[str, str, str] | None:
    """How the Job ends, if it does: the condition that announces it, its reason and its message."""
    if is_true(job, FAILURE_TARGET):
        announced = find_condition(job, FAILURE_TARGET) or {}
        return FAILURE_TARGET, announced.get("reason", ""), announced.get("message", "")
    if is_true(job, CRITERIA_MET):
        announced = find_condition(job, CRITERIA_MET) or {}
        return CRITERIA_MET, announced.get("reason", ""), announced.get("message", "")
    limit = int(job["spec"].get("backoffLimit", 6))
    if counted.failed > limit or _restarts_exceed(job, pods, limit):
        return FAILURE_TARGET, *BACKOFF_EXCEEDED
    left = seconds_to_deadline(job, now)
    if left is not None and left <= 0:
        return FAILURE_TARGET, *DEADLINE_EXCEEDED
    completions = job["spec"].get("completions")
    if completions is None:
        reached = counted.succeeded > 0 and not counted.active
    else:
        reached = counted.succeeded >= completions and not counted.active
    if reached and not (is_suspended(job) and completions is None):
        return CRITERIA_MET, *COMPLETIONS_REACHED
    return None


def _restarts_exceed(job: Object, pods: Sequence[Object], limit: int) -> bool:
    """Whether containers that the kubelet itself restarts have failed too often."""
    if job["spec"]["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    restarts = 0
    for pod in pods:
        if phase(pod) in ("Running", "Pending"):
            status = pod.get("status") or {}
            for part in ("initContainerStatuses", "containerStatuses"):
                restarts += sum(int(c.get("restartCount", 0)) for c in status.get(part) or [])
    return restarts > 0 if limit == 0 else restarts >= limit


def seconds_to_deadline(job: Object, now: datetime) -> float | None:
    """How long the Job may go on; None when for ever."""
    seconds = job["spec"].get("activeDeadlineSeconds")
    start = parse_time((job.get("status") or {}).get("startTime"))
    if seconds is None or start is None or is_suspended(job):
        return None
    return (start + timedelta(seconds=seconds) - now).total_seconds()


# -- pods to start and stop
def wanted_active(job: Object, counted: Count) -> int:
    """How many pods should be at work."""
    if is_suspended(job):
        return 0
    parallelism = int(job["spec"].get("parallelism", 1))
    completions = job["spec"].get("completions")
    if completions is None:
        return len(counted.active) if counted.succeeded else parallelism
    return max(min(int(completions) - counted.succeeded, parallelism), 0)


def to_stop(counted: Count, wanted: int) -> list[Object]:
    """The surplus of pods at work: those that have got least far."""
    order = sorted(
        counted.active,
        key=lambda p: (bool(p["spec"].get("nodeName")), phase(p) == "Running", is_ready(p), created(p)),
    )
    return order[: max(len(order) - wanted, 0)]


def to_start(job: Object, counted: Count, wanted: int) -> int:
    """The number of pods that are missing."""
    there = len(counted.active)
    if job["spec"].get("podReplacementPolicy") == "Failed":
        there += counted.terminating
    return max(wanted - there, 0)


def free_indexes(job: Object, counted: Count, number: int) -> list[int]:
    """The first parts of the work that are neither done nor at work."""
    taken = {*counted.indexes, *(completion_index(pod) for pod in counted.active)}
    return [i for i in range(int(job["spec"].get("completions") or 0)) if i not in taken][:number]


def backoff_seconds(pods: Iterable[Object], now: datetime) -> float:
    """How long to wait before the next pod, after so many failures since the last success."""
    ends = sorted(
        ((_ended(pod) or now, phase(pod)) for pod in pods if phase(pod) in ("Failed", "Succeeded")),
        reverse=True,
    )
    failures = 0
    for _, how in ends:
        if how == "Succeeded":
            break
        failures += 1
    if not failures:
        return 0.0
    wait = min(FIRST_BACKOFF * 2 ** (failures - 1), LONGEST_BACKOFF)
    return max((ends[0][0] + timedelta(seconds=wait) - now).total_seconds(), 0.0)


def _ended(pod: Object) -> datetime | None:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    ends = [parse_time(((s.get("state") or {}).get("terminated") or {}).get("finishedAt")) for s in statuses]
    if moments := [end for end in ends if end]:
        return max(moments)
    return parse_time(pod["metadata"].get("deletionTimestamp"))


# -- indexes as text
def parse_indexes(text: str) -> list[int]:
    """`1,3-5` as numbers."""
    result: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        result += range(int(first), int(last or first) + 1)
    return result


def format_indexes(indexes: Sequence[int]) -> str:
    """Numbers in order as `1,3-5`."""
    runs: list[list[int]] = []
    for index in indexes:
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return ",".join(_run(run) for run in runs)


def _run(run: Sequence[int]) -> str:
    if len(run) == 1:
        return str(run[0])
    return f"{run[0]},{run[1]}" if len(run) == 2 else f"{run[0]}-{run[-1]}"


def seconds_to_removal(job: Object, now: datetime) -> float | None:
    """When `ttlSecondsAfterFinished` wants the finished Job gone; None when never or not yet known."""
    ttl = job["spec"].get("ttlSecondsAfterFinished")
    if ttl is None or is_going(job):
        return None
    for kind in (COMPLETE, FAILED):
        condition = find_condition(job, kind)
        if condition and condition["status"] == "True":
            finished = parse_time(condition["lastTransitionTime"]) or now
            return max((finished + timedelta(seconds=ttl) - now).total_seconds(), 0.0)
    return None
