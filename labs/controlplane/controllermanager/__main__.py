"""`kube-controller-manager FLAGS`."""

from __future__ import annotations

import asyncio
import sys

from labs.controlplane import klog
from labs.controlplane.client import Informers, Object, load
from labs.controlplane.client.events import NORMAL, EventRecorder
from labs.controlplane.component import Check, Health, Metrics, Process, execute
from labs.controlplane.flags import Flags
from labs.controlplane.version import GIT_VERSION

from .configz import configuration
from .context import Controller, ControllerContext
from .controllers import CONTROLLERS
from .credentials import ServiceAccounts
from .options import FLAGS, enabled, validate

_PROGRAM = "kube-controller-manager"


def main() -> int:
    """Run until told to end; the exit status is the real one's."""
    return execute(FLAGS, validate, _run, sys.argv[1:])


async def _run(flags: Flags) -> int:
    process = Process(_PROGRAM, flags, lambda: load(flags.text("kubeconfig")))
    await process.look_up_authorities()
    klog.info("controllermanager.go:211", "Starting", version=GIT_VERSION)
    klog.info("controllermanager.go:213", '"Golang settings" GOGC="" GOMAXPROCS="" GOTRACEBACK=""')
    recorder = EventRecorder(process.client, _PROGRAM)
    process.background(recorder.run())

    own_accounts = flags.switch("use-service-account-credentials")

    async def control() -> None:
        accounts = ServiceAccounts(process.client) if own_accounts else None
        informers = Informers(process.client.named("shared-informers"))
        try:
            await _control(ControllerContext(flags, process.client, informers, recorder, accounts))
        finally:
            if accounts:
                accounts.close()

    def record(lease: Object, message: str) -> None:
        recorder.event(lease, NORMAL, "LeaderElection", message)

    checks: dict[str, Check] = {}
    work = control
    if flags.switch("leader-elect"):
        elector = process.elector(process.election, control, record)
        checks["leaderElection"] = elector.fault
        work = elector.run
    await process.serve(Health({"healthz": checks}), configuration(flags), Metrics())
    if await process.run(work):
        return 0
    klog.error("controllermanager.go:351", '"leaderelection lost"')
    return 1


async def _control(context: ControllerContext) -> None:
    """Run the controllers that are wanted, for ever."""
    controllers: dict[str, Controller] = {}
    for descriptor in CONTROLLERS:
        if enabled(descriptor, context.flags):
            controller = descriptor.make(context)
            if controller is None:
                klog.info(
                    "controllermanager.go:687", "Warning: skipping controller", controller=descriptor.name
                )
            else:
                controllers[descriptor.name] = controller
        else:
            klog.info(
                "controllermanager.go:735", "Warning: controller is disabled", controller=descriptor.name
            )
    context.informers.start()
    await context.informers.wait()
    async with asyncio.TaskGroup() as group:
        for name, controller in controllers.items():
            group.create_task(controller.run(), name=name)
        group.create_task(asyncio.Event().wait(), name="until cancelled")


if __name__ == "__main__":
    sys.exit(main())
