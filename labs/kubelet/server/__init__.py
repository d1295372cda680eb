"""The kubelet's own servers: `/healthz` on localhost, and the API that `kubectl logs` comes in by.

On 10250 every request is authenticated and authorized (`access`).
"""

import asyncio
import importlib
import json
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from labs.kubelet import klog
from labs.kubelet.access import Access, Denied, User
from labs.kubelet.container_logs import LogOptions, read_log
from labs.kubelet.hostfs import HostFs
from labs.kubelet.pod.model import Pod
from labs.kubelet.runtime_status import ContainerState, State
from labs.kubelet.serving_cert import serving_certificate

if TYPE_CHECKING:
    from aiohttp import web

    from labs.kubelet.kubelet import Kubelet

OK = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: 2\r\nConnection: close\r\n\r\nok"
)
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
#: The server can wait until the static pods have been started.
AFTER_START = 1.0


async def _healthz(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        line = await asyncio.wait_for(reader.readline(), 10)
        writer.write(OK if line.split()[1:2] == [b"/healthz"] else MISSING)
        await writer.drain()
    except (TimeoutError, ConnectionError):
        return
    finally:
        writer.close()


async def serve(kubelet: "Kubelet", fs: HostFs) -> None:
    """Serve until cancelled."""
    config = kubelet.config
    if config.healthz_port:
        await asyncio.start_server(_healthz, config.healthz_bind_address, config.healthz_port)
    await asyncio.sleep(AFTER_START)
    if config.port:
        web = await asyncio.to_thread(importlib.import_module, "aiohttp.web")
        klog.info("server.go:193", "Starting to listen", address=config.address, port=config.port)
        app = KubeletServer(kubelet, fs).application(web)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, config.address, config.port, ssl_context=_tls(kubelet, fs)).start()
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()
    await asyncio.Event().wait()


def _tls(kubelet: "Kubelet", fs: HostFs) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*serving_certificate(kubelet.config, fs, kubelet.node_name, kubelet.facts.ips))
    if kubelet.config.client_ca_file:
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=fs.read_text(kubelet.config.client_ca_file))
    return context


class KubeletServer:
    """The handlers of port 10250."""

    def __init__(self, kubelet: "Kubelet", fs: HostFs) -> None:
        self._kubelet = kubelet
        self._fs = fs
        self._access = Access(kubelet.api, kubelet.node_name, kubelet.config.rules)

    def application(self, web: Any) -> "web.Application":
        """The aiohttp application."""
        self._web = web

        @web.middleware  # type: ignore[untyped-decorator]
        async def guard(
            request: "web.Request", handler: Callable[["web.Request"], Awaitable["web.StreamResponse"]]
        ) -> "web.StreamResponse":
            try:
                authorization = request.headers.get("Authorization", "")
                await self._access.admit(_certified(request), authorization, request.method, request.path)
            except Denied as denied:
                return web.Response(status=denied.status, text=str(denied))
            return await handler(request)

        app = web.Application(middlewares=[guard])
        app.router.add_get("/healthz", self._ok)
        app.router.add_get("/pods", self._pods)
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)
        return app  # type: ignore[no-any-return]

    async def _ok(self, _: "web.Request") -> "web.Response":
        return self._web.Response(text="ok")  # type: ignore[no-any-return]

    async def _pods(self, _: "web.Request") -> "web.Response":
        kubelet = self._kubelet
        items = [{**_metadata_spec(p), "status": kubelet.syncer.status_of(p)} for p in kubelet.pods()]
        body = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}
        return self._web.Response(text=json.dumps(body), content_type="application/json")  # type: ignore[no-any-return]

    async def _logs(self, request: "web.Request") -> "web.StreamResponse":
        web = self._web
        namespace, name, container = (request.match_info[k] for k in ("namespace", "pod", "container"))
        full = f"{name}_{namespace}"
        pod = next((p for p in self._kubelet.pods() if p.full_name == full), None)
        if pod is None:
            return web.Response(status=404, text=f'pod "{name}" does not exist\n')  # type: ignore[no-any-return]
        if pod.container(container) is None:
            text = f"container {container} is not valid for pod {name}"
            return web.Response(status=400, text=text)  # type: ignore[no-any-return]
        generation = self._generation(pod, container, request.query.get("previous") == "true")
        if isinstance(generation, str):
            return web.Response(status=400, text=generation)  # type: ignore[no-any-return]
        return await self._send(request, pod, container, generation)

    def _generation(self, pod: Pod, container: str, previous: bool) -> ContainerState | str:
        """The container whose log is meant, or why there is none."""
        status = self._kubelet.syncer.runtime_statuses.get(pod.uid)
        generations = status.generations(container) if status else []
        if previous:
            dead = [c for c in generations if c.state is State.EXITED]
            running = generations and generations[0].state is not State.EXITED
            wanted = dead[:1] if running else dead[1:2] or dead[:1]
            return (
                wanted[0]
                if wanted
                else f'previous terminated container "{container}" in pod "{pod.name}" not found'
            )
        if not generations:
            entries: Any = self._kubelet.syncer.status_of(pod).get("containerStatuses", ())
            waiting: dict[str, str] = next(
                (e["state"].get("waiting", {}) for e in entries if e["name"] == container), {}
            )
            reason = waiting.get("reason", "ContainerCreating")
            verb = {
                "ErrImagePull": "trying and failing to pull image",
                "ImagePullBackOff": "trying and failing to pull image",
            }
            why = verb.get(reason, f"waiting to start: {reason}")
            return f'container "{container}" in pod "{pod.name}" is {why}'
        return generations[0]

    async def _send(
        self, request: "web.Request", pod: Pod, container: str, generation: ContainerState
    ) -> "web.StreamResponse":
        path = self._kubelet.logs.path(pod, container, generation.restart_count)
        options = _options(request.query)

        def running() -> bool:
            status = self._kubelet.syncer.runtime_statuses.get(pod.uid)
            newest = status.newest(container) if status else None
            return newest is not None and newest.id == generation.id and newest.state is State.RUNNING

        response = self._web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        try:
            async for text in read_log(self._fs, path, options, running):
                await response.write(text)
        except OSError as error:
            await response.write(
                f'failed to try resolving symlinks in path "{path}": {error.strerror}\n'.encode()
            )
        await response.write_eof()
        return response  # type: ignore[no-any-return]


def _metadata_spec(pod: Pod) -> dict[str, Any]:
    return {"metadata": pod.object["metadata"], "spec": pod.object["spec"]}


def _certified(request: "web.Request") -> User | None:
    """Whom the client's certificate names: its common name, and its organizations as groups."""
    certificate = request.transport.get_extra_info("peercert") if request.transport else None
    subject = [pair for part in (certificate or {}).get("subject", ()) for pair in part]
    name = next((value for key, value in subject if key == "commonName"), "")
    groups = tuple(value for key, value in subject if key == "organizationName")
    return User(name, groups) if name else None


def _options(query: Any) -> LogOptions:
    since = None
    if query.get("sinceSeconds", "").isdigit():
        since = datetime.now(UTC) - timedelta(seconds=int(query["sinceSeconds"]))
    elif query.get("sinceTime"):
        since = datetime.fromisoformat(query["sinceTime"].replace("Z", "+00:00"))

    def number(name: str) -> int | None:
        return int(query[name]) if query.get(name, "").isdigit() else None

    return LogOptions(
        query.get("follow") == "true",
        number("tailLines"),
        since,
        query.get("timestamps") == "true",
        number("limitBytes"),
    )
