"""A running component: its client, its port, its leadership, and how it ends.

The order of the steps, and of their log lines, is the real components'.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from labs.controlplane import klog, zpages
from labs.controlplane.client import (
    ApiError,
    Client,
    Election,
    Handler,
    Informer,
    KubeconfigError,
    LeaderElector,
    Object,
    RestConfig,
    load,
)
from labs.controlplane.client.resources import CONFIG_MAPS
from labs.controlplane.flags import Flags
from labs.controlplane.version import user_agent

from .access import Access
from .health import Health
from .metrics import Metrics
from .serving import JSON, Request, Response, SecureServing, StartError, not_found, own_certificate, refusal

_AUTHENTICATION = ("kube-system", "extension-apiserver-authentication")
_DELEGATED_AUTHENTICATION = "failed to get delegated authentication kubeconfig: "
_NOT_LOOKED_UP = (
    (368, "client-ca-file", "client certificate"),
    (392, "requestheader-client-ca-file", "request-header client certificate"),
)
_CONTROLLER_OF_AUTHORITIES = "k8s.io/apiserver/pkg/server/dynamiccertificates/configmap_cafile_content.go:209"


class Process:
    """One component's process. Making it raises `StartError` or `KubeconfigError`."""

    def __init__(
        self, program: str, flags: Flags, config: Callable[[], RestConfig], *, client_first: bool = False
    ) -> None:
        """`client_first`: the client is made before those that its port needs, which tells what is wrong."""
        self.program, self.flags = program, flags
        # in this order the real ones tell what is wrong
        pem = own_certificate(flags)
        rest = config()
        if client_first:
            self.client = Client(rest, user_agent(program))
        if flags.number("kube-api-burst") <= 0 < float(flags.text("kube-api-qps")):
            why = "when RateLimiter is not set and QPS is set to greater than 0"
            raise StartError(f"burst is required to be greater than 0 {why}")
        self._serving = SecureServing.of(flags, pem)
        self._access = Access(flags, *self._delegates())
        klog.error("options.go:205", "The manifest file is empty, ignoring.")
        if not client_first:
            self.client = Client(rest, user_agent(program))
        self.identity = f"{socket.gethostname()}_{uuid.uuid4()}"
        self._tasks: list[asyncio.Task[None]] = []
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def election(self) -> Election:
        """What the flags of leader election say."""
        return Election(
            self.flags.text("leader-elect-resource-namespace"),
            self.flags.text("leader-elect-resource-name"),
            self.identity,
            self.flags.seconds("leader-elect-lease-duration"),
            self.flags.seconds("leader-elect-renew-deadline"),
            self.flags.seconds("leader-elect-retry-period"),
        )

    @property
    def _looks_up(self) -> bool:
        given = self.flags.text("client-ca-file") or not self.flags.text("authentication-kubeconfig")
        return not given and not self.flags.switch("authentication-skip-lookup")

    async def look_up_authorities(self) -> None:
        """Without --client-ca-file the authority of clients is the cluster's own, told by a ConfigMap."""
        if not self._looks_up:
            return
        try:
            self._trust(await self.client.request("GET", CONFIG_MAPS.path(*_AUTHENTICATION), timeout=10))
        except ApiError as error:
            told = f"Error looking up in-cluster authentication configuration: {error}"
            klog.warning("authentication.go:397", told)
            klog.warning(
                "authentication.go:398",
                "Continuing without authentication configuration. This may treat all requests as anonymous.",
            )
            klog.warning(
                "authentication.go:399",
                "To require authentication configuration lookup to succeed, set "
                "--authentication-tolerate-lookup-failure=false",
            )

    def serve(self, health: Health, configz: Mapping[str, Any], metrics: Metrics) -> None:
        """Open the port."""
        if self._serving is None:
            return
        self._follow_authorities()
        pages = zpages.Pages(
            self.program, self.flags.written(), [*health.paths, "/configz", "/flagz", "/metrics"]
        )

        async def answer(request: Request) -> Response:
            if refused := await self._access.refuse(request):
                return refused
            if health.answers(request.path):
                return health.answer(request)
            if request.path in zpages.PATHS:
                return _page(pages, request)
            match request.path:
                case "/metrics":
                    kind = {"content-type": "text/plain; version=0.0.4; charset=utf-8"}
                    return Response(200, metrics.text().encode(), kind)
                case "/configz":
                    return Response(200, json.dumps(configz, separators=(",", ":")).encode(), dict(JSON))
            return not_found()

        self._serving.serve(answer)

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Have `work` run beside; if it raises, the process ends by it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.append(task)
        task.add_done_callback(self._ended)

    async def run(
        self,
        work: Callable[[], Awaitable[None]],
        release: Callable[[], Awaitable[None]] | None = None,
    ) -> bool:
        """Work until told to end by a signal (True) or until the work ends by itself (False).

        At the end, `release` lets go of what others wait for.
        """
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        working, stopping = asyncio.ensure_future(work()), asyncio.ensure_future(stop.wait())
        try:
            awaited: set[asyncio.Future[Any]] = {working, stopping, self._broken}
            done, _ = await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await _cancel([working, stopping, *self._tasks])
            if release is not None:
                await release()
            self.client.close()
        return stop.is_set()

    def elector(
        self, election: Election, lead: Callable[[], Awaitable[None]], record: Callable[[Object, str], None]
    ) -> LeaderElector:
        """A candidate for the leadership."""
        return LeaderElector(self.client.named("leader-election"), election, lead=lead, record=record)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._broken.done():
            self._broken.set_exception(error)

    def _delegates(self) -> tuple[Client | None, Client | None]:
        """Who asks the API server who somebody is, and what he may."""
        authentication = self.flags.text("authentication-kubeconfig")
        if not authentication:
            for line, flag, kind in _NOT_LOOKED_UP:
                if not self.flags.text(flag):
                    klog.warning(
                        f"authentication.go:{line}",
                        f"No authentication-kubeconfig provided in order to lookup {flag} in"
                        f" configmap/{_AUTHENTICATION[1]} in kube-system, so {kind} authentication "
                        "won't work.",
                    )
        wrong = _DELEGATED_AUTHENTICATION
        who = self._delegate(authentication, wrong * 2, wrong)
        authorization = self.flags.text("authorization-kubeconfig")
        if not authorization:
            klog.warning(
                "authorization.go:197",
                "No authorization-kubeconfig provided, so SubjectAccessReview of authorization tokens "
                "won't work.",
            )
        return who, self._delegate(authorization, "failed to get delegated authorization kubeconfig: ")

    def _delegate(self, path: str, unread: str, unusable: str = "") -> Client | None:
        """A client of its own; the file may be unread, or what it says unusable."""
        prefix = unread
        try:
            if not path:
                return None
            config = load(path)
            prefix = unusable
            return Client(config, user_agent(self.program))
        except KubeconfigError as error:
            raise StartError(f"{prefix}{error}") from None

    def _follow_authorities(self) -> None:
        """Trust whom the ConfigMap names, also later."""
        if path := self.flags.text("client-ca-file"):
            front = self.flags.text("requestheader-client-ca-file")
            for name, file in (("request-header", front), ("client-ca-bundle", path)):
                if file:
                    klog.info("dynamic_cafile_content.go:161", "Starting controller", name=f"{name}::{file}")
            return
        if not self._looks_up:
            return
        namespace, name = _AUTHENTICATION
        title = f"client-ca::{namespace}::{name}::client-ca-file"
        klog.info("configmap_cafile_content.go:205", "Starting controller", name=title)
        klog.info("shared_informer.go:402", '"Waiting for caches to sync"')
        informer = Informer(
            self.client,
            CONFIG_MAPS,
            namespace=namespace,
            selectors={"fieldSelector": f"metadata.name={name}"},
            reflector=_CONTROLLER_OF_AUTHORITIES,
        )
        informer.subscribe(Handler(self._trust, lambda _, new: self._trust(new)))
        self.background(informer.run())

        async def tell() -> None:
            await informer.wait()
            klog.info("shared_informer.go:409", '"Caches are synced"')

        self.background(tell())

    def _trust(self, config_map: Object) -> None:
        authorities = (config_map.get("data") or {}).get("client-ca-file", "")
        if authorities and self._serving is not None:
            self._serving.trust(authorities)


def _page(pages: zpages.Pages, request: Request) -> Response:
    try:
        page = pages.page(request.path, request.headers.get("accept", ""))
    except zpages.NotAcceptable as error:
        return refusal(406, "NotAcceptable", str(error))
    return Response(200, page.body, {name.lower(): value for name, value in page.headers.items()})


async def _cancel(tasks: list[asyncio.Future[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
