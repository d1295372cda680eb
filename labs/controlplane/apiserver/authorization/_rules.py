"""Rules of roles: what they allow, and whether some cover others.

Mirrors `pkg/apis/rbac/v1/evaluation_helpers.go` and `k8s.io/component-helpers/auth/rbac/validation`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from ..context import Target

ALL = "*"


@dataclass(frozen=True, slots=True)
class Rule:
    """A PolicyRule."""

    verbs: tuple[str, ...]
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()

    @classmethod
    def decode(cls, rule: dict[str, Any]) -> Rule:
        """The rule as it stands in a role."""
        parts = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")
        return cls(*(tuple(rule.get(part) or ()) for part in parts))

    def encode(self) -> dict[str, Any]:
        """The rule as it is written."""
        values = {
            "verbs": self.verbs,
            "apiGroups": self.groups,
            "resources": self.resources,
            "resourceNames": self.names,
            "nonResourceURLs": self.urls,
        }
        return {part: list(value) for part, value in values.items() if value}

    def allows(self, target: Target) -> bool:
        """Whether a request is covered."""
        if target.verb not in self.verbs and ALL not in self.verbs:
            return False
        if not target.is_resource:
            return any(_url_matches(url, target.path) for url in self.urls)
        return (
            (target.group in self.groups or ALL in self.groups)
            and self._allows_resource(target.resource, target.subresource)
            and (not self.names or target.name in self.names)
        )

    def _allows_resource(self, resource: str, subresource: str) -> bool:
        combined = f"{resource}/{subresource}" if subresource else resource
        for pattern in self.resources:
            if pattern in (ALL, combined):
                return True
            if subresource and pattern == f"{ALL}/{subresource}":
                return True
        return False

    def atoms(self) -> Iterator[Rule]:
        """The rule as rules of one verb, group, resource and name each."""
        for url, verb in product(self.urls, self.verbs):
            yield Rule((verb,), urls=(url,))
        for group, resource, verb in product(self.groups, self.resources, self.verbs):
            if not self.names:
                yield Rule((verb,), (group,), (resource,))
            for name in self.names:
                yield Rule((verb,), (group,), (resource,), (name,))

    def covers(self, atom: Rule) -> bool:
        """Whether all that `atom` allows is allowed by this, too."""
        if ALL not in self.verbs and not set(atom.verbs) <= set(self.verbs):
            return False
        if atom.urls:
            return all(any(_url_covers(own, url) for own in self.urls) for url in atom.urls)
        if ALL not in self.groups and not set(atom.groups) <= set(self.groups):
            return False
        if self.names and not (atom.names and set(atom.names) <= set(self.names)):
            return False
        return all(self._covers_resource(resource) for resource in atom.resources)

    def _covers_resource(self, resource: str) -> bool:
        if ALL in self.resources or resource in self.resources:
            return True
        _, slash, subresource = resource.partition("/")
        return bool(slash) and f"{ALL}/{subresource}" in self.resources

    def __str__(self) -> str:
        """As Go's `CompactString` shows a rule."""
        parts = {
            "APIGroups": self.groups,
            "Resources": self.resources,
            "NonResourceURLs": self.urls,
            "ResourceNames": self.names,
            "Verbs": self.verbs,
        }
        shown = [f"{part}:[{' '.join(map(_quote, value))}]" for part, value in parts.items() if value]
        return "{" + ", ".join(shown) + "}"


def uncovered(held: Sequence[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """The atoms of `wanted` that no rule in `held` covers."""
    return [atom for rule in wanted for atom in rule.atoms() if not any(own.covers(atom) for own in held)]


def compacted(rules: Iterable[Rule]) -> list[Rule]:
    """Rules that differ only in their verb, put together."""
    simple: dict[Rule, list[str]] = {}
    for rule in rules:
        key = Rule((), rule.groups, rule.resources, rule.names, rule.urls)
        simple.setdefault(key, []).extend(v for v in rule.verbs if v not in simple.get(key, ()))
    return [
        Rule(tuple(verbs), key.groups, key.resources, key.names, key.urls) for key, verbs in simple.items()
    ]


def _url_matches(pattern: str, path: str) -> bool:
    return pattern in (ALL, path) or (pattern.endswith(ALL) and path.startswith(pattern.rstrip(ALL)))


def _url_covers(own: str, url: str) -> bool:
    return own in (ALL, url) or (own.endswith(ALL) and url.startswith(own.rstrip(ALL)))


def _quote(text: str) -> str:
    return f'"{text}"'
