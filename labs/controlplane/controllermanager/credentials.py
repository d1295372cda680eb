"""Who controllers are: with `--use-service-account-credentials` each is a service account of kube-system.

Mirrors `clientbuilder.DynamicControllerClientBuilder`: the account is made if it is missing, and a token for
an hour is asked for when the controller makes its first request, and again when most of the hour has gone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from labs.controlplane.client import ApiError, Client

from .kinds import SERVICE_ACCOUNTS

NAMESPACE = "kube-system"
LIFETIME_SECONDS = 3600
#: A token is used for this part of its time.
USED_PART = 0.8


class AccountTokens:
    """The tokens of one service account, asked for by somebody who may."""

    def __init__(self, client: Client, account: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._account = account
        self._clock = clock
        self._token = ""
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def token(self) -> str:
        """A token that is good for a while. Raises `ApiError`."""
        async with self._lock:
            if not self._token or self._clock() >= self._until:
                self._token = await self._request()
                self._until = self._clock() + LIFETIME_SECONDS * USED_PART
            return self._token

    def reject(self, token: str) -> None:
        """The API server does not know this token (any more): its account was made anew, or the keys were."""
        if token == self._token:
            self._token = ""

    async def _request(self) -> str:
        wanted = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": LIFETIME_SECONDS},
        }
        path = SERVICE_ACCOUNTS.path(NAMESPACE, self._account, "token")
        try:
            answer = await self._client.request("POST", path, wanted)
        except ApiError as error:
            if not error.not_found:
                raise
            await self._make_account()
            answer = await self._client.request("POST", path, wanted)
        return str(answer["status"]["token"])

    async def _make_account(self) -> None:
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": self._account, "namespace": NAMESPACE},
        }
        try:
            await self._client.create(SERVICE_ACCOUNTS, NAMESPACE, account)
        except ApiError as error:
            if not error.conflict:
                raise


class ServiceAccounts:
    """Clients that are service accounts. They share connections, which tell nobody's certificate."""

    def __init__(self, client: Client) -> None:
        self._client = client
        config = replace(client.config, certificate=b"", key=b"", token="")
        self._nobody = Client(config, client.user_agent)

    def client(self, account: str) -> Client:
        """The client of one account."""
        name = f"system:serviceaccount:{NAMESPACE}:{account}"
        return self._nobody.named(name, AccountTokens(self._client.named("token-request"), account))

    def close(self) -> None:
        """Let go of the kept connections."""
        self._nobody.close()
