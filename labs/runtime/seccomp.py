"""Seccomp profiles of the node, read as containerd and runc read them; bubblewrap applies none.

A file that is missing or no profile ends the container's creation in containerd's words, one with an unknown
action its start in runc's.
"""

import json
import os
from typing import Any

from cri_api.v1 import api_pb2 as cri

from labs.golang import gojson, pem
from labs.runtime.errors import CriError
from labs.runtime.nodefs import NodeFiles

#: Of a profile's size, in bytes; real ones have some ten thousand.
_LIMIT = 1 << 20
_CREATE = "failed to create containerd container"
_START = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
    "runc create failed"
)
_TYPES = {str: "string", bool: "bool", int: "number", float: "number", list: "array"}
#: What libseccomp can do with a call (`libcontainer/seccomp`).
_ACTIONS = {
    *("SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_ERRNO", "SCMP_ACT_TRAP"),
    *("SCMP_ACT_ALLOW", "SCMP_ACT_TRACE", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY"),
}


def check_readable(files: NodeFiles, security: Any) -> None:
    """Raises CriError for a profile that cannot be read."""
    if path := _path(security):
        _read(files, path)


def check_actions(files: NodeFiles, security: Any) -> None:
    """Raises CriError for a profile that names an action which there is not."""
    if not (path := _path(security)):
        return
    try:
        profile = _read(files, path)
    except CriError:
        return  # it could be read when the container was created, and that is what counts
    rules = profile.get("syscalls") or []
    for action in (profile.get("defaultAction", ""), *(rule.get("action", "") for rule in rules)):
        if action not in _ACTIONS:
            raise CriError(f"{_START}: string {action} is not a valid action for seccomp: unknown")


def _path(security: Any) -> str:
    local = security.seccomp.profile_type == cri.SecurityProfile.Localhost
    return str(security.seccomp.localhost_ref) if local else ""


def _read(files: NodeFiles, path: str) -> dict[str, Any]:
    try:
        descriptor = files.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            text = file.read(_LIMIT)
    except OSError as error:
        why = pem.unreadable(path, error)
        raise CriError(f'{_CREATE}: cannot load seccomp profile "{path}": {why}') from None
    try:
        return _profile(text)
    except ValueError as error:
        raise CriError(f'{_CREATE}: decoding seccomp profile failed "{path}": {error}') from None


def _profile(text: bytes) -> dict[str, Any]:
    """Raises ValueError with Go's words."""
    try:
        profile = json.loads(text.decode("utf-8", "replace"))
    except json.JSONDecodeError as error:
        raise ValueError(gojson.syntax_error(error, text)) from None
    except RecursionError:
        raise ValueError("exceeded max depth") from None
    if not isinstance(profile, dict):
        raise ValueError(_mismatch(profile, "value of type specs.LinuxSeccomp"))
    default = profile.get("defaultAction", "")
    if not isinstance(default, str):
        field = "LinuxSeccomp.defaultAction of type specs.LinuxSeccompAction"
        raise ValueError(_mismatch(default, f"struct field {field}"))
    rules = profile.get("syscalls") or []
    if not isinstance(rules, list):
        raise ValueError(_mismatch(rules, "struct field LinuxSeccomp.syscalls of type []specs.LinuxSyscall"))
    for rule in rules:
        if not isinstance(rule, dict):
            raise ValueError(_mismatch(rule, "struct field LinuxSeccomp.syscalls of type specs.LinuxSyscall"))
    return profile


def _mismatch(value: object, place: str) -> str:
    return f"json: cannot unmarshal {_TYPES.get(type(value), 'object')} into Go {place}"
