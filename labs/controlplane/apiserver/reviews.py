"""Questions about who somebody is and what they may do; answered and never stored.

`TokenReview`, `SubjectAccessReview` and `SelfSubjectAccessReview`, as kubelets ask them.
"""

from __future__ import annotations

from typing import Any

from labs.controlplane.http import Response

from . import codec, status
from .authentication import Authenticator, TokenError, aggregate
from .authorization import authorize
from .context import Context, Target, User

AUTHENTICATION, AUTHORIZATION = "authentication.k8s.io", "authorization.k8s.io"
KINDS = {
    (AUTHENTICATION, "tokenreviews"): "TokenReview",
    (AUTHORIZATION, "subjectaccessreviews"): "SubjectAccessReview",
    (AUTHORIZATION, "selfsubjectaccessreviews"): "SelfSubjectAccessReview",
}


def is_review(target: Target) -> bool:
    """Whether a request is such a question."""
    return target.version == "v1" and (target.group, target.resource) in KINDS


async def answer(ctx: Context, authenticator: Authenticator) -> Response:
    """The question with its answer in `status`. Raises `APIError` for what is no question."""
    target = ctx.target
    if target.verb != "create":
        raise status.method_not_allowed()
    review = codec.read_object(ctx.request)
    ctx.request_object = review
    kind = KINDS[target.group, target.resource]
    if review.get("kind", kind) != kind:
        raise status.bad_request(f'{review["kind"]} in version "v1" cannot be handled as a {kind}')
    spec = review.get("spec") or {}
    if kind == "TokenReview":
        found = await _owner(authenticator, spec)
    elif kind == "SelfSubjectAccessReview":
        found = _access(ctx.user, spec)
    else:
        found = _access(User(spec.get("user", ""), tuple(spec.get("groups") or ())), spec)
    shown = {
        "kind": kind,
        "apiVersion": target.group_version,
        "metadata": review.get("metadata") or {},
        "spec": spec,
        "status": found,
    }
    ctx.response_object = shown
    return codec.respond(201, shown)


async def _owner(authenticator: Authenticator, spec: dict[str, Any]) -> dict[str, Any]:
    try:
        owner = await authenticator.token_owner(spec.get("token", ""), tuple(spec.get("audiences") or ()))
    except TokenError as error:
        return {"user": {}, "error": aggregate(error.args)}
    user = owner.user
    shown: dict[str, Any] = {
        "username": user.name,
        "uid": user.uid,
        "groups": list(user.groups),
        "extra": user.extra,
    }
    info = {key: value for key, value in shown.items() if value}
    return {"authenticated": True, "user": info, "audiences": list(owner.audiences)}


def _access(user: User, spec: dict[str, Any]) -> dict[str, Any]:
    try:
        reason = authorize(user, _target(spec))
    except status.APIError:
        return {"allowed": False}
    return {"allowed": True, "reason": reason}


def _target(spec: dict[str, Any]) -> Target:
    path = spec.get("nonResourceAttributes")
    if path is not None:
        return Target(path.get("verb", ""), path.get("path", ""))
    asked = spec.get("resourceAttributes") or {}
    names = ("group", "version", "resource", "subresource", "namespace", "name")
    return Target(asked.get("verb", ""), "", **{name: asked.get(name, "") for name in names})
