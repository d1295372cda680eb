"""Whose client certificates this server believes, told to the other servers of the control plane.

The ConfigMap `extension-apiserver-authentication`, kept as
`pkg/controlplane/controller/clusterauthenticationtrust` keeps it: what somebody else has added stays, what is
missing comes back within a minute.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from labs.controlplane import klog
from labs.golang import pem

from . import meta
from .etcd import EtcdError
from .options import Options
from .resources import core
from .storage import AlreadyExists, Changed, Storage

Object = dict[str, Any]
NAMESPACE, NAME = "kube-system", "extension-apiserver-authentication"
#: Seconds between two looks.
PERIOD = 60.0
_BUNDLES = ("client-ca-file", "requestheader-client-ca-file")
_LISTS = (
    *("requestheader-allowed-names", "requestheader-extra-headers-prefix"),
    *("requestheader-group-headers", "requestheader-username-headers"),
)


class ClientAuthorities:
    """The ConfigMap's keeper."""

    def __init__(self, storage: Storage, options: Options) -> None:
        self._storage = storage
        self._flags = options.flags
        self._key = core("configmaps").key(NAMESPACE, NAME)

    async def keep(self) -> None:
        """Look again and again, after the first time."""
        klog.info(
            "cluster_authentication_trust_controller.go:459",
            "Starting cluster_authentication_trust_controller controller",
        )
        while True:
            await asyncio.sleep(PERIOD)
            try:
                await self.tell()
            except (EtcdError, pem.PEMError) as error:
                klog.error("cluster_authentication_trust_controller.go:501", "Unhandled Error", err=error)

    async def tell(self) -> None:
        """Make the ConfigMap, or add to it what it lacks. Raises EtcdError, and PEMError for a file."""
        wanted = self._wanted()
        found = await self._storage.get(self._key)
        try:
            if found is None:
                await self._storage.create(self._key, _config_map(wanted))
                return
            data = found.object.get("data") or {}
            completed = {
                **data,
                **{name: _joined(name, data.get(name), text) for name, text in wanted.items()},
            }
            if completed != data:
                await self._storage.update(self._key, {**found.object, "data": completed}, found.revision)
        except (AlreadyExists, Changed):
            return  # somebody was faster; the next look is soon

    def _wanted(self) -> dict[str, str]:
        paths = {name: self._flags.text(name) for name in _BUNDLES if self._flags.text(name)}
        texts = {name: pem.read(path).decode("utf-8", "replace") for name, path in paths.items()}
        told = {name: "".join(pem.certificates(text)) for name, text in texts.items()}
        if "requestheader-client-ca-file" in told:
            told |= {name: json.dumps(self._flags.words(name), separators=(",", ":")) for name in _LISTS}
        return told


def _config_map(data: dict[str, str]) -> Object:
    metadata = {"name": NAME, "namespace": NAMESPACE, "uid": meta.new_uid(), "creationTimestamp": meta.now()}
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata, "data": data}


def _joined(name: str, present: str | None, wanted: str) -> str:
    """What is there and what is wanted, each once."""
    if name in _BUNDLES:
        return "".join(dict.fromkeys([*pem.certificates(present or ""), *pem.certificates(wanted)]))
    try:
        before = json.loads(present or "[]")
    except ValueError:
        return wanted
    listed = before if isinstance(before, list) else []
    return json.dumps(list(dict.fromkeys([*map(str, listed), *json.loads(wanted)])), separators=(",", ":"))
