"""`kube-controller-manager FLAGS`."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace

from labs.controlplane import klog
from labs.controlplane.client import Informers, Object, RestConfig, from_flags
from labs.controlplane.client.events import NORMAL, EventRecorder
from labs.controlplane.component import Check, Health, Metrics, Panic, Process, StartError, execute, ok
from labs.controlplane.flags import Flags
from labs.controlplane.version import GIT_VERSION

from .building import CHECKS
from .checks import validate
from .configz import configuration
from .context import BuildError, Controller, ControllerContext
from .controllers import CONTROLLERS
from .credentials import ServiceAccounts
from .options import FLAGS, is_enabled

_PROGRAM = "kube-controller-manager"
#: It leaves SIGTERM to Go's runtime, and so ends by it.
_TERMINATED = 128 + 15


def main() -> int:
    """Run until told to end; the exit status is the real one's."""
    return execute(FLAGS, validate, _run, sys.argv[1:])


async def _run(flags: Flags) -> int:
    def config() -> RestConfig:
        return from_flags(flags.text("kubeconfig"), flags.text("master"))

    process = Process(_PROGRAM, flags, config, client_first=True)
    await process.look_up_authorities()
    klog.info("controllermanager.go:211", "Starting", version=GIT_VERSION)
    klog.info("controllermanager.go:213", '"Golang settings" GOGC="" GOMAXPROCS="" GOTRACEBACK=""')
    recorder = EventRecorder(process.client, _PROGRAM)
    process.background(recorder.run())

    own_accounts = flags.switch("use-service-account-credentials")
    checks: dict[str, Check] = {}

    async def control() -> None:
        accounts = ServiceAccounts(process.client) if own_accounts else None
        informers = Informers(process.client.named("shared-informers"))
        try:
            await _control(ControllerContext(flags, process.client, informers, recorder, accounts), checks)
        finally:
            if accounts:
                accounts.close()

    def record(lease: Object, message: str) -> None:
        recorder.event(lease, NORMAL, "LeaderElection", message)

    work, elector = control, None
    if flags.switch("leader-elect"):
        elector = process.elector(process.election, control, record)
        checks["leaderElection"] = elector.fault
        work = elector.run
    process.serve(Health({"healthz": checks}), configuration(flags), Metrics())
    if elector is not None and process.election.fault:
        raise Panic(process.election.fault)
    try:
        if await process.run(work):
            return _TERMINATED
    except BuildError as error:
        if elector is None:
            raise StartError(str(error)) from None
    klog.error("controllermanager.go:440", '"leaderelection lost/stopped"')
    return 1


async def _control(context: ControllerContext, checks: dict[str, Check]) -> None:
    """Run the controllers that are wanted, for ever; each begins when it knows the kinds that it works on."""
    controllers: dict[str, tuple[Controller, Informers]] = {}
    try:
        for name, check in CHECKS:
            if name == CHECKS[0][0] or is_enabled(name, context.flags):
                check(context.flags)
    except BuildError as error:
        klog.error("controllermanager.go:683", "Error initializing a controller", err=error, controller=name)
        klog.error("controllermanager.go:296", "Error building controllers", err=error)
        raise
    for descriptor in CONTROLLERS:
        if not is_enabled(descriptor.name, context.flags, by_default=not descriptor.disabled_by_default):
            klog.info(
                "controllermanager.go:735", "Warning: controller is disabled", controller=descriptor.name
            )
            continue
        informers = context.informers.scoped()
        controller = descriptor.make(replace(context, informers=informers))
        if controller is None:
            klog.info("controllermanager.go:687", "Warning: skipping controller", controller=descriptor.name)
        else:
            controllers[descriptor.name] = controller, informers
            checks[descriptor.name] = ok
    context.informers.start()
    async with asyncio.TaskGroup() as group:
        for name, (controller, informers) in controllers.items():
            group.create_task(_begin(controller, informers), name=name)
        group.create_task(asyncio.Event().wait(), name="until cancelled")


async def _begin(controller: Controller, informers: Informers) -> None:
    await informers.wait()
    await controller.run()


if __name__ == "__main__":
    sys.exit(main())
