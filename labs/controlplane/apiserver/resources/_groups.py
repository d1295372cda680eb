"""The named groups, in the order in which the real server lists them."""

from __future__ import annotations

from ..strategies import (
    CertificateSigningRequestStrategy,
    ControllerRevisionStrategy,
    CronJobStrategy,
    CSIDriverStrategy,
    CSINodeStrategy,
    DaemonSetStrategy,
    DeploymentStrategy,
    EndpointSliceStrategy,
    HorizontalPodAutoscalerStrategy,
    IngressClassStrategy,
    IngressStrategy,
    IPAddressStrategy,
    JobStrategy,
    LeaseStrategy,
    NetworkPolicyStrategy,
    NewEventStrategy,
    PodDisruptionBudgetStrategy,
    PriorityClassStrategy,
    RecordStrategy,
    ReplicaSetStrategy,
    RuntimeClassStrategy,
    ServiceCIDRStrategy,
    SpecStrategy,
    StatefulSetStrategy,
    StorageClassStrategy,
    WebhooksStrategy,
)
from ._access import REVIEWS, ROLES
from ._core import EVENT_FIELDS
from ._types import SCALE, Resource, Subresource, status

_APPS, _BATCH, _NETWORKING, _STORAGE = "apps", "batch", "networking.k8s.io", "storage.k8s.io"
_ADMISSION, _RESOURCE, _FLOW = (
    "admissionregistration.k8s.io",
    "resource.k8s.io",
    "flowcontrol.apiserver.k8s.io",
)
_EXTENSIONS = ("api-extensions",)
RECORD, SPEC = RecordStrategy(), SpecStrategy()


def _cluster_record(
    group: str, plural: str, kind: str, short: tuple[str, ...] = (), categories: tuple[str, ...] = ()
) -> Resource:
    return Resource(
        plural, kind, group, namespaced=False, strategy=RECORD, short=short, categories=categories
    )


GROUPS = (
    Resource("apiservices", "APIService", "apiregistration.k8s.io", namespaced=False, strategy=SPEC,
             categories=_EXTENSIONS, subresources=(status("APIService"),),
             folder="apiregistration.k8s.io/apiservices",
             package="io.k8s.kube-aggregator.pkg.apis.apiregistration.v1"),
    Resource("controllerrevisions", "ControllerRevision", _APPS, strategy=ControllerRevisionStrategy()),
    Resource("daemonsets", "DaemonSet", _APPS, strategy=DaemonSetStrategy(), short=("ds",),
             categories=("all",), subresources=(status("DaemonSet"),)),
    Resource("deployments", "Deployment", _APPS, strategy=DeploymentStrategy(), short=("deploy",),
             categories=("all",), subresources=(SCALE, status("Deployment"))),
    Resource("replicasets", "ReplicaSet", _APPS, strategy=ReplicaSetStrategy(), short=("rs",),
             categories=("all",), subresources=(SCALE, status("ReplicaSet")),
             selectable=("status.replicas",)),
    Resource("statefulsets", "StatefulSet", _APPS, strategy=StatefulSetStrategy(), short=("sts",),
             categories=("all",), subresources=(SCALE, status("StatefulSet"))),
    Resource("events", "Event", "events.k8s.io", strategy=NewEventStrategy(), short=("ev",),
             selectable=EVENT_FIELDS),
    *REVIEWS,
    Resource("horizontalpodautoscalers", "HorizontalPodAutoscaler", "autoscaling", "v2",
             strategy=HorizontalPodAutoscalerStrategy(), short=("hpa",), categories=("all",),
             subresources=(status("HorizontalPodAutoscaler"),)),
    Resource("cronjobs", "CronJob", _BATCH, strategy=CronJobStrategy(), short=("cj",), categories=("all",),
             subresources=(status("CronJob"),)),
    Resource("jobs", "Job", _BATCH, strategy=JobStrategy(), categories=("all",),
             selectable=("status.successful",), subresources=(status("Job"),)),
    Resource("certificatesigningrequests", "CertificateSigningRequest", "certificates.k8s.io",
             namespaced=False, strategy=CertificateSigningRequestStrategy(), short=("csr",),
             selectable=("spec.signerName",),
             subresources=(Subresource("approval", "CertificateSigningRequest"),
                           status("CertificateSigningRequest"))),
    Resource("ingressclasses", "IngressClass", _NETWORKING, namespaced=False,
             strategy=IngressClassStrategy()),
    Resource("ingresses", "Ingress", _NETWORKING, strategy=IngressStrategy(), short=("ing",),
             folder="ingress", subresources=(status("Ingress"),)),
    Resource("ipaddresses", "IPAddress", _NETWORKING, namespaced=False, strategy=IPAddressStrategy(),
             short=("ip",)),
    Resource("networkpolicies", "NetworkPolicy", _NETWORKING, strategy=NetworkPolicyStrategy(),
             short=("netpol",)),
    Resource("servicecidrs", "ServiceCIDR", _NETWORKING, namespaced=False,
             strategy=ServiceCIDRStrategy(), subresources=(status("ServiceCIDR"),)),
    Resource("poddisruptionbudgets", "PodDisruptionBudget", "policy", strategy=PodDisruptionBudgetStrategy(),
             short=("pdb",), subresources=(status("PodDisruptionBudget"),)),
    *ROLES,
    Resource("csidrivers", "CSIDriver", _STORAGE, namespaced=False, strategy=CSIDriverStrategy()),
    Resource("csinodes", "CSINode", _STORAGE, namespaced=False, strategy=CSINodeStrategy()),
    Resource("csistoragecapacities", "CSIStorageCapacity", _STORAGE, strategy=RECORD),
    Resource("storageclasses", "StorageClass", _STORAGE, namespaced=False, strategy=StorageClassStrategy(),
             short=("sc",)),
    Resource("volumeattachments", "VolumeAttachment", _STORAGE, namespaced=False, strategy=RECORD,
             subresources=(status("VolumeAttachment"),)),
    _cluster_record(_STORAGE, "volumeattributesclasses", "VolumeAttributesClass", short=("vac",)),
    _cluster_record(_ADMISSION, "mutatingadmissionpolicies", "MutatingAdmissionPolicy",
                    categories=_EXTENSIONS),
    _cluster_record(_ADMISSION, "mutatingadmissionpolicybindings", "MutatingAdmissionPolicyBinding",
                    categories=_EXTENSIONS),
    Resource("mutatingwebhookconfigurations", "MutatingWebhookConfiguration", _ADMISSION, namespaced=False,
             strategy=WebhooksStrategy(), categories=_EXTENSIONS),
    Resource("validatingadmissionpolicies", "ValidatingAdmissionPolicy", _ADMISSION, namespaced=False,
             strategy=SPEC, categories=_EXTENSIONS, subresources=(status("ValidatingAdmissionPolicy"),)),
    _cluster_record(_ADMISSION, "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding",
                    categories=_EXTENSIONS),
    Resource("validatingwebhookconfigurations", "ValidatingWebhookConfiguration", _ADMISSION,
             namespaced=False, strategy=WebhooksStrategy(), categories=_EXTENSIONS),
    Resource("priorityclasses", "PriorityClass", "scheduling.k8s.io", namespaced=False,
             strategy=PriorityClassStrategy(), short=("pc",)),
    Resource("leases", "Lease", "coordination.k8s.io", strategy=LeaseStrategy()),
    Resource("runtimeclasses", "RuntimeClass", "node.k8s.io", namespaced=False,
             strategy=RuntimeClassStrategy()),
    Resource("endpointslices", "EndpointSlice", "discovery.k8s.io", strategy=EndpointSliceStrategy()),
    _cluster_record(_RESOURCE, "deviceclasses", "DeviceClass"),
    Resource("resourceclaims", "ResourceClaim", _RESOURCE, strategy=SPEC,
             subresources=(status("ResourceClaim"),)),
    Resource("resourceclaimtemplates", "ResourceClaimTemplate", _RESOURCE, strategy=RECORD),
    _cluster_record(_RESOURCE, "resourceslices", "ResourceSlice"),
    Resource("flowschemas", "FlowSchema", _FLOW, namespaced=False, strategy=SPEC,
             subresources=(status("FlowSchema"),)),
    Resource("prioritylevelconfigurations", "PriorityLevelConfiguration", _FLOW, namespaced=False,
             strategy=SPEC, subresources=(status("PriorityLevelConfiguration"),)),
)  # fmt: skip
