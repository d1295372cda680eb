"""The way of a request through the server, and the paths that are not about objects."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from labs.controlplane import klog, zpages
from labs.controlplane.http import Request, Response

from . import answers, codec, discovery, openapi, reviews, status, warnings
from .audit import Audit
from .authentication import ANONYMOUS, Authenticator
from .authorization import Modes, refusal
from .context import Context, Target, User, target_of
from .etcd import EtcdError
from .flowcontrol import FlowControl
from .handlers import Handlers
from .health import Health
from .impersonation import impersonated
from .informers import Informers
from .kubelets import starts_websocket
from .metrics import Metrics
from .resources import BY_PATH, Resource
from .subresources import Subresources
from .version import VERSION

#: A request's time unless it asks for less (`?timeout=10s`).
REQUEST_SECONDS = 60.0
#: How long a write may take.
WRITE_SECONDS = 34.0
#: Paths that are neither of kinds nor of health.
_PAGES = (
    *("/.well-known/openid-configuration", "/apis", "/apis/", "/metrics"),
    *("/openapi/v2", "/openapi/v3", "/openapi/v3/", "/openid/v1/jwks", "/version"),
)


class Server:
    """Everything behind the port."""

    def __init__(
        self,
        handlers: Handlers,
        subresources: Subresources,
        health: Health,
        audit: Audit,
        metrics: Metrics,
        authenticator: Authenticator,
        modes: Modes,
        informers: Informers,
        pages: zpages.Pages,
        address: str,
    ) -> None:
        self._modes = modes
        self._informers = informers
        self._reviews = reviews.Reviews(authenticator, modes)
        self._authenticator = authenticator
        self._handlers = handlers
        self._subresources = subresources
        self._health = health
        self._audit = audit
        self._metrics = metrics
        self._pages = pages
        self._address = address
        self._flow_control = FlowControl()

    async def handle(self, request: Request) -> Response:
        """Answer a request; whatever goes wrong becomes a Status."""
        received = datetime.now(UTC)
        ctx = Context(request, ANONYMOUS, target_of(request))
        failure: dict[str, Any] | None = None
        refused: status.APIError | None = None
        try:
            ctx.user = await self._authenticated(request)
        except status.APIError as error:
            ctx.user, refused = NOBODY, error
        entry = await self._audit.begin(ctx, received)
        try:
            if refused is not None:
                raise refused
            response = await self._answer(ctx)
        except status.APIError as error:
            failure = error.status()
            response = codec.respond(error.code, failure, error.headers)
        if told := warnings.header(ctx.warnings):
            response.headers["Warning"] = told
        self._metrics.count(ctx.target, response.status)
        return answers.present(request, await entry.answered(response, failure))

    async def _authenticated(self, request: Request) -> User:
        try:
            async with asyncio.timeout(_seconds(request)):
                return await self._authenticator.authenticate(request)
        except TimeoutError as error:
            raise status.Overdue from error
        except EtcdError as error:
            raise status.no_status(repr(error), str(error)) from error

    async def _answer(self, ctx: Context) -> Response:
        try:
            await self._authorize(ctx)
            if "//" in ctx.request.path:
                return codec.no_page()
            if not ctx.target.is_resource:
                return await self._path(ctx)
            async with asyncio.timeout(_seconds(ctx.request)):
                return await self._object_in_time(ctx)
        except TimeoutError as error:
            raise status.Overdue from error
        except EtcdError as error:
            raise status.no_status(repr(error), str(error)) from error
        except status.APIError:
            raise
        except Exception as error:
            klog.error(
                "wrap.go:57",
                "apiserver panic'd",
                method=ctx.request.method,
                URI=ctx.request.target,
                err=repr(error),
            )
            raise status.internal(repr(error)) from error

    async def _object_in_time(self, ctx: Context) -> Response:
        """A write may take less long than a request (`requestTimeoutUpperBound`)."""
        if ctx.request.method in ("GET", "HEAD"):
            return await self._object(ctx)
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                return await self._object(ctx)
        except TimeoutError as error:
            raise status.timeout() from error

    async def _authorize(self, ctx: Context) -> None:
        """Let the request pass, perhaps as somebody else's. Raises a 403 otherwise."""
        await self._informers.settled()
        if other := impersonated(ctx.request, ctx.user, ctx.target, self._modes):
            ctx.impersonator, ctx.user = ctx.user, other
        self._permit(ctx, ctx.target)
        ctx.permit = lambda verb: self._permit(ctx, replace(ctx.target, verb=verb), told=False)

    def _permit(self, ctx: Context, target: Target, *, told: bool = True) -> None:
        """Let it pass, or not; the audit trail is `told`."""
        verdict = self._modes.authorize(ctx.user, target)
        if told:
            ctx.decision = ("allow" if verdict.allowed else "forbid", verdict.reason)
        if not verdict.allowed:
            raise refusal(ctx.user, target, verdict.reason)

    async def _object(self, ctx: Context) -> Response:
        target = ctx.target
        if reviews.is_review(target):
            return await self._reviews.answer(ctx)
        resource = BY_PATH.get((target.group, target.version, target.resource))
        if (
            resource is None
            or (target.rest and target.subresource != "proxy")
            or (target.namespace and not _may_have_namespace(resource, target))
        ):
            raise status.page_not_found()
        if target.subresource:
            sub = resource.subresource(target.subresource)
            if sub is None:
                raise status.page_not_found()
            if target.verb not in sub.verbs:
                raise status.method_not_allowed()
            if target.verb == "get" and starts_websocket(ctx):
                # looking is no doing: `AuthorizePodWebsocketUpgradeCreatePermission`
                self._permit(ctx, replace(target, verb="create"))
            response = await self._subresources.serve(ctx, resource)
            if response is not None:
                return response
        elif resource.namespaced and not target.namespace and target.verb not in ("list", "watch"):
            raise status.method_not_allowed()
        if resource.deprecated and target.verb in (*resource.verbs, "watch"):
            told = f"{resource.group_version} {resource.kind} is deprecated in {resource.deprecated}"
            ctx.warnings.append(told)
        async with self._flow_control.seat(target):
            return await self._handlers.serve(ctx, resource)

    async def _path(self, ctx: Context) -> Response:
        request, parts = ctx.request, ctx.request.path.strip("/").split("/")
        if parts[0] in ("livez", "readyz", "healthz"):
            return await self._health.answer(request)
        if request.path in zpages.PATHS:
            return self._page(request)
        if request.method != "GET":
            raise status.method_not_allowed()
        document: dict[str, Any] | None = None
        match parts:
            case [".well-known", "openid-configuration"]:
                return _public(self._authenticator.issuer.configuration(self._address))
            case ["openid", "v1", "jwks"]:
                return _public(self._authenticator.issuer.key_set(), "application/jwk-set+json")
            case ["version"]:
                answers.check_accepted(request, ("application/json",))
                return codec.respond_encoded(200, answers.in_lines(VERSION))
            case ["metrics"]:
                return self._metrics.exposition()
            case ["api" | "apis" as root] if _wants_aggregated(request):
                headers = {"Content-Type": discovery.AGGREGATED, "Vary": "Accept"}
                return codec.respond(200, discovery.aggregated(core=root == "api"), headers)
            case ["api"]:
                document = discovery.core_versions(self._address)
            case ["apis"]:
                document = discovery.group_list()
            case ["api", version]:
                document = _known(discovery.resource_list("", version))
            case ["apis", group]:
                document = discovery.group(group)
            case ["apis", group, version] if discovery.group(group):
                document = _known(discovery.resource_list(group, version))
            case ["openapi", "v2"]:
                return codec.respond_encoded(200, openapi.v2())
            case ["openapi", "v3"]:
                return codec.respond_encoded(200, openapi.v3_index())
            case ["openapi", "v3", *path]:
                if (body := openapi.v3("/".join(path))) is not None:
                    return codec.respond_encoded(200, body)
            case [""]:
                return codec.respond_encoded(200, answers.in_lines({"paths": self._paths()}))
        if document is None:
            return codec.no_page()
        answers.check_accepted(request)
        return codec.respond(200, document)

    def _page(self, request: Request) -> Response:
        try:
            page = self._pages.page(request.path, request.headers.get("accept", ""))
        except zpages.NotAcceptable as error:
            raise status.not_acceptable(zpages.OFFERED) from error
        return Response(200, page.body, dict(page.headers))

    def _paths(self) -> list[str]:
        """What the root lists."""
        groups = [f"/apis/{group}" for group, _ in discovery.group_versions() if group]
        versions = [f"/apis/{group}/{version}" for group, version in discovery.group_versions() if group]
        return sorted(["/api", "/api/v1", *groups, *versions, *self._health.paths, *_PAGES, *zpages.PATHS])


def _public(document: dict[str, Any] | None, kind: str = "application/json") -> Response:
    """What other programs may keep for an hour, in one line."""
    if document is None:
        return codec.no_page()
    headers = {"Content-Type": kind, "Cache-Control": "public, max-age=3600"}
    return Response(200, codec.dump(document).rstrip(), headers)


def _known(document: dict[str, Any] | None) -> dict[str, Any]:
    """Raises a 404 for a version that a group has not."""
    if document is None:
        raise status.page_not_found()
    return document


def _may_have_namespace(resource: Resource, target: Target) -> bool:
    return resource.namespaced or (resource.plural == "namespaces" and target.namespace == target.name)


def _wants_aggregated(request: Request) -> bool:
    return any(
        choice.get("as") == "APIGroupDiscoveryList" and choice.get("v") == "v2"
        for choice in codec.accepted(request)
    )


def _seconds(request: Request) -> float:
    text = request.argument("timeout")
    unit = {"ms": 0.001, "s": 1.0, "m": 60.0}
    for suffix, factor in unit.items():
        number = text.removesuffix(suffix)
        if number != text and number.replace(".", "", 1).isdigit():
            return min(float(number) * factor, REQUEST_SECONDS) or REQUEST_SECONDS
    return REQUEST_SECONDS


#: Who could not be authenticated, for the audit trail.
NOBODY = User("", ())
