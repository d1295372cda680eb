"""Who may use the kubelet's own API (`pkg/kubelet/server/auth.go`): the API server is asked, as a webhook.

A client certificate of the cluster's CA names its user; a bearer token is reviewed by the API server; who has
neither is anonymous, where that is allowed. What a user may do the API server says, too, on `nodes/proxy`
or a finer subresource; its answers are kept for a while.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from labs.kubelet import klog
from labs.kubelet.api_client import ApiError

VERBS = {"POST": "create", "GET": "get", "HEAD": "", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
#: The first that matches; `proxy` is all else.
FINE = {"/pods": "pods", "/healthz": "healthz", "/configz": "configz", "/runningpods": "pods"}
OWN = {"/stats": "stats", "/metrics": "metrics", "/logs": "log", "/checkpoint": "checkpoint"}
#: Logged of credentials that are no good.
UNABLE = "Unable to authenticate the request due to an error"
REVIEWS = "/apis/{}.k8s.io/v1/{}"


class Api(Protocol):
    """What asking needs of the API."""

    async def request(
        self, method: str, path: str, body: object = None, content_type: str = ""
    ) -> dict[str, Any]: ...


@dataclass(frozen=True)
class User:
    """Who asks."""

    name: str
    groups: tuple[str, ...] = ()


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


@dataclass(frozen=True)
class Rules:
    """`authentication` and `authorization` of the KubeletConfiguration; times in seconds."""

    anonymous: bool = False
    webhook: bool = True
    mode: str = "Webhook"
    token_ttl: float = 120.0
    allowed_ttl: float = 300.0
    denied_ttl: float = 30.0


class Denied(Exception):
    """The request is refused; `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Cache:
    """Answers, each for its own time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._kept: dict[Any, tuple[float, Any]] = {}

    def get(self, key: Any) -> Any:
        until, answer = self._kept.get(key, (0.0, None))
        return answer if self._now() < until else None

    def put(self, key: Any, answer: Any, ttl: float) -> None:
        now = self._now()
        self._kept = {k: v for k, v in self._kept.items() if now < v[0]}
        self._kept[key] = (now + ttl, answer)


class Access:
    """Lets requests pass, or not."""

    def __init__(
        self, api: Api | None, node_name: str, rules: Rules, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._api = api
        self._node_name = node_name
        self._rules = rules
        self._tokens, self._decisions = _Cache(now), _Cache(now)

    async def admit(self, certified: User | None, authorization: str, method: str, path: str) -> User:
        """The user of a request that may pass. Raises Denied."""
        user = await self._authenticate(certified, authorization)
        if self._rules.mode != "AlwaysAllow":
            await self._authorize(user, VERBS.get(method, ""), path)
        return user

    async def _authenticate(self, certified: User | None, authorization: str) -> User:
        if certified is not None:
            return User(certified.name, (*certified.groups, "system:authenticated"))
        scheme, _, token = authorization.partition(" ")
        if self._rules.webhook and scheme.lower() == "bearer" and token.strip():
            user = await self._review(token.strip())
            if user is not None:
                return user
        elif self._rules.anonymous:
            return ANONYMOUS
        raise Denied(401, "Unauthorized")

    async def _review(self, token: str) -> User | None:
        if self._api is None:
            return None
        known: User | None = self._tokens.get(token)
        if known is not None:
            return known
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        path = REVIEWS.format("authentication", "tokenreviews")
        try:
            status = (await self._api.request("POST", path, body)).get("status", {})
        except ApiError as error:
            klog.error("server.go:376", UNABLE, error)
            return None
        if not status.get("authenticated"):
            klog.error("server.go:376", UNABLE, "invalid bearer token")
            return None
        named = status.get("user", {})
        user = User(named.get("username", ""), tuple(named.get("groups", ())))
        self._tokens.put(token, user, self._rules.token_ttl)
        return user

    async def _authorize(self, user: User, verb: str, path: str) -> None:
        parts = subresources(path)
        for part in parts:
            if await self._allowed(user, verb, part):
                return
        shown = " ".join(parts)
        klog.info("server.go:414", "Forbidden", v=2, user=user.name, verb=verb, resource="nodes")
        raise Denied(
            403, f"Forbidden (user={user.name}, verb={verb}, resource=nodes, subresource(s)=[{shown}])\n"
        )

    async def _allowed(self, user: User, verb: str, subresource: str) -> bool:
        if self._api is None:
            return False
        key = (user, verb, subresource)
        known: bool | None = self._decisions.get(key)
        if known is not None:
            return known
        attributes = {
            "verb": verb, "version": "v1", "resource": "nodes", "subresource": subresource,
            "name": self._node_name,
        }  # fmt: skip
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": user.name, "groups": list(user.groups), "resourceAttributes": attributes},
        }
        try:
            path = REVIEWS.format("authorization", "subjectaccessreviews")
            answer = (await self._api.request("POST", path, body)).get("status", {})
        except ApiError as error:
            where = f"user={user.name}, verb={verb}, resource=nodes, subresource={subresource}"
            klog.error("server.go:394", "Authorization error", error, user=user.name, verb=verb)
            raise Denied(500, f"Authorization error ({where})") from None
        allowed = bool(answer.get("allowed"))
        self._decisions.put(key, allowed, self._rules.allowed_ttl if allowed else self._rules.denied_ttl)
        return allowed


def _below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")


def subresources(path: str) -> list[str]:
    """What of `nodes` a path stands for; any one that is allowed will do."""
    fine = [name for prefix, name in FINE.items() if _below(path, prefix)][:1]
    own = next((name for prefix, name in OWN.items() if _below(path, prefix)), "proxy")
    return [*fine, own]
