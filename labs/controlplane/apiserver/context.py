"""What is known about a request while it passes through the server: who asks, and for what."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from labs.controlplane.http import Request

_VERBS = {
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
    "GET": "get",
    "HEAD": "get",
}
#: Below /namespaces/NAME these are parts of the namespace; all else are resources in it.
_NAMESPACE_PARTS = ("status", "finalize")


@dataclass(frozen=True)
class User:
    """Who asks."""

    name: str
    groups: tuple[str, ...]
    extra: dict[str, list[str]] = field(default_factory=dict)
    uid: str = ""

    @property
    def node(self) -> str:
        """The node whose kubelet this is, or ""."""
        prefix = "system:node:"
        return (
            self.name[len(prefix) :] if self.name.startswith(prefix) and "system:nodes" in self.groups else ""
        )


@dataclass(frozen=True)
class Target:
    """What a request is about, read from its path and method alone; mirrors `RequestInfoFactory`."""

    verb: str
    path: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    rest: str = ""
    #: Of a list or watch, as the client wrote it.
    field_selector: str = ""

    @property
    def is_resource(self) -> bool:
        """Whether it is about objects, and not about a path of the server itself."""
        return bool(self.resource)

    @property
    def group_version(self) -> str:
        """As in `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version


def target_of(request: Request) -> Target:
    """What the request is about."""
    parts = [part for part in request.path.split("/") if part]
    verb = _VERBS.get(request.method, request.method.lower())
    if len(parts) >= 3 and parts[0] == "api":
        group, version, parts = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, parts = parts[1], parts[2], parts[3:]
    else:
        return Target(request.method.lower(), request.path)
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in _NAMESPACE_PARTS:
            parts = parts[2:]
    resource, name, subresource = (*parts, "", "", "")[:3]
    if not name and verb == "get":
        verb = "watch" if request.flag("watch") else "list"
    elif not name and verb == "delete":
        verb = "deletecollection"
    selector = request.argument("fieldSelector") if verb in ("list", "watch", "deletecollection") else ""
    if selector and not name:
        name = _exact_name(selector)
    return Target(
        verb,
        request.path,
        group,
        version,
        resource,
        subresource,
        namespace,
        name,
        "/".join(parts[3:]),
        selector,
    )


def _exact_name(selector: str) -> str:
    """The one object that a field selector can mean, or ""."""
    for requirement in selector.split(","):
        field, _, value = requirement.replace("==", "=").partition("=")
        if field == "metadata.name" and value not in ("", ".", "..") and not set(value) & set("/%"):
            return value
    return ""


def _before_its_time(verb: str) -> None:
    """What a request may do is known only when it has been authorized."""
    raise RuntimeError(f"nobody has been asked yet whether a request may {verb}")


@dataclass
class Context:
    """One request on its way."""

    request: Request
    user: User
    target: Target
    #: Who asked to act as `user`.
    impersonator: User | None = None
    #: The authorizer's reason; None where it was not asked.
    decision: tuple[str, str] | None = None
    #: Raises a 403 where the user may not do what else a request turns out to do: this verb on its target.
    permit: Callable[[str], None] = _before_its_time
    #: Sent as `Warning` headers.
    warnings: list[str] = field(default_factory=list)
    #: Told to the audit trail.
    annotations: dict[str, str] = field(default_factory=dict)
    #: What was sent and what is answered, for the audit trail.
    request_object: dict[str, Any] | None = None
    response_object: dict[str, Any] | None = None
    #: The client's own (`Audit-ID`), or a new one.
    audit_id: str = ""

    def __post_init__(self) -> None:
        self.audit_id = self.request.headers.get("audit-id") or str(uuid.uuid4())

    @property
    def field_manager(self) -> str:
        """Who manages the fields that are written: as the client says, or the program it says it is."""
        program = self.request.headers.get("user-agent", "").partition("/")[0]
        return self.request.argument("fieldManager") or program[:128] or "unknown"

    @property
    def dry_run(self) -> bool:
        """Do all but store it."""
        return "All" in self.request.query.get("dryRun", ())
