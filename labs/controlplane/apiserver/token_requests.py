"""`serviceaccounts/token`: a token for a while, for a client or (asked by a kubelet) for a pod.

Mirrors `pkg/registry/core/serviceaccount/storage/token.go` and the validation of TokenRequests.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from labs.controlplane.http import Response
from labs.core.field import invalid

from . import codec, meta, status
from .admission import Admission
from .authentication import Bindings, Issuer
from .context import Context
from .resources import core
from .storage import Storage

Object = dict[str, Any]
GROUP_VERSION = "authentication.k8s.io/v1"
DEFAULT_SECONDS = 3600
MIN_SECONDS = 600
MAX_SECONDS = 1 << 32
_BOUND = {"Pod": "pods", "Secret": "secrets", "Node": "nodes"}


class TokenRequests:
    """Answers them; nothing is stored."""

    def __init__(self, storage: Storage, admission: Admission, issuer: Issuer) -> None:
        self._storage = storage
        self._admission = admission
        self._issuer = issuer

    async def create(self, ctx: Context) -> Response:
        """Issue a token."""
        request = codec.read(ctx.request, "TokenRequest", "io.k8s.api.authentication.v1.TokenRequest")
        ctx.request_object = request
        namespace, name = ctx.target.namespace, ctx.target.name
        account = await self._get("serviceaccounts", namespace, name)
        spec = request.get("spec") or {}
        audiences = list(spec.get("audiences") or self._issuer.audiences)
        seconds = spec.get("expirationSeconds") or DEFAULT_SECONDS
        _check_duration(seconds)
        reference = spec.get("boundObjectRef")
        await self._admission.create_token(ctx, spec)
        bound = await self._bind(account, reference) if reference else {}
        expires = datetime.now(UTC) + timedelta(seconds=seconds)
        shown = {
            "kind": "TokenRequest",
            "apiVersion": GROUP_VERSION,
            "metadata": {
                "name": name,
                "namespace": namespace,
                "uid": account["metadata"]["uid"],
                "creationTimestamp": meta.now(),
            },
            "spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": reference},
        }
        # the audit trail never sees a token
        ctx.response_object = shown
        token = self._issuer.issue(account, bound, audiences, seconds)
        issued = {"token": token, "expirationTimestamp": meta.stamp(expires)}
        return codec.respond(201, {**shown, "status": issued})

    async def _bind(self, account: Object, reference: Object) -> Bindings:
        """What the token will depend on. Raises when that is not there, or another's."""
        name, namespace = account["metadata"]["name"], account["metadata"]["namespace"]
        kind, version = reference.get("kind", ""), reference.get("apiVersion", "")
        plural = _BOUND.get(kind)
        if plural is None or version != "v1":
            group, _, short = version.rpartition("/")
            shown = f"{group}/{short}, Kind={kind}" if group else f"{short}, Kind={kind}"
            raise status.bad_request(f"cannot bind token for serviceaccount {_q(name)} to {shown}")
        found = await self._get(plural, "" if kind == "Node" else namespace, reference.get("name", ""))
        uid = found["metadata"]["uid"]
        if reference.get("uid") not in (None, "", uid):
            why = (
                f"the UID in the bound object reference ({reference['uid']}) does not match the UID in "
                "record. The object might have been deleted and then recreated"
            )
            raise status.conflict("", plural, reference.get("name", ""), why)
        bound = {kind.lower(): {"name": found["metadata"]["name"], "uid": uid}}
        if kind == "Pod":
            if found["spec"].get("serviceAccountName", "") != name:
                raise status.bad_request(
                    f"cannot bind token for serviceaccount {_q(name)} to pod running with different "
                    "serviceaccount name."
                )
            if node := found["spec"].get("nodeName"):
                stored = await self._storage.get(core("nodes").key("", node))
                known = {"uid": stored.object["metadata"]["uid"]} if stored else {}
                bound["node"] = {"name": node, **known}
        return bound

    async def _get(self, plural: str, namespace: str, name: str) -> Object:
        found = await self._storage.get(core(plural).key(namespace, name))
        if found is None:
            raise status.not_found("", plural, name)
        return found.object


def _check_duration(seconds: int) -> None:
    fault = ""
    if seconds < MIN_SECONDS:
        fault = "may not specify a duration less than 10 minutes"
    elif seconds > MAX_SECONDS:
        fault = "may not specify a duration larger than 2^32 seconds"
    if fault:
        error = invalid("spec.expirationSeconds", seconds, fault)
        raise status.invalid_object("authentication.k8s.io", "TokenRequest", "", [error])


def _q(text: str) -> str:
    return f'"{text}"'
