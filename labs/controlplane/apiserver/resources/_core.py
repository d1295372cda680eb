"""The core group."""

from __future__ import annotations

from ..strategies import (
    ConfigMapStrategy,
    EndpointsStrategy,
    EventStrategy,
    LimitRangeStrategy,
    NamespaceStrategy,
    NodeStrategy,
    PersistentVolumeClaimStrategy,
    PersistentVolumeStrategy,
    PodStrategy,
    PodTemplateStrategy,
    ReplicationControllerStrategy,
    ResourceQuotaStrategy,
    SecretStrategy,
    ServiceAccountStrategy,
    ServiceStrategy,
)
from ._types import ALL_VERBS, SCALE, Resource, Subresource, status

_CONNECT = ("create", "get")
_PROXY = ("create", "delete", "get", "patch", "update")
_POD_SUBRESOURCES = (
    Subresource("attach", "PodAttachOptions", _CONNECT),
    Subresource("binding", "Binding", ("create",)),
    Subresource("ephemeralcontainers", "Pod"),
    Subresource("eviction", "Eviction", ("create",), "policy", "v1"),
    Subresource("exec", "PodExecOptions", _CONNECT),
    Subresource("log", "Pod", ("get",)),
    Subresource("portforward", "PodPortForwardOptions", _CONNECT),
    Subresource("proxy", "PodProxyOptions", _PROXY),
    status("Pod"),
)
_TOKEN = Subresource("token", "TokenRequest", ("create",), "authentication.k8s.io", "v1")
EVENT_FIELDS = (
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

CORE = (
    Resource("componentstatuses", "ComponentStatus", namespaced=False, short=("cs",), verbs=("get", "list"),
             deprecated="v1.19+"),
    Resource("configmaps", "ConfigMap", strategy=ConfigMapStrategy(), short=("cm",)),
    Resource("endpoints", "Endpoints", strategy=EndpointsStrategy(), short=("ep",),
             folder="services/endpoints", deprecated="v1.33+; use discovery.k8s.io/v1 EndpointSlice"),
    Resource("events", "Event", strategy=EventStrategy(), short=("ev",), selectable=EVENT_FIELDS),
    Resource("limitranges", "LimitRange", strategy=LimitRangeStrategy(), short=("limits",)),
    Resource("namespaces", "Namespace", namespaced=False, strategy=NamespaceStrategy(), short=("ns",),
             selectable=("status.phase",),
             subresources=(Subresource("finalize", "Namespace", ("update",)), status("Namespace")),
             verbs=tuple(verb for verb in ALL_VERBS if verb != "deletecollection")),
    Resource("nodes", "Node", namespaced=False, strategy=NodeStrategy(), short=("no",), folder="minions",
             selectable=("spec.unschedulable",),
             subresources=(Subresource("proxy", "NodeProxyOptions", _PROXY), status("Node"))),
    Resource("persistentvolumeclaims", "PersistentVolumeClaim", strategy=PersistentVolumeClaimStrategy(),
             short=("pvc",), subresources=(status("PersistentVolumeClaim"),)),
    Resource("persistentvolumes", "PersistentVolume", namespaced=False, strategy=PersistentVolumeStrategy(),
             short=("pv",), subresources=(status("PersistentVolume"),)),
    Resource("pods", "Pod", strategy=PodStrategy(), short=("po",), categories=("all",),
             selectable=_POD_FIELDS, subresources=_POD_SUBRESOURCES),
    Resource("podtemplates", "PodTemplate", strategy=PodTemplateStrategy()),
    Resource("replicationcontrollers", "ReplicationController", strategy=ReplicationControllerStrategy(),
             short=("rc",), categories=("all",), folder="controllers", selectable=("status.replicas",),
             subresources=(SCALE, status("ReplicationController"))),
    Resource("resourcequotas", "ResourceQuota", strategy=ResourceQuotaStrategy(), short=("quota",),
             subresources=(status("ResourceQuota"),)),
    Resource("secrets", "Secret", strategy=SecretStrategy(), selectable=("type",)),
    Resource("serviceaccounts", "ServiceAccount", strategy=ServiceAccountStrategy(), short=("sa",),
             subresources=(_TOKEN,)),
    Resource("services", "Service", strategy=ServiceStrategy(), short=("svc",), categories=("all",),
             folder="services/specs", selectable=("spec.clusterIP", "spec.type"),
             subresources=(status("Service"),)),
)  # fmt: skip
