"""What there is to know of a kind that is served."""

from __future__ import annotations

from dataclasses import dataclass

from ..strategies import PLAIN, Strategy

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True)
class Subresource:
    """A part of an object, or an action on it, with its own path below the object's."""

    name: str
    kind: str
    verbs: tuple[str, ...] = ("get", "patch", "update")
    group: str = ""
    version: str = ""


@dataclass(frozen=True)
class Resource:
    """A kind and how it is served."""

    plural: str
    kind: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True
    strategy: Strategy = PLAIN
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    #: Field labels that `--field-selector` takes, besides metadata.name and metadata.namespace.
    selectable: tuple[str, ...] = ()
    #: Since which version one had better not use it, and what instead: said with every answer.
    deprecated: str = ""
    #: Below /registry, where that is not the plural.
    folder: str = ""
    #: The package of its definition, where that does not follow from the group.
    package: str = ""

    @property
    def group_version(self) -> str:
        """As in `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        """The name `kubectl` also takes."""
        return self.kind.lower()

    @property
    def schema(self) -> str:
        """The name of its definition."""
        package = self.package or f"io.k8s.api.{self.group.partition('.')[0] or 'core'}.{self.version}"
        return f"{package}.{self.kind}"

    @property
    def prefix(self) -> str:
        """What all its keys in etcd begin with."""
        return f"/registry/{self.folder or self.plural}"

    def key(self, namespace: str, name: str) -> str:
        """Where an object of this kind is stored."""
        return f"{self.prefix}/{namespace}/{name}" if self.namespaced else f"{self.prefix}/{name}"

    def key_prefix(self, namespace: str) -> str:
        """What all keys begin with: of one namespace, or with "" of all."""
        return f"{self.prefix}/{namespace}/" if self.namespaced and namespace else f"{self.prefix}/"

    def subresource(self, name: str) -> Subresource | None:
        """The subresource of that name."""
        return next((sub for sub in self.subresources if sub.name == name), None)


def status(kind: str) -> Subresource:
    """The subresource by which controllers tell what is."""
    return Subresource("status", kind)


SCALE = Subresource("scale", "Scale", group="autoscaling", version="v1")
