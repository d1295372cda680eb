"""One of several is the leader: client-go's election on a Lease, with its fields, periods and log lines."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from labs.controlplane import klog

from . import timestamps
from .resources import LEASES
from .rest import ApiError, Client, Object

#: A leader whose lease has been expired for so long is not healthy.
TOLERANCE_SECONDS = 20.0
_JITTER = 1.2


@dataclass(frozen=True)
class Election:
    """What is elected for, and how often the lease is renewed, in seconds."""

    namespace: str
    name: str
    identity: str
    lease_duration: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0

    @property
    def lock(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def fault(self) -> str:
        """Why nobody can be elected with these periods (`NewLeaderElector`); empty when all is well."""
        if self.lease_duration <= self.renew_deadline:
            return "leaseDuration must be greater than renewDeadline"
        if self.renew_deadline <= self.retry_period * _JITTER:
            return "renewDeadline must be greater than retryPeriod*JitterFactor"
        return "" if self.retry_period > 0 else "retryPeriod must be greater than zero"


class LeaderElector:
    """`run` returns when the lease could not be renewed in time: who led must end then."""

    def __init__(
        self,
        client: Client,
        election: Election,
        *,
        lead: Callable[[], Awaitable[None]],
        record: Callable[[Object, str], None] = lambda lease, message: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._election = election
        self._lead = lead
        self._record = record
        self._clock = clock
        self._lease: Object | None = None
        #: When the lease was last seen to change.
        self._observed = float("-inf")
        self._answered = False
        self._acquired = False
        self.leading = False

    async def run(self) -> None:
        """Become the leader, lead, and renew until that fails. What `lead` raises is raised here."""
        klog.info("leaderelection.go:258", "Attempting to acquire leader lease...", lock=self._election.lock)
        await self._acquire()
        self.leading = self._acquired = True
        self._tell("became leader")
        klog.info("leaderelection.go:272", "Successfully acquired lease", lock=self._election.lock)
        leading = asyncio.ensure_future(self._lead())
        renewing = asyncio.ensure_future(self._renew())
        try:
            done, _ = await asyncio.wait({leading, renewing}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (leading, renewing):
                task.cancel()
            await asyncio.gather(leading, renewing, return_exceptions=True)
            self.leading = False
        self._tell("stopped leading")

    async def release(self) -> None:
        """Give the lease back, if it was had, so that the next one need not wait until it expires."""
        if not self._acquired:
            return
        now = timestamps.micro_now()
        given = {"holderIdentity": "", "leaseDurationSeconds": 1, "acquireTime": now, "renewTime": now}
        path = LEASES.path(self._election.namespace, self._election.name)
        try:
            # as it is now: whoever stops while it renews did not hear of what it wrote last
            self._observe(await self._request("GET", path))
            if self._lease is not None and self._is_ours():
                await self._request("PUT", path, {**self._lease, "spec": {**self._lease["spec"], **given}})
        except ApiError as error:
            self._complain("leaderelection.go:357", "Failed to release lock", error)

    def fault(self) -> str:
        """What `/healthz` says of it; nothing while the lease is renewed in time."""
        expired = self._observed + self._election.lease_duration + TOLERANCE_SECONDS
        if self.leading and self._clock() > expired:
            return f"failed election to renew leadership on lease {self._election.name}"
        return ""

    async def _acquire(self) -> None:
        # The control plane comes up as one: until the first answer it is asked oftener than client-go does.
        wait = 0.05
        while not await self._try():
            if not self._answered and wait < self._election.retry_period:
                wait = min(wait * 2, self._election.retry_period)
            else:
                wait = self._election.retry_period
            await asyncio.sleep(wait * (1 + random.random() * _JITTER))

    async def _renew(self) -> None:
        """Renew every `retry_period`; returns when it did not succeed for `renew_deadline`."""
        while True:
            await asyncio.sleep(self._election.retry_period)
            try:
                async with asyncio.timeout(self._election.renew_deadline):
                    await self._retry()
            except TimeoutError:
                klog.error(
                    "leaderelection.go:332", "Failed to renew lease", lock=self._election.lock,
                    err="context deadline exceeded",
                )  # fmt: skip
                return

    async def _retry(self) -> None:
        while True:
            if await self._try():
                return
            await asyncio.sleep(self._election.retry_period)

    async def _try(self) -> bool:
        """Take or renew the lease; whether it is held now."""
        if self._lease is not None and self._is_ours() and self._valid():
            try:
                return await self._hold(self._lease)
            except ApiError as error:
                message = "Failed to update lease optimistically, falling back to slow path"
                self._complain("leaderelection.go:436", message, error)
        try:
            lease = await self._request("GET", LEASES.path(self._election.namespace, self._election.name))
        except ApiError as error:
            self._answered = self._answered or error.code != 0
            if not error.not_found:
                self._complain("leaderelection.go:461", "Error retrieving lease lock", error)
                return False
            return await self._create()
        self._answered = True
        if self._lease is None or lease.get("spec") != self._lease.get("spec"):
            self._observe(lease)
        holder = (lease.get("spec") or {}).get("holderIdentity") or ""
        if holder and holder != self._election.identity and self._valid():
            return False
        try:
            return await self._hold(lease)
        except ApiError as error:
            self._complain("leaderelection.go:499", "Failed to update lease", error)
            return False

    async def _create(self) -> bool:
        now = timestamps.micro_now()
        lease = {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"name": self._election.name, "namespace": self._election.namespace},
            "spec": self._spec({}, now) | {"acquireTime": now, "leaseTransitions": 0},
        }
        try:
            self._observe(await self._request("POST", LEASES.path(self._election.namespace), lease))
        except ApiError as error:
            self._complain("leaderelection.go:466", "Error initially creating lease lock", error)
            return False
        return True

    async def _hold(self, lease: Object) -> bool:
        """Write ourselves into the lease. Raises `ApiError` when somebody was faster."""
        old, now = lease.get("spec") or {}, timestamps.micro_now()
        spec = self._spec(old, now)
        if old.get("holderIdentity") != self._election.identity:
            transitions = int(old.get("leaseTransitions") or 0)
            spec |= {"acquireTime": now, "leaseTransitions": transitions + 1}
        path = LEASES.path(self._election.namespace, self._election.name)
        self._observe(await self._request("PUT", path, {**lease, "spec": spec}))
        return True

    def _spec(self, old: Object, now: str) -> Object:
        return {
            **old,
            "holderIdentity": self._election.identity,
            "leaseDurationSeconds": int(self._election.lease_duration),
            "renewTime": now,
        }

    def _observe(self, lease: Object) -> None:
        lease["metadata"].pop("managedFields", None)
        self._lease, self._observed = lease, self._clock()

    def _is_ours(self) -> bool:
        """Whether we held the lease when it was last seen."""
        return ((self._lease or {}).get("spec") or {}).get("holderIdentity") == self._election.identity

    def _valid(self) -> bool:
        seconds = (self._lease or {}).get("spec", {}).get("leaseDurationSeconds") or 0
        return self._observed + float(seconds) > self._clock()

    async def _request(self, method: str, path: str, body: Any = None) -> Object:
        # client-go gives each of these half of the renew deadline
        seconds = self._election.renew_deadline / 2
        return await self._client.request(
            method, path, body, query={"timeout": f"{seconds:g}s"}, timeout=seconds
        )

    def _complain(self, at: str, message: str, error: ApiError) -> None:
        klog.error(at, message, err=error, lock=self._election.lock)

    def _tell(self, message: str) -> None:
        if self._lease is not None:
            self._record(self._lease, f"{self._election.identity} {message}")
