"""One record: what was asked, by whom, and what came of it. Shape and order are `audit.k8s.io/v1`'s."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from labs.controlplane.klog import quote

from ..context import Context, User
from ..meta import micro
from ._policy import Level

COMPLETE = "ResponseComplete"
MAX_USER_AGENT = 1024


def audit_event(
    ctx: Context,
    level: Level,
    stage: str,
    received: datetime,
    code: int | None = None,
    failure: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The record of one stage of a request; there is no `code` before there is a response."""
    target, request, user = ctx.target, ctx.request, ctx.impersonator or ctx.user
    event: dict[str, Any] = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": level.word,
        "auditID": ctx.audit_id,
        "stage": stage,
        "requestURI": request.target,
        "verb": target.verb,
        "user": _user(user),
        **({"impersonatedUser": _user(ctx.user)} if ctx.impersonator else {}),
        "sourceIPs": [request.peer.address],
        "userAgent": _user_agent(request.headers.get("user-agent", "")),
    }
    if target.is_resource:
        event["objectRef"] = _reference(ctx)
    if code is not None:
        event["responseStatus"] = _response_status(code, failure)
    if level >= Level.REQUEST and ctx.request_object is not None:
        event["requestObject"] = ctx.request_object
    response = ctx.response_object or failure
    if level >= Level.REQUEST_RESPONSE and stage == COMPLETE and response is not None:
        event["responseObject"] = response
    event["requestReceivedTimestamp"] = micro(received)
    event["stageTimestamp"] = micro(datetime.now(UTC))
    if code is not None:
        event["annotations"] = {**_decision(ctx), **ctx.annotations}
    return event


def _user(user: User) -> dict[str, Any]:
    shown: dict[str, Any] = {"username": user.name, "groups": list(user.groups), "extra": user.extra}
    if user.uid:
        shown["uid"] = user.uid
    return {key: value for key, value in shown.items() if value}


def _user_agent(text: str) -> str:
    return text if len(text) <= MAX_USER_AGENT else f"{text[:MAX_USER_AGENT]}...TRUNCATED"


def _reference(ctx: Context) -> dict[str, Any]:
    target, sent = ctx.target, ctx.request_object or {}
    metadata = sent.get("metadata") if target.verb in ("create", "update") else None
    if not isinstance(metadata, dict):
        metadata = {}
    reference = {
        "resource": target.resource,
        "namespace": target.namespace,
        "name": target.name or metadata.get("name"),
        "uid": metadata.get("uid"),
        "apiGroup": target.group,
        "apiVersion": target.version,
        "resourceVersion": metadata.get("resourceVersion"),
        "subresource": target.subresource,
    }
    return {key: value for key, value in reference.items() if value}


def _response_status(code: int, failure: dict[str, Any] | None) -> dict[str, Any]:
    shown = ("status", "message", "reason", "details")
    said = {key: failure[key] for key in shown if key in failure} if failure else {}
    return {"metadata": {}, **said, "code": code}


def _decision(ctx: Context) -> dict[str, str]:
    """What the authorizer said; nothing where nobody was authenticated to ask it for."""
    if ctx.decision is None:
        return {}
    decision, reason = ctx.decision
    return {"authorization.k8s.io/decision": decision, "authorization.k8s.io/reason": reason}


def legacy_line(event: dict[str, Any]) -> str:
    """A record in one line of text (`--audit-log-format=legacy`)."""
    user = event["user"]
    fields = {
        "id": event["auditID"],
        "stage": event["stage"],
        "ip": event["sourceIPs"][0],
        "method": event["verb"],
        "user": user.get("username", "<none>"),
        "groups": ",".join(map(quote, user.get("groups", ()))) or "<none>",
        "as": "<self>",
        "asgroups": "<lookup>",
        "user-agent": event["userAgent"],
        "namespace": event.get("objectRef", {}).get("namespace", "<none>"),
        "uri": event["requestURI"],
        "response": str(event.get("responseStatus", {}).get("code", "<deferred>")),
    }
    shown = " ".join(f"{name}={quote(value)}" for name, value in fields.items())
    return f"{event['requestReceivedTimestamp']} AUDIT: {shown}"
