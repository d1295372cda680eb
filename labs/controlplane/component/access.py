"""Who asks a component's port and whether they may: both are delegated to the API server.

A client certificate of `--client-ca-file` says who; so does a token, by a TokenReview; the rest is anonymous.
A SubjectAccessReview says whether; `--authorization-always-allow-paths` are for everybody.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from labs.controlplane import klog
from labs.controlplane.client import ApiError, Client
from labs.controlplane.client.resources import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS
from labs.controlplane.flags import Flags

from .serving import Request, Response, StartError, refusal

#: How long an answer of the API server is believed, in seconds.
CACHE_SECONDS = 10.0
_VERBS = {"GET": "get", "HEAD": "get", "POST": "post", "PUT": "put", "DELETE": "delete"}


@dataclass(frozen=True)
class User:
    """Who asks."""

    name: str
    groups: tuple[str, ...]


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


class Access:
    """Lets requests pass, or says why not."""

    def __init__(self, flags: Flags, authentication: Client | None, authorization: Client | None) -> None:
        self._open = flags.words("authorization-always-allow-paths")
        for path in self._open:
            if "*" in path[:-1]:
                raise StartError(f'only trailing * allowed in "{path.lstrip("/")}"')
        self._authentication = authentication
        self._authorization = authorization
        self._allowed: dict[tuple[User, str, str], float] = {}

    async def refuse(self, request: Request) -> Response | None:
        """The refusal of a request, None when it may pass."""
        user = await self._user(request)
        if user is None:
            return refusal(401, "Unauthorized", "Unauthorized")
        if any(_matches(pattern, request.path) for pattern in self._open):
            return None
        verb = _VERBS.get(request.method, request.method.lower())
        try:
            allowed, reason = await self._may(user, verb, request.path)
        except ApiError as error:
            klog.error("webhook.go:266", f"Failed to make webhook authorizer request: {error}")
            klog.error("errors.go:86", "Unhandled Error", err=error, logger="UnhandledError")
            return Response(500, f'Internal Server Error: "{request.path}": {error}\n'.encode())
        if allowed:
            return None
        told = f'forbidden: User "{user.name}" cannot {verb} path "{request.path}"'
        return refusal(403, "Forbidden", f"{told}: {reason}" if reason else told)

    async def _user(self, request: Request) -> User | None:
        if request.foreign:
            return _nobody("x509: certificate signed by unknown authority")
        name = next((value for kind, value in request.subject if kind == "commonName"), "")
        if name:
            groups = tuple(value for kind, value in request.subject if kind == "organizationName")
            return User(name, (*groups, "system:authenticated"))
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or self._authentication is None:
            return ANONYMOUS
        review = {
            "apiVersion": TOKEN_REVIEWS.api_version,
            "kind": TOKEN_REVIEWS.kind,
            "spec": {"token": token.strip()},
        }
        try:
            status = (await self._authentication.create(TOKEN_REVIEWS, "", review)).get("status") or {}
        except ApiError as error:
            klog.error("webhook.go:154", f"Failed to make webhook authenticator request: {error}")
            return _nobody(str(error))
        if not status.get("authenticated"):
            return _nobody("invalid bearer token")
        user = status.get("user") or {}
        return User(user.get("username", ""), tuple(user.get("groups") or ()))

    async def _may(self, user: User, verb: str, path: str) -> tuple[bool, str]:
        if "system:masters" in user.groups:
            return True, ""
        if self._authorization is None:
            return False, ""
        key = (user, verb, path)
        if self._allowed.get(key, 0.0) > time.monotonic():
            return True, ""
        review = {
            "apiVersion": SUBJECT_ACCESS_REVIEWS.api_version,
            "kind": SUBJECT_ACCESS_REVIEWS.kind,
            "spec": {
                "user": user.name,
                "groups": list(user.groups),
                "nonResourceAttributes": {"path": path, "verb": verb},
            },
        }
        status = (await self._authorization.create(SUBJECT_ACCESS_REVIEWS, "", review)).get("status") or {}
        if status.get("allowed"):
            self._allowed = {k: until for k, until in self._allowed.items() if until > time.monotonic()}
            self._allowed[key] = time.monotonic() + CACHE_SECONDS
        return bool(status.get("allowed")), status.get("reason", "")


def _nobody(why: str) -> User | None:
    klog.error("authentication.go:75", "Unable to authenticate the request", err=why)
    return None


def _matches(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern
