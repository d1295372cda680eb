"""`kube-scheduler FLAGS`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from socket import gethostname

from labs.controlplane import klog
from labs.controlplane.client import ApiError, Client, Informers, Object, RestConfig, from_flags
from labs.controlplane.client.events import NORMAL, EventRecorder, Recorder, SeriesRecorder
from labs.controlplane.client.resources import EVENTS
from labs.controlplane.component import Check, Gauge, Health, Metrics, Process, StartError, execute, ok
from labs.controlplane.flags import Flags
from labs.controlplane.version import GIT_VERSION

from .config import Configuration
from .options import FLAGS
from .scheduler import Scheduler

_PROGRAM = "kube-scheduler"


def main() -> int:
    """Run until told to end; the exit status is the real one's."""
    return execute(FLAGS, lambda flags: (), _run, sys.argv[1:])


async def _run(flags: Flags) -> int:
    read: list[Configuration] = []

    def config() -> RestConfig:
        read.append(Configuration.of(flags))
        found = from_flags(read[0].kubeconfig, flags.text("master"))
        if fault := _lock_fault(flags):
            raise StartError(f"couldn't create resource lock: {fault}")
        return found

    process = Process(_PROGRAM, flags, config)
    configuration = read[0]
    await process.look_up_authorities()
    klog.info("server.go:183", "Starting Kubernetes Scheduler", version=GIT_VERSION)
    klog.info("server.go:185", '"Golang settings" GOGC="" GOMAXPROCS="" GOTRACEBACK=""')
    client = process.client.named("scheduler")
    informers = Informers(client)
    recorders = await _recorders(client, configuration)
    for recorder in recorders.values():
        process.background(recorder.run())
    scheduler = Scheduler(client, informers, configuration, recorders)

    def record(lease: Object, message: str) -> None:
        first = next(iter(recorders.values()))
        first.act(lease, NORMAL, "LeaderElection", "", message)

    work, elector = scheduler.run, None
    checks: dict[str, Check] = {}
    if configuration.leader_elect:
        election = configuration.election(process.identity)
        if election.fault:
            raise StartError(f"couldn't create leader elector: {election.fault}")
        elector = process.elector(election, scheduler.run, record)
        checks["leaderElection"] = elector.fault
        work = elector.run

    async def wait_and_work() -> None:
        # the leader must know the cluster before it leads
        await informers.wait()
        await work()

    def synced() -> str:
        return "" if informers.synced else "waiting for handlers to sync"

    health = Health(
        {
            "healthz": checks,
            "livez": {"ping": ok},
            "readyz": {**checks, "shutdown": ok, "sched-handler-sync": synced},
        }
    )
    process.serve(health, {"componentconfig": configuration.document()}, _metrics(scheduler))
    informers.start()
    if await process.run(wait_and_work, release=elector.release if elector else None):
        klog.info("server.go:334", '"Requested to terminate, exiting"')
        return 0
    klog.error("server.go:338", '"Leaderelection lost"')
    return 1


def _lock_fault(flags: Flags) -> str:
    """What `resourcelock.New` says of `--leader-elect-resource-lock`."""
    lock = flags.text("leader-elect-resource-lock")
    if not flags.switch("leader-elect") or lock == "leases":
        return ""
    if lock in ("endpoints", "configmaps"):
        return f"{lock} lock is removed, migrate to leases"
    return f"Invalid lock-type {lock}"


async def _recorders(client: Client, configuration: Configuration) -> Mapping[str, Recorder]:
    """Writers of events.k8s.io events, or of core ones where the API server does not say it has them."""
    names = [profile.name for profile in configuration.profiles]
    try:
        await client.request("GET", f"/apis/{EVENTS.group}/{EVENTS.version}")
    except ApiError:
        return {name: EventRecorder(client, name, logged=False) for name in names}
    return {name: SeriesRecorder(client, name, f"{name}-{gethostname()}") for name in names}


def _metrics(scheduler: Scheduler) -> Metrics:
    return Metrics(
        Gauge(
            "scheduler_pending_pods",
            "Number of pending pods, by the queue type.",
            lambda: {(("queue", name),): count for name, count in scheduler.queue.counts().items()},
        ),
        Gauge(
            "scheduler_schedule_attempts_total",
            "Number of attempts to schedule pods, by the result.",
            lambda: {(("result", name),): count for name, count in scheduler.attempts.items()},
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
