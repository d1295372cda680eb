"""`kubectl --as`: acting as somebody else, for who may.

First as constrained impersonation has it (for this request, in this way), then by the older right to
`impersonate` for everything. Mirrors `k8s.io/apiserver/pkg/endpoints/filters/impersonation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from urllib.parse import unquote

from labs.controlplane.http import Request
from labs.golang.quoting import quote

from . import status
from .authentication import ANONYMOUS, AUTHENTICATED
from .authorization import Modes, refusal
from .context import Target, User

_EXTRA = "impersonate-extra-"
_AUTHENTICATION = "authentication.k8s.io"
_ACCOUNT, _NODE = "system:serviceaccount:", "system:node:"
_UNAUTHENTICATED = "system:unauthenticated"


def impersonated(request: Request, user: User, target: Target, modes: Modes) -> User | None:
    """Who the request is to be done as; None when it asks for nobody. Raises a 403 for who may not ask."""
    wanted = _wanted(request)
    if wanted is None:
        return None
    mode = _mode(wanted.name)
    constrained = [
        replace(target, verb=f"impersonate-on:{mode}:{target.verb}"),
        *(replace(part, verb=f"impersonate:{mode}") for part in _parts(wanted, _AUTHENTICATION)),
    ]
    first = _refused(user, constrained, modes)
    if first is not None and _refused(user, list(_parts(wanted, "")), modes) is not None:
        raise first
    return _with_groups(wanted)


def _strings(values: Sequence[str]) -> str:
    """As Go shows a slice (`%#v`)."""
    return f"[]string{{{', '.join(map(quote, values))}}}" if values else "[]string(nil)"


def _map(values: Mapping[str, Sequence[str]]) -> str:
    shown = ", ".join(f"{quote(key)}:{_strings(values[key])}" for key in sorted(values))
    return f"map[string][]string{{{shown}}}" if values else "map[string][]string(nil)"


def _wanted(request: Request) -> User | None:
    headers = request.headers
    name = headers.get("impersonate-user", "")
    groups = tuple(request.values("impersonate-group"))
    uid = headers.get("impersonate-uid", "")
    extra = {
        unquote(header.removeprefix(_EXTRA)): request.values(header)
        for header in headers
        if header.startswith(_EXTRA)
    }
    if not name:
        if groups or uid or extra:
            told = f'Name:"", UID:{quote(uid)}, Groups:{_strings(groups)}, Extra:{_map(extra)}'
            raise status.bad_request(
                f"requested &user.DefaultInfo{{{told}}} without impersonating a user name"
            )
        return None
    return User(name, groups, extra, uid)


def _mode(name: str) -> str:
    if name.startswith(_ACCOUNT):
        return "serviceaccount"
    return "arbitrary-node" if name.startswith(_NODE) else "user-info"


def _parts(wanted: User, group: str) -> Iterator[Target]:
    """All that is claimed, each as what one has to be allowed to impersonate; `group` is that of users."""
    if wanted.name.startswith(_ACCOUNT):
        namespace, _, name = wanted.name.removeprefix(_ACCOUNT).partition(":")
        yield Target("impersonate", "", group, "v1", "serviceaccounts", "", namespace, name)
    else:
        kind = "nodes" if group and wanted.name.startswith(_NODE) else "users"
        yield Target("impersonate", "", group, "v1", kind, name=wanted.name)
    for member in wanted.groups:
        yield Target("impersonate", "", group, "v1", "groups", name=member)
    if wanted.uid:
        yield Target("impersonate", "", _AUTHENTICATION, "v1", "uids", name=wanted.uid)
    for key, values in wanted.extra.items():
        for value in values:
            yield Target("impersonate", "", _AUTHENTICATION, "v1", "userextras", key, name=value)


def _refused(user: User, targets: list[Target], modes: Modes) -> status.APIError | None:
    for target in targets:
        verdict = modes.authorize(user, target)
        if not verdict.allowed:
            return refusal(user, target, verdict.reason)
    return None


def _with_groups(wanted: User) -> User:
    """The groups that everybody of that kind is in."""
    groups = wanted.groups
    if wanted.name.startswith(_ACCOUNT) and not groups:
        namespace = wanted.name.removeprefix(_ACCOUNT).partition(":")[0]
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    if not {AUTHENTICATED, _UNAUTHENTICATED} & set(groups):
        groups = (*groups, _UNAUTHENTICATED if wanted.name == ANONYMOUS.name else AUTHENTICATED)
    return replace(wanted, groups=groups)
