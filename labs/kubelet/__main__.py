"""`kubelet`: reads flags and configuration, meets the runtime, and runs until told to stop."""

import asyncio
import os
import signal
import socket
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from labs.errors import LabsError
from labs.kubelet import bootstrap, klog, startup
from labs.kubelet.config import ConfigError, KubeletConfig
from labs.kubelet.flags import config_fields, parse
from labs.kubelet.hostfs import HostFs, reason_of
from labs.kubelet.server import CannotListen

if TYPE_CHECKING:
    from labs.kubelet.cri import Cri

VERSION = "v1.36.2"
#: Set where the runtime was started before this kubelet, and may not be listening yet.
RUNTIME_STARTED = "CKS_RUNTIME_STARTED"
RUNTIME_PATIENCE = 10.0


def _configuration(fs: HostFs, argv: list[str]) -> KubeletConfig:
    settings, warnings = parse(argv)
    for warning in warnings:
        sys.stderr.write(warning + "\n")
    klog.verbosity = settings["v"] or 0
    config = KubeletConfig.without_file()
    if path := settings["config"]:
        try:
            config = KubeletConfig.from_file(fs.read_bytes(path), path)
        except OSError as error:
            why = f"open {path}: {reason_of(error)}"
            raise ConfigError(
                f"failed to load kubelet config file, path: {path}, error: failed to load Kubelet config "
                f"file {path}, "
                f'error failed to read kubelet config file "{path}", error: {why}'
            ) from None
    return config.with_flags(config_fields(settings))


async def run(config: KubeletConfig, fs: HostFs) -> None:
    """The kubelet, from meeting the runtime to SIGTERM."""
    from labs.kubelet.cri import Cri, CriError
    from labs.kubelet.metrics import KubeletMetrics

    klog.info("server.go:545", "Kubelet version", kubeletVersion=VERSION)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    client = None
    if config.kubeconfig:
        from labs.kubelet.api_client import ApiClient

        paths = config.kubeconfig, config.bootstrap_kubeconfig
        client = ApiClient(*bootstrap.load(*paths, fs.read_bytes, datetime.now(UTC)))
    startup.check(config, fs.read_bytes)
    metrics = KubeletMetrics()
    endpoint, patience = config.container_runtime_endpoint, config.runtime_request_timeout
    cri = Cri(endpoint, patience, metrics.runtime_operation)
    try:
        starting = os.environ.get(RUNTIME_STARTED)
        version = await (cri.wait_until_up(RUNTIME_PATIENCE) if starting else cri.version())
    except CriError as error:
        if error.code == "Unavailable":
            target = f'{{Addr: "{endpoint.removeprefix("unix://")}", ServerName: "localhost", }}'
            channel = "[core] [Channel #1 SubChannel #2] grpc: addrConn.createTransport failed to connect to"
            klog.plain("W", "logging.go:55", f"{channel} {target}. Err: {error.details}")
        raise ConfigError(
            f"failed to run Kubelet: validate service connection: validate CRI v1 runtime API for "
            f'endpoint "{endpoint}": {error}'
        ) from None
    config = replace(config, cgroup_driver=await _cgroup_driver(cri, config))
    klog.info(
        "kuberuntime_manager.go:308", "Container runtime initialized", containerRuntime=version.runtime_name,
        version=version.runtime_version, apiVersion=version.runtime_api_version,
    )  # fmt: skip
    from labs.kubelet.kubelet import Kubelet, Surroundings

    name = (config.hostname_override or socket.gethostname()).lower()
    kubelet = Kubelet(
        Surroundings(config, fs, cri, client, name, lambda: datetime.now(UTC), metrics), version
    )
    klog.info("server.go:1291", "Started kubelet")
    from labs.kubelet.server import serve

    main = asyncio.create_task(kubelet.run())
    serving = asyncio.create_task(serve(kubelet, fs))
    stopping = asyncio.create_task(stop.wait())
    tasks: set[asyncio.Task[Any]] = {main, serving, stopping}
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in (main, serving):
        task.cancel()
    await asyncio.gather(main, serving, return_exceptions=True)
    await kubelet.close()
    if client is not None:
        await client.close()
    await cri.close()
    for task in done - {stopping}:
        task.result()


async def _cgroup_driver(cri: "Cri", config: KubeletConfig) -> str:
    """The runtime's word counts; an older runtime has none (`getCgroupDriverFromCRI`)."""
    driver = await cri.cgroup_driver()
    if driver:
        message = "Using cgroup driver setting received from the CRI runtime"
        klog.info("server.go:1454", message, cgroupDriver=driver)
        return driver
    klog.info(
        "server.go:1431",
        "CRI implementation should be updated to support RuntimeConfig. Falling back to using cgroupDriver "
        "from kubelet config.",
    )
    return config.cgroup_driver


def main() -> int:
    """Exit status 0 when stopped, 1 when the kubelet cannot run, 2 for a wrong call."""
    try:
        fs = HostFs(os.environ.get("HOST_ROOT", "/"))
        asyncio.run(run(_configuration(fs, sys.argv[1:]), fs))
    except LabsError as error:
        klog.error("run.go:72", "command failed", str(error))
        return error.status
    except CannotListen:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
