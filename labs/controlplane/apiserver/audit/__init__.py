"""The audit trail: what was asked, by whom, and what came of it.

It goes two ways: to the log that `--audit-policy-file` and `--audit-log-path` ask for, and to the supervisor
of a node that has one. Either way a record leaves before its response does (`--audit-log-mode=blocking`), so
that nothing a client has seen is missing from it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

from labs.controlplane import klog
from labs.controlplane.http import Response, Takeover
from labs.streaming.http import Connection

from ..context import Context
from ..options import InvalidOptions, Options
from ._event import COMPLETE, audit_event, legacy_line
from ._evidence import Evidence
from ._log import Log
from ._policy import Decision, Policy

__all__ = ["Audit", "Entry", "Evidence"]

RECEIVED, STARTED = "RequestReceived", "ResponseStarted"
HEADER = "Audit-Id"


class Audit:
    """Both trails; either may be missing."""

    def __init__(
        self, evidence: Evidence | None, policy: Policy | None, log: Log | None, *, legacy: bool = False
    ) -> None:
        self._evidence = evidence
        self._policy = policy
        self._log = log
        self._legacy = legacy

    @classmethod
    def of(cls, options: Options, evidence: Evidence | None) -> Audit:
        """As the flags say. Raises `InvalidOptions` for a policy or a log that cannot be used."""
        flags = options.flags
        path = flags.text("audit-policy-file")
        policy = Policy.load(path) if path else None
        if webhook := flags.text("audit-webhook-config-file"):
            try:
                Path(webhook).stat()
            except OSError as error:
                why = f"stat {webhook}: {(error.strerror or str(error)).lower()}"
                raise InvalidOptions(f"initializing audit webhook: {why}") from None
        target = flags.text("audit-log-path")
        if not target:
            return cls(evidence, policy, None)
        log = Log(
            target,
            megabytes=flags.number("audit-log-maxsize") or 100,
            backups=flags.number("audit-log-maxbackup"),
            days=flags.number("audit-log-maxage"),
            compress=flags.switch("audit-log-compress"),
        )
        return cls(evidence, policy, log, legacy=flags.text("audit-log-format") == "legacy")

    async def begin(self, ctx: Context, received: datetime) -> Entry:
        """A request has been read and its user is known."""
        logged = Decision()
        if self._policy is not None and self._log is not None:
            logged = self._policy.decide(ctx.user, ctx.target)
        told = self._evidence.decide(ctx.user, ctx.target) if self._evidence else Decision()
        entry = Entry(self, ctx, received, logged, told)
        await entry.record(RECEIVED)
        return entry

    def write(self, event: dict[str, Any]) -> None:
        """One line of the log. The disk being full does not stop the server (mode `blocking`)."""
        assert self._log is not None
        if self._legacy:
            line = legacy_line(event)
        else:
            line = json.dumps(event, separators=(",", ":"), ensure_ascii=False)
        try:
            self._log.write(f"{line}\n".encode())
        except OSError as error:
            klog.error("metrics.go:110", f"Error in audit plugin 'log' affecting 1 audit events: {error}")

    async def tell(self, event: dict[str, Any]) -> None:
        """One record for the judge."""
        assert self._evidence is not None
        await self._evidence.send(event)


class Entry:
    """One request's way through the trails, stage by stage."""

    def __init__(
        self, audit: Audit, ctx: Context, received: datetime, logged: Decision, told: Decision
    ) -> None:
        self._audit = audit
        self._ctx = ctx
        self._received = received
        self._logged = logged
        self._told = told

    async def record(
        self, stage: str, code: int | None = None, failure: dict[str, Any] | None = None
    ) -> None:
        """The request has come to `stage`."""
        if self._logged.wants(stage):
            event = audit_event(self._ctx, self._logged.level, stage, self._received, code, failure)
            self._audit.write(event)
        if self._told.wants(stage):
            event = audit_event(self._ctx, self._told.level, stage, self._received, code, failure)
            await self._audit.tell(event)

    async def answered(self, response: Response, failure: dict[str, Any] | None) -> Response:
        """The response, to be sent now that it is recorded; a stream is recorded again when it ends."""
        response.headers[HEADER] = self._ctx.audit_id
        if response.takeover is not None:
            await self.record(STARTED, response.status)
            response.takeover = self._to_the_end_of(response.takeover, response.status)
            return response
        if isinstance(response.body, bytes):
            await self.record(COMPLETE, response.status, failure)
            return response
        await self.record(STARTED, response.status)
        if self._told.wants(COMPLETE):  # nobody waits for the end of what a judge watches
            event = audit_event(self._ctx, self._told.level, COMPLETE, self._received, response.status)
            await self._audit.tell(event)
            self._told = Decision()
        response.body = self._to_its_end(response.body, response.status)
        return response

    def _to_the_end_of(self, takeover: Takeover, code: int) -> Takeover:
        async def recorded(connection: Connection) -> None:
            try:
                await takeover(connection)
            finally:
                await self.record(COMPLETE, code)

        return recorded

    async def _to_its_end(self, body: AsyncIterator[bytes], code: int) -> AsyncIterator[bytes]:
        try:
            async for chunk in body:
                yield chunk
        finally:
            close = getattr(body, "aclose", None)
            if close is not None:
                await close()
            await self.record(COMPLETE, code)
