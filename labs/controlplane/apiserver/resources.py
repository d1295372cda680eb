"""The kinds that are served: a line each, and their storage prefix, schema and strategy."""

from __future__ import annotations

from dataclasses import dataclass, field

from .strategies import (
    PLAIN,
    ConfigMapStrategy,
    EndpointsStrategy,
    EventStrategy,
    LeaseStrategy,
    NamespaceStrategy,
    NodeStrategy,
    PodStrategy,
    PriorityClassStrategy,
    SecretStrategy,
    ServiceStrategy,
    Strategy,
)

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CORE = "io.k8s.api.core.v1."


@dataclass(frozen=True)
class Subresource:
    """A part of an object, or an action on it, with its own path below the object's."""

    name: str
    kind: str
    verbs: tuple[str, ...]
    group: str = ""
    version: str = ""


@dataclass(frozen=True)
class Resource:
    """A kind and how it is served."""

    plural: str
    kind: str
    group: str
    version: str
    namespaced: bool
    schema: str
    prefix: str
    strategy: Strategy = PLAIN
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    #: Field labels that `--field-selector` takes, besides metadata.name and metadata.namespace.
    selectable: tuple[str, ...] = field(default=())

    @property
    def group_version(self) -> str:
        """As in `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        """The name `kubectl` also takes."""
        return self.kind.lower()

    def key(self, namespace: str, name: str) -> str:
        """Where an object of this kind is stored."""
        return f"{self.prefix}/{namespace}/{name}" if self.namespaced else f"{self.prefix}/{name}"

    def key_prefix(self, namespace: str) -> str:
        """What all keys begin with: of one namespace, or with "" of all."""
        return f"{self.prefix}/{namespace}/" if self.namespaced and namespace else f"{self.prefix}/"

    def subresource(self, name: str) -> Subresource | None:
        """The subresource of that name."""
        return next((sub for sub in self.subresources if sub.name == name), None)


def _status(kind: str) -> Subresource:
    return Subresource("status", kind, ("get", "patch", "update"))


_TOKEN = Subresource("token", "TokenRequest", ("create",), "authentication.k8s.io", "v1")
_CONNECT = ("create", "get")
_PROXY = ("create", "delete", "get", "patch", "update")
_POD_SUBRESOURCES = (
    Subresource("attach", "PodAttachOptions", _CONNECT),
    Subresource("binding", "Binding", ("create",)),
    Subresource("eviction", "Eviction", ("create",), "policy", "v1"),
    Subresource("exec", "PodExecOptions", _CONNECT),
    Subresource("log", "Pod", ("get",)),
    Subresource("portforward", "PodPortForwardOptions", _CONNECT),
    Subresource("proxy", "PodProxyOptions", _PROXY),
    _status("Pod"),
)
_EVENT_FIELDS = (
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
)
_POD_FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.podIPs",
    "status.nominatedNodeName",
)

RESOURCES: tuple[Resource, ...] = (
    Resource("configmaps", "ConfigMap", "", "v1", True, CORE + "ConfigMap", "/registry/configmaps",
             ConfigMapStrategy(), short=("cm",)),
    Resource("endpoints", "Endpoints", "", "v1", True, CORE + "Endpoints", "/registry/services/endpoints",
             EndpointsStrategy(), short=("ep",)),
    Resource("events", "Event", "", "v1", True, CORE + "Event", "/registry/events",
             EventStrategy(), short=("ev",), selectable=_EVENT_FIELDS),
    Resource("namespaces", "Namespace", "", "v1", False, CORE + "Namespace", "/registry/namespaces",
             NamespaceStrategy(), short=("ns",), selectable=("status.phase",),
             subresources=(Subresource("finalize", "Namespace", ("update",)), _status("Namespace")),
             verbs=("create", "delete", "get", "list", "patch", "update", "watch")),
    Resource("nodes", "Node", "", "v1", False, CORE + "Node", "/registry/minions",
             NodeStrategy(), short=("no",), selectable=("spec.unschedulable",),
             subresources=(Subresource("proxy", "NodeProxyOptions", _PROXY), _status("Node"))),
    Resource("pods", "Pod", "", "v1", True, CORE + "Pod", "/registry/pods",
             PodStrategy(), short=("po",), categories=("all",), selectable=_POD_FIELDS,
             subresources=_POD_SUBRESOURCES),
    Resource("secrets", "Secret", "", "v1", True, CORE + "Secret", "/registry/secrets",
             SecretStrategy(), selectable=("type",)),
    Resource("serviceaccounts", "ServiceAccount", "", "v1", True, CORE + "ServiceAccount",
             "/registry/serviceaccounts", short=("sa",),
             subresources=(_TOKEN,)),
    Resource("services", "Service", "", "v1", True, CORE + "Service", "/registry/services/specs",
             ServiceStrategy(), short=("svc",), categories=("all",),
             selectable=("spec.clusterIP", "spec.type"),
             subresources=(_status("Service"),)),
    Resource("leases", "Lease", "coordination.k8s.io", "v1", True, "io.k8s.api.coordination.v1.Lease",
             "/registry/leases", LeaseStrategy()),
    Resource("events", "Event", "events.k8s.io", "v1", True, "io.k8s.api.events.v1.Event", "/registry/events",
             EventStrategy(), short=("ev",), selectable=_EVENT_FIELDS),
    Resource("priorityclasses", "PriorityClass", "scheduling.k8s.io", "v1", False,
             "io.k8s.api.scheduling.v1.PriorityClass", "/registry/priorityclasses",
             PriorityClassStrategy(), short=("pc",)),
)  # fmt: skip

BY_PATH: dict[tuple[str, str, str], Resource] = {(r.group, r.version, r.plural): r for r in RESOURCES}


def core(plural: str) -> Resource:
    """A resource of the core group, by the name that is known to be served."""
    return BY_PATH["", "v1", plural]
