"""What of a request is recorded, by an `audit.k8s.io/v1` Policy file (`k8s.io/apiserver/pkg/audit/policy`).

Rules are tried in order, the first that matches decides; no match records nothing. A file that cannot be
used ends the server with the words of the real one; a field nobody knows is only warned of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from labs.controlplane import klog
from labs.golang import pem
from labs.golang.configfile import ConfigError, Format, invalid, required, strict_faults, unsupported
from labs.golang.errors import aggregate

from ..context import Target, User
from ..options import InvalidOptions

VERSION, KIND = "audit.k8s.io/v1", "Policy"
STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")
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
            data = pem.read(path)
        except pem.PEMError as error:
            raise InvalidOptions(
                f'loading audit policy file: failed to read file path "{path}": {error}'
            ) from None
        try:
            return cls._of(_decode(data))
        except PolicyError as error:
            raise InvalidOptions(f"loading audit policy file: {error}: from file {path}") from None

    @classmethod
    def _of(cls, document: dict[str, Any]) -> Policy:
        faults = list(_faults(document))
        if faults:
            raise PolicyError(aggregate(faults))
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


_FORMAT = Format(
    VERSION,
    KIND,
    {
        "Policy": {
            "metadata": "any", "rules": "[]PolicyRule",
            "omitStages": "[]string", "omitManagedFields": "bool",
        },
        "PolicyRule": {
            "level": "string", "users": "[]string", "userGroups": "[]string", "verbs": "[]string",
            "resources": "[]GroupResources", "namespaces": "[]string", "nonResourceURLs": "[]string",
            "omitStages": "[]string", "omitManagedFields": "bool",
        },
        "GroupResources": {"group": "string", "resources": "[]string", "resourceNames": "[]string"},
    },
    "k8s.io/apiserver/pkg/audit/scheme.go:30",
    {"level": "v1.Level", "PolicyRule": "v1.PolicyRule", "GroupResources": "v1.GroupResources"},
    kind_optional=True,
)  # fmt: skip


def _decode(data: bytes) -> dict[str, Any]:
    try:
        policy, unknown = _FORMAT.decode(data)
    except ConfigError as error:
        raise PolicyError(f"failed decoding: {error}") from None
    if faults := strict_faults(data, unknown):
        klog.warning(
            "reader.go:81", f"Audit policy contains errors, falling back to lenient decoding: {faults}"
        )
    if not policy.get("apiVersion"):
        raise PolicyError("unknown group version field audit.k8s.io/__internal, Kind=Policy in policy")
    return policy


def _faults(policy: dict[str, Any]) -> Iterable[str]:
    """`validation.ValidatePolicy`."""
    yield from _stage_faults(policy.get("omitStages", ()), "omitStages")
    for index, rule in enumerate(policy.get("rules", ())):
        path = f"rules[{index}]"
        level = rule.get("level", "")
        if not level:
            yield required(f"{path}.level")
        elif level not in _WORDS:
            yield unsupported(f"{path}.level", level, _WORDS)
        urls = rule.get("nonResourceURLs", ())
        yield from _url_faults(urls, f"{path}.nonResourceURLs")
        for each in rule.get("resources", ()):
            yield from _resource_faults(each, f"{path}.resources")
        yield from _stage_faults(rule.get("omitStages", ()), f"{path}.omitStages")
        if urls and (rule.get("resources") or rule.get("namespaces")):
            why = "rules cannot apply to both regular resources and non-resource URLs"
            yield invalid(f"{path}.nonResourceURLs", urls, why)


def _url_faults(urls: Iterable[str], path: str) -> Iterable[str]:
    for index, url in enumerate(urls):
        if url == "*":
            continue
        if not url.startswith("/"):
            yield invalid(f"{path}[{index}]", url, "non-resource URL rules must begin with a '/' character")
        if "*" in url[:-1]:
            why = "non-resource URL wildcards '*' must be the final character of the rule"
            yield invalid(f"{path}[{index}]", url, why)


def _resource_faults(each: dict[str, Any], path: str) -> Iterable[str]:
    group = each.get("group", "")
    if group not in ("", "*") and not _GROUP.fullmatch(group):
        yield invalid(f"{path}.group", group, _GROUP_TEXT)
    if each.get("resourceNames") and not each.get("resources"):
        why = "using resourceNames requires at least one resource"
        yield invalid(f"{path}.resourceNames", each["resourceNames"], why)


def _stage_faults(stages: Iterable[str], path: str) -> Iterable[str]:
    for index, stage in enumerate(stages):
        if stage not in STAGES:
            yield invalid(f"{path}[{index}]", stage, f"allowed stages are {','.join(STAGES)}")
