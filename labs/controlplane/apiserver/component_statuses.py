"""`kubectl get componentstatuses`: how the other components are, asked at the moment (`componentstatus`).

Nothing of it is stored: scheduler and controller manager are asked for their `/healthz` on this machine, and
each etcd server for a key.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from labs.controlplane.http import ConnectionFailed
from labs.controlplane.nethttp import Failure, Pool

from . import status
from .etcd import Etcd, EtcdError

Object = dict[str, Any]

PLURAL = "componentstatuses"
#: Where a component listens, by its name.
_PORTS = {"controller-manager": 10257, "scheduler": 10259}
_PATIENCE = 20.0


class ComponentStatuses:
    """The components of this machine."""

    def __init__(self, etcd: Etcd) -> None:
        self._checks: dict[str, Callable[[], Awaitable[Object]]] = {
            **{name: partial(_asked, port) for name, port in _PORTS.items()},
            **{f"etcd-{number}": partial(_stores, etcd, number) for number in range(etcd.servers)},
        }

    async def get(self, name: str) -> Object:
        """One of them. Raises a 404 for any other name."""
        if name not in self._checks:
            raise status.not_found("", "componentstatus", name)
        return await self._status(name)

    async def all(self) -> list[Object]:
        """Every one."""
        return await asyncio.gather(*map(self._status, self._checks))

    async def _status(self, name: str) -> Object:
        condition = {"type": "Healthy", **await self._checks[name]()}
        return {
            "kind": "ComponentStatus",
            "apiVersion": "v1",
            "metadata": {"name": name},
            "conditions": [condition],
        }


async def _asked(port: int) -> Object:
    """What a component's own `/healthz` says, whose certificate nobody has signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    pool = Pool("127.0.0.1", port, context)
    try:
        async with asyncio.timeout(_PATIENCE), pool.request("GET", "/healthz", {}) as answer:
            code, said = answer.status, await answer.read()
    except (Failure, TimeoutError) as error:
        why = str(error) or "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        return {"status": "False", "message": f'Get "https://127.0.0.1:{port}/healthz": {why}'}
    finally:
        pool.close()
    if 200 <= code < 400:
        return {"status": "True", "message": said.decode(errors="replace")}
    return {"status": "False", "message": f"HTTP probe failed with statuscode: {code}"}


async def _stores(etcd: Etcd, server: int) -> Object:
    try:
        async with asyncio.timeout(_PATIENCE):
            await etcd.healthy(server)
    except (ConnectionFailed, EtcdError, TimeoutError) as error:
        return {"status": "False", "error": str(error) or "context deadline exceeded"}
    return {"status": "True", "message": "ok"}
