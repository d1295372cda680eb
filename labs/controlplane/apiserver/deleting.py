"""What a deletion asks for: its `DeleteOptions`, in the body or in the query."""

from __future__ import annotations

from . import codec, propagation, request_options
from .context import Context
from .registry import Deletion, Preconditions


def options(ctx: Context) -> Deletion:
    """The options of a request: from the body if there is one, else from the query. Raises a Status."""
    request = ctx.request
    given = codec.read_options(request) if request.body else {}
    ctx.request_object = {**given, "kind": "DeleteOptions", "apiVersion": "meta.k8s.io/__internal"}
    grace = given.get("gracePeriodSeconds")
    if grace is None and request.argument("gracePeriodSeconds"):
        grace = request_options.integer(request.argument("gracePeriodSeconds"))
    if given.get("dryRun"):
        request.query["dryRun"] = given["dryRun"]
    request_options.check_write(request, "delete")
    for name in ("propagationPolicy", "orphanDependents"):
        if name not in given and name in request.query:
            value = request.argument(name)
            given[name] = value if name == "propagationPolicy" else request.flag(name)
    policy = propagation.policy_of(given)
    wanted = given.get("preconditions") or {}
    return Deletion(grace, Preconditions(wanted.get("uid"), wanted.get("resourceVersion")), policy)
