"""What a pod's annotations once decided: profiles and tolerations (`ValidatePodSpecificAnnotations`)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from labs.core.field import Findings
from labs.core.validation.paths import check_descending
from labs.core.validation.scheduling import check_tolerations
from labs.golang import gojson

Object = dict[str, Any]
MIRROR = "kubernetes.io/config.mirror"
_TOLERATIONS = "scheduler.alpha.kubernetes.io/tolerations"
_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_LOCAL = "localhost/"
_SECCOMP = {"RuntimeDefault": ("runtime/default", "docker/default"), "Unconfined": ("unconfined",)}
_APPARMOR = {"RuntimeDefault": ("runtime/default",), "Unconfined": ("unconfined",)}


def check_pod_annotations(found: Findings, path: str, annotations: dict[str, str], spec: Object) -> None:
    """Annotations that mean something in a pod; `path` is theirs."""
    if MIRROR in annotations and not spec.get("nodeName"):
        why = "must set spec.nodeName if mirror pod annotation is set"
        found.invalid(f"{path}[{MIRROR}]", annotations[MIRROR], why)
    if annotations.get(_TOLERATIONS):
        _tolerations(found, path, annotations[_TOLERATIONS])
    if (cost := annotations.get(_DELETION_COST)) is not None and not _is_int32(cost):
        found.invalid(f"{path}[{_DELETION_COST}]", cost, "must be a 32bit integer")
    of_containers = [key for key in annotations if key.startswith(SECCOMP_CONTAINER)]
    for key in [SECCOMP_POD, *of_containers] if SECCOMP_POD in annotations else of_containers:
        _seccomp(found, f"{path}.{key}", annotations[key])
    names = {container.get("name") for _, container in containers_of(spec, "")}
    for key, value in annotations.items():
        if not key.startswith(APPARMOR):
            continue
        if (name := key.removeprefix(APPARMOR)) not in names:
            found.invalid(f"{path}[{key}]", name, "container not found")
        if value not in ("", "runtime/default", "unconfined") and not value.startswith(_LOCAL):
            found.invalid(f"{path}[{key}]", value, f'invalid AppArmor profile name: "{value}"')


def containers_of(spec: Object, path: str) -> Iterator[tuple[str, Object]]:
    """All containers with their paths, in the order in which Kubernetes visits them."""
    for part in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(part) or []):
            yield f"{path}.{part}[{index}]", container


def _tolerations(found: Findings, path: str, text: str) -> None:
    try:
        tolerations = json.loads(text)
    except json.JSONDecodeError as error:
        found.invalid(path, _TOLERATIONS, gojson.syntax_error(error, text.encode()))
        return
    if isinstance(tolerations, list) and all(isinstance(toleration, dict) for toleration in tolerations):
        check_tolerations(found, f"{path}.{_TOLERATIONS}", tolerations)
    elif tolerations is not None:
        kind = gojson.kind(tolerations)
        why = f"json: cannot unmarshal {kind} into Go value of type []core.Toleration"
        found.invalid(path, _TOLERATIONS, why)


def _is_int32(text: str) -> bool:
    return bool(re.fullmatch(r"-[0-9]{1,10}|0|[1-9][0-9]{0,9}", text)) and -(2**31) <= int(text) < 2**31


def _seccomp(found: Findings, path: str, profile: str) -> None:
    if profile.startswith(_LOCAL):
        check_descending(found, path, profile.removeprefix(_LOCAL))
    elif profile not in ("runtime/default", "docker/default", "unconfined"):
        found.invalid(path, profile, "must be a valid seccomp profile")


def check_profiles_match(found: Findings, path: str, annotations: dict[str, str], spec: Object) -> None:
    """A profile that is told twice is told the same; `path` is the spec's."""
    pod = spec.get("securityContext") or {}
    _match(found, f"{path}.securityContext", pod, "seccomp", annotations.get(SECCOMP_POD))
    for here, container in containers_of(spec, path):
        security = container.get("securityContext") or {}
        annotation = annotations.get(SECCOMP_CONTAINER + container.get("name", ""))
        _match(found, f"{here}.securityContext", security, "seccomp", annotation)
    if (spec.get("os") or {}).get("name") == "windows":
        return
    for here, container in containers_of(spec, path):
        security = {**pod, **(container.get("securityContext") or {})}
        annotation = annotations.get(APPARMOR + container.get("name", ""))
        _match(found, f"{here}.securityContext", security, "apparmor", annotation)


def _match(found: Findings, path: str, security: Object, word: str, annotation: str | None) -> None:
    field, known = ("seccompProfile", _SECCOMP) if word == "seccomp" else ("appArmorProfile", _APPARMOR)
    profile = security.get(field)
    if profile is None or annotation is None:
        return
    kind, local = profile.get("type"), annotation.startswith(_LOCAL)
    if (kind in known and annotation not in known[kind]) or (kind == "Localhost" and not local):
        found.forbidden(f"{path}.{field}.type", f"{word} type in annotation and field must match")
    elif kind == "Localhost" and annotation.removeprefix(_LOCAL) != profile.get("localhostProfile"):
        why = f"{word} profile in annotation and field must match"
        found.forbidden(f"{path}.{field}.localhostProfile", why)
