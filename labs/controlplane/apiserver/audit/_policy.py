"""What of a request is recorded, by an `audit.k8s.io/v1` Policy file (`k8s.io/apiserver/pkg/audit/policy`).

Rules are tried in order, the first that matches decides; no match records nothing. A file that cannot be
used ends the server with the words of the real one; a field nobody knows is only warned of.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from labs.controlplane import klog

from ..context import Target, User
from ..options import InvalidOptions
from ._yaml import YAMLError, load

VERSION, KIND = "audit.k8s.io/v1", "Policy"
STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")
_SCHEME = "k8s.io/apiserver/pkg/audit/scheme.go:30"
_GROUP = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_GROUP_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    f"'{_GROUP.pattern}')"
)


class Level(IntEnum):
    """How much of a request is kept."""

    NONE = 0
    METADATA = 1
    REQUEST = 2
    REQUEST_RESPONSE = 3

    @property
    def word(self) -> str:
        return _WORDS[self]


_WORDS = ("None", "Metadata", "Request", "RequestResponse")


@dataclass(frozen=True)
class Decision:
    """What is recorded of one request."""

    level: Level = Level.NONE
    omit_stages: frozenset[str] = frozenset()

    def wants(self, stage: str) -> bool:
        return self.level > Level.NONE and stage not in self.omit_stages


@dataclass(frozen=True)
class GroupResources:
    """Resources of one API group; none named means all."""

    group: str = ""
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def matches(self, target: Target) -> bool:
        if self.group not in (target.group, "*"):
            return False
        if not self.resources:
            return True
        if self.names and target.name not in self.names:
            return False
        full = f"{target.resource}/{target.subresource}" if target.subresource else target.resource
        wanted = {full, "*", f"{target.resource}/*"}
        if target.subresource:
            wanted.add(f"*/{target.subresource}")
        return not wanted.isdisjoint(self.resources)


@dataclass(frozen=True)
class Rule:
    """One rule; what it leaves empty matches everything."""

    decision: Decision
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    resources: tuple[GroupResources, ...] = ()
    urls: tuple[str, ...] = ()

    def matches(self, user: User, target: Target) -> bool:
        if self.users and user.name not in self.users:
            return False
        if self.groups and not set(self.groups) & set(user.groups):
            return False
        if self.verbs and target.verb not in self.verbs:
            return False
        if self.namespaces or self.resources:
            inside = not self.namespaces or target.namespace in self.namespaces
            meant = not self.resources or any(r.matches(target) for r in self.resources)
            return target.is_resource and inside and meant
        if self.urls:
            return not target.is_resource and any(_path_matches(target.path, url) for url in self.urls)
        return True


def _path_matches(path: str, url: str) -> bool:
    return url in ("*", path) or (url.endswith("*") and path.startswith(url.rstrip("*")))


@dataclass(frozen=True)
class Policy:
    """Rules in their order."""

    rules: tuple[Rule, ...]

    @classmethod
    def load(cls, path: str) -> Policy:
        """The policy in a file. Raises `InvalidOptions`."""
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            why = f"open {path}: {(error.strerror or str(error)).lower()}"
            raise InvalidOptions(
                f'loading audit policy file: failed to read file path "{path}": {why}'
            ) from None
        try:
            return cls._of(_decode(data))
        except PolicyError as error:
            raise InvalidOptions(f"loading audit policy file: {error}: from file {path}") from None

    @classmethod
    def _of(cls, document: dict[str, Any]) -> Policy:
        faults = list(_faults(document))
        if faults:
            raise PolicyError(faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]")
        if not document.get("rules"):
            raise PolicyError("loaded illegal policy with 0 rules")
        stages = frozenset(document.get("omitStages", ()))
        return cls(tuple(_rule(rule, stages) for rule in document["rules"]))

    def decide(self, user: User, target: Target) -> Decision:
        """The first matching rule's word."""
        return next((r.decision for r in self.rules if r.matches(user, target)), Decision())


class PolicyError(Exception):
    """A policy that cannot be used."""


def _rule(rule: dict[str, Any], stages: frozenset[str]) -> Rule:
    """One rule. `omitManagedFields` needs nothing: this server's objects have none."""
    level = Level(_WORDS.index(rule["level"]))
    decision = Decision(level, stages | frozenset(rule.get("omitStages", ())))
    resources = tuple(
        GroupResources(r.get("group", ""), tuple(r.get("resources", ())), tuple(r.get("resourceNames", ())))
        for r in rule.get("resources", ())
    )
    names = ("users", "userGroups", "verbs", "namespaces")
    users, groups, verbs, namespaces = (tuple(rule.get(name, ())) for name in names)
    return Rule(decision, users, groups, verbs, namespaces, resources, tuple(rule.get("nonResourceURLs", ())))


#: type -> field -> type of its value; `[]T` is a list.
_FIELDS = {
    "Policy": {
        "apiVersion": "string", "kind": "string", "metadata": "any", "rules": "[]PolicyRule",
        "omitStages": "[]string", "omitManagedFields": "bool",
    },
    "PolicyRule": {
        "level": "string", "users": "[]string", "userGroups": "[]string", "verbs": "[]string",
        "resources": "[]GroupResources", "namespaces": "[]string", "nonResourceURLs": "[]string",
        "omitStages": "[]string", "omitManagedFields": "bool",
    },
    "GroupResources": {"group": "string", "resources": "[]string", "resourceNames": "[]string"},
}  # fmt: skip
#: What Go calls these types in its messages.
_GO = {"Level": "v1.Level", "PolicyRule": "v1.PolicyRule", "GroupResources": "v1.GroupResources"}


def _decode(data: bytes) -> dict[str, Any]:
    try:
        document = load(data)
    except YAMLError as error:
        raise PolicyError(f"failed decoding: {error}") from None
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise PolicyError(
            f"failed decoding: couldn't get version/kind; json parse error: json: cannot unmarshal "
            f"{_json_kind(document)} into Go value of type struct {{ APIVersion string "
            '"json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
        )
    version, kind = document.get("apiVersion") or "", document.get("kind") or KIND
    if version and (version, kind) != (VERSION, KIND):
        raise PolicyError(
            f'failed decoding: no kind "{kind}" is registered for version "{version}" in scheme "{_SCHEME}"'
        )
    unknown: list[str] = []
    policy: dict[str, Any] = _conform(document, "Policy", "Policy", "", unknown)
    if unknown:
        named = ", ".join(f'unknown field "{path}"' for path in unknown)
        klog.warning(
            "reader.go:81",
            f"Audit policy contains errors, falling back to lenient decoding: strict decoding error: {named}",
        )
    if not version:
        raise PolicyError("unknown group version field audit.k8s.io/__internal, Kind=Policy in policy")
    return policy


def _conform(value: Any, expected: str, owner: str, path: str, unknown: list[str]) -> Any:
    """The value with known fields only. Raises `PolicyError` for a wrong type, in Go's words."""
    if expected.startswith("[]") and isinstance(value, list):
        return [_conform(v, expected[2:], owner, f"{path}[{i}]", unknown) for i, v in enumerate(value)]
    if expected in _FIELDS and isinstance(value, dict):
        fields = _FIELDS[expected]
        below = {key: f"{path}.{key}".lstrip(".") for key in value}
        unknown += [below[key] for key in value if key not in fields]
        return {
            key: _conform(each, fields[key], expected, below[key], unknown)
            for key, each in value.items()
            if key in fields and each is not None
        }
    if expected == "any" or type(value) is {"string": str, "bool": bool}.get(expected):
        return value
    plain = re.sub(r"\[\d+\]", "", path)
    item = expected.removeprefix("[]")
    go = f"{expected.removesuffix(item)}{_GO.get(item, item)}"
    if path.endswith(".level"):
        go = _GO["Level"]
    raise PolicyError(
        f"failed decoding: json: cannot unmarshal {_json_kind(value)} into Go struct field "
        f"{owner}.{plain} of type {go}"
    )


def _json_kind(value: object) -> str:
    kinds: dict[type, str] = {bool: "bool", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "number")


def _faults(policy: dict[str, Any]) -> Iterable[str]:
    """`validation.ValidatePolicy`."""
    yield from _stage_faults(policy.get("omitStages", ()), "omitStages")
    for index, rule in enumerate(policy.get("rules", ())):
        path = f"rules[{index}]"
        level = rule.get("level", "")
        if not level:
            yield f"{path}.level: Required value"
        elif level not in _WORDS:
            supported = ", ".join(json.dumps(word) for word in _WORDS)
            yield f"{path}.level: Unsupported value: {json.dumps(level)}: supported values: {supported}"
        urls = rule.get("nonResourceURLs", ())
        yield from _url_faults(urls, f"{path}.nonResourceURLs")
        for each in rule.get("resources", ()):
            yield from _resource_faults(each, f"{path}.resources")
        yield from _stage_faults(rule.get("omitStages", ()), f"{path}.omitStages")
        if urls and (rule.get("resources") or rule.get("namespaces")):
            why = "rules cannot apply to both regular resources and non-resource URLs"
            yield _invalid(f"{path}.nonResourceURLs", urls, why)


def _invalid(path: str, value: object, why: str) -> str:
    shown = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return f"{path}: Invalid value: {shown}: {why}"


def _url_faults(urls: Iterable[str], path: str) -> Iterable[str]:
    for index, url in enumerate(urls):
        if url == "*":
            continue
        if not url.startswith("/"):
            yield _invalid(f"{path}[{index}]", url, "non-resource URL rules must begin with a '/' character")
        if "*" in url[:-1]:
            why = "non-resource URL wildcards '*' must be the final character of the rule"
            yield _invalid(f"{path}[{index}]", url, why)


def _resource_faults(each: dict[str, Any], path: str) -> Iterable[str]:
    group = each.get("group", "")
    if group not in ("", "*") and not _GROUP.fullmatch(group):
        yield _invalid(f"{path}.group", group, _GROUP_TEXT)
    if each.get("resourceNames") and not each.get("resources"):
        why = "using resourceNames requires at least one resource"
        yield _invalid(f"{path}.resourceNames", each["resourceNames"], why)


def _stage_faults(stages: Iterable[str], path: str) -> Iterable[str]:
    for index, stage in enumerate(stages):
        if stage not in STAGES:
            yield _invalid(f"{path}[{index}]", stage, f"allowed stages are {','.join(STAGES)}")
