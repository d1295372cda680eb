"""The audit trail: what was asked, by whom, and what came of it.

A record leaves before its response does, so that nothing a client has seen is missing from it. Shape and
order of the fields are `audit.k8s.io/v1`'s.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import uuid
from datetime import UTC, datetime
from typing import Any

from .authorization import JUDGE
from .context import Context
from .meta import micro

EVIDENCE_FD = "CKS_EVIDENCE_FD"
#: A record longer than this leaves its objects out, one after the other.
RECORD_LIMIT = 120 * 1024
READS = frozenset(("get", "list", "watch"))
TRUNCATED = "audit.k8s.io/truncated"


class Audit:
    """Where records go: the socket that was inherited, or nowhere."""

    def __init__(self, evidence: socket.socket | None) -> None:
        self._evidence = evidence

    @classmethod
    def from_environment(cls) -> Audit:
        """The socket whose number the environment has; its children must not have it."""
        number = os.environ.pop(EVIDENCE_FD, "")
        if not number.isdigit():
            return cls(None)
        evidence = socket.socket(fileno=int(number))
        evidence.setblocking(False)
        os.set_inheritable(evidence.fileno(), False)
        return cls(evidence)

    def wants(self, ctx: Context) -> bool:
        """Every write is recorded, and what the judge reads."""
        if self._evidence is None or not ctx.target.is_resource:
            return False
        return ctx.target.verb not in READS or ctx.user.name == JUDGE

    async def record(
        self, ctx: Context, code: int, failure: dict[str, Any] | None, received: datetime
    ) -> None:
        """Send the record of an answered request."""
        if self._evidence is None:
            return
        event = audit_event(ctx, code, failure, received)
        await asyncio.get_running_loop().sock_sendall(self._evidence, _encode(event))


def audit_event(
    ctx: Context, code: int, failure: dict[str, Any] | None, received: datetime
) -> dict[str, Any]:
    """The record: with request and response for pods, without for all else."""
    target, request, user = ctx.target, ctx.request, ctx.user
    full = target.resource == "pods"
    sent = ctx.request_object or {}
    sent_metadata = sent.get("metadata") or {}
    reference = {
        "resource": target.resource,
        "namespace": target.namespace,
        "name": target.name or (sent_metadata.get("name") if target.verb == "create" else ""),
        "uid": sent_metadata.get("uid") if target.verb in ("create", "update") else "",
        "apiGroup": target.group,
        "apiVersion": target.version,
        "subresource": target.subresource,
    }
    event: dict[str, Any] = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "RequestResponse" if full else "Metadata",
        "auditID": str(uuid.uuid4()),
        "stage": "ResponseComplete",
        "requestURI": request.target,
        "verb": target.verb,
        "user": {"username": user.name, "groups": list(user.groups)},
        "sourceIPs": [request.peer.address],
        "userAgent": request.headers.get("user-agent", ""),
        "objectRef": {key: value for key, value in reference.items() if value},
        "responseStatus": {"metadata": {}, "code": code},
    }
    if user.extra:
        event["user"]["extra"] = user.extra
    if failure is not None:
        shown = ("status", "message", "reason", "details")
        event["responseStatus"] = {
            "metadata": {},
            **{k: failure[k] for k in shown if k in failure},
            "code": code,
        }
    if full and ctx.request_object is not None:
        event["requestObject"] = ctx.request_object
    if full and (ctx.response_object or failure) is not None:
        event["responseObject"] = ctx.response_object or failure
    event["requestReceivedTimestamp"] = micro(received)
    event["stageTimestamp"] = micro(datetime.now(UTC))
    event["annotations"] = {
        "authorization.k8s.io/decision": "forbid"
        if code == 403 and failure and _by_authorizer(failure)
        else "allow",
        "authorization.k8s.io/reason": "",
        **ctx.annotations,
    }
    return event


def _by_authorizer(failure: dict[str, Any]) -> bool:
    return " cannot " in failure.get("message", "")


def _encode(event: dict[str, Any]) -> bytes:
    encoded = _message(event)
    for part in ("responseObject", "requestObject"):
        if len(encoded) > RECORD_LIMIT and part in event:
            event["annotations"][TRUNCATED] = "true"
            del event[part]
            encoded = _message(event)
    return encoded


def _message(event: dict[str, Any]) -> bytes:
    return json.dumps({"source": "audit", "event": event}, separators=(",", ":"), ensure_ascii=False).encode()
