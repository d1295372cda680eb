"""Questions about who somebody is and what they may do; answered and never stored.

`kubectl auth whoami` and `can-i` ask them, kubelets ask them of their own clients. Mirrors
`pkg/registry/authentication` and `pkg/registry/authorization`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labs.controlplane.http import Response
from labs.core.field import invalid
from labs.golang.errors import aggregate

from . import codec, meta, schema, status
from .authentication import Authenticator, TokenError
from .authorization import Modes, compacted
from .context import Context, Target, User

Object = dict[str, Any]
AUTHENTICATION, AUTHORIZATION = "authentication.k8s.io", "authorization.k8s.io"
KINDS = {
    (AUTHENTICATION, "selfsubjectreviews"): "SelfSubjectReview",
    (AUTHENTICATION, "tokenreviews"): "TokenReview",
    (AUTHORIZATION, "localsubjectaccessreviews"): "LocalSubjectAccessReview",
    (AUTHORIZATION, "selfsubjectaccessreviews"): "SelfSubjectAccessReview",
    (AUTHORIZATION, "selfsubjectrulesreviews"): "SelfSubjectRulesReview",
    (AUTHORIZATION, "subjectaccessreviews"): "SubjectAccessReview",
}
_ONE_OF = "exactly one of nonResourceAttributes or resourceAttributes must be specified"


def is_review(target: Target) -> bool:
    """Whether a request is such a question."""
    return target.version == "v1" and (target.group, target.resource) in KINDS


class Reviews:
    """Answers them."""

    def __init__(self, authenticator: Authenticator, modes: Modes) -> None:
        self._authenticator = authenticator
        self._modes = modes

    async def answer(self, ctx: Context) -> Response:
        """The question with its answer in `status`. Raises `APIError` for what is no question."""
        target = ctx.target
        kind = KINDS[target.group, target.resource]
        if target.subresource:
            raise status.page_not_found()
        if target.verb != "create" or target.name or bool(target.namespace) != kind.startswith("Local"):
            raise status.method_not_allowed()
        review = codec.read(ctx.request, kind, schema.name_of(target.group_version, kind))
        ctx.request_object = review
        spec = review.get("spec") or {}
        metadata = review.get("metadata") or {}
        shown: Object = {"kind": kind, "apiVersion": target.group_version, "metadata": metadata}
        if kind == "SelfSubjectReview":
            shown["metadata"] = {**metadata, "creationTimestamp": meta.now()}
        else:
            shown["spec"] = spec
        shown["status"] = await self._status(ctx, kind, spec)
        ctx.response_object = shown
        return codec.respond(201, shown)

    async def _status(self, ctx: Context, kind: str, spec: Object) -> Object:
        match kind:
            case "SelfSubjectReview":
                return {"userInfo": _user_info(ctx.user)}
            case "TokenReview":
                return await self._owner(spec)
            case "SelfSubjectRulesReview":
                return self._rules(ctx.user, spec.get("namespace", ""))
            case "SelfSubjectAccessReview":
                return self._access(kind, ctx.user, spec)
        extra: Mapping[str, list[str]] = spec.get("extra") or {}
        groups = tuple(spec.get("groups") or ())
        user = User(spec.get("user", ""), groups, dict(extra), spec.get("uid", ""))
        if not user.name and not groups:
            error = invalid("spec.user", "", "at least one of user or group must be specified")
            raise status.invalid_object(AUTHORIZATION, kind, "", [error])
        if kind == "LocalSubjectAccessReview":
            namespace = (spec.get("resourceAttributes") or {}).get("namespace", "")
            if namespace != ctx.target.namespace:
                raise status.bad_request(
                    f"spec.resourceAttributes.namespace must match namespace: {ctx.target.namespace}"
                )
        return self._access(kind, user, spec)

    async def _owner(self, spec: Object) -> Object:
        token = spec.get("token", "")
        if not token:
            raise status.bad_request("token is required for TokenReview in authentication")
        try:
            owner = await self._authenticator.token_owner(token, tuple(spec.get("audiences") or ()))
        except TokenError as error:
            return {"user": {}, "error": aggregate(error.args)}
        return {"authenticated": True, "user": _user_info(owner.user), "audiences": list(owner.audiences)}

    def _access(self, kind: str, user: User, spec: Object) -> Object:
        if (spec.get("resourceAttributes") is None) == (spec.get("nonResourceAttributes") is None):
            error = invalid("spec.resourceAttributes", spec.get("resourceAttributes"), _ONE_OF)
            raise status.invalid_object(AUTHORIZATION, kind, "", [error])
        verdict = self._modes.authorize(user, _target(spec))
        answer: Object = {"allowed": verdict.allowed}
        return answer | {"reason": verdict.reason} if verdict.reason else answer

    def _rules(self, user: User, namespace: str) -> Object:
        if not namespace:
            raise status.bad_request("no namespace on request")
        rules, unknown = self._modes.rules_for(user, namespace)
        shown = [rule.encode() for rule in compacted(rules)]
        answer: Object = {
            "resourceRules": [rule for rule in shown if "resources" in rule],
            "nonResourceRules": [rule for rule in shown if "nonResourceURLs" in rule],
            "incomplete": bool(unknown),
        }
        return answer | {"evaluationError": aggregate(unknown)} if unknown else answer


def _user_info(user: User) -> Object:
    shown: Object = {
        "username": user.name,
        "uid": user.uid,
        "groups": list(user.groups),
        "extra": user.extra,
    }
    return {key: value for key, value in shown.items() if value}


def _target(spec: Object) -> Target:
    path = spec.get("nonResourceAttributes")
    if path is not None:
        return Target(path.get("verb", ""), path.get("path", ""))
    asked = spec.get("resourceAttributes") or {}
    names = ("group", "version", "resource", "subresource", "namespace", "name")
    selector = asked.get("fieldSelector") or {}
    exact = [
        f"{each.get('key')}={each['values'][0]}"
        for each in selector.get("requirements") or []
        if each.get("operator") == "In" and len(each.get("values") or []) == 1
    ]
    fields = selector.get("rawSelector") or ",".join(exact)
    return Target(
        asked.get("verb", ""), "", **{name: asked.get(name, "") for name in names}, field_selector=fields
    )
