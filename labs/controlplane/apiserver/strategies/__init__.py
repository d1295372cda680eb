"""Per-kind behaviour: defaults, what a client may set, what may change, how it is deleted."""

from ._admission import WebhooksStrategy
from ._base import PLAIN, Strategy
from ._batch import CronJobStrategy, JobStrategy
from ._certificates import CertificateSigningRequestStrategy
from ._events import EventStrategy, NewEventStrategy
from ._limits import (
    HorizontalPodAutoscalerStrategy,
    LimitRangeStrategy,
    PodDisruptionBudgetStrategy,
    ResourceQuotaStrategy,
    RuntimeClassStrategy,
)
from ._network import (
    EndpointSliceStrategy,
    EndpointsStrategy,
    IngressClassStrategy,
    IngressStrategy,
    IPAddressStrategy,
    NetworkPolicyStrategy,
    ServiceCIDRStrategy,
    ServiceStrategy,
)
from ._pods import PodStrategy
from ._rbac import ClusterRoleBindingStrategy, ClusterRoleStrategy, RoleBindingStrategy, RoleStrategy
from ._records import (
    ConfigMapStrategy,
    LeaseStrategy,
    NamespaceStrategy,
    NodeStrategy,
    PriorityClassStrategy,
    RecordStrategy,
    SecretStrategy,
    ServiceAccountStrategy,
    SpecStrategy,
)
from ._storage import (
    CSIDriverStrategy,
    CSINodeStrategy,
    PersistentVolumeClaimStrategy,
    PersistentVolumeStrategy,
    StorageClassStrategy,
)
from ._workloads import (
    ControllerRevisionStrategy,
    DaemonSetStrategy,
    DeploymentStrategy,
    PodTemplateStrategy,
    ReplicaSetStrategy,
    ReplicationControllerStrategy,
    StatefulSetStrategy,
)

__all__ = [
    "PLAIN",
    "CSIDriverStrategy",
    "CSINodeStrategy",
    "CertificateSigningRequestStrategy",
    "ClusterRoleBindingStrategy",
    "ClusterRoleStrategy",
    "ConfigMapStrategy",
    "ControllerRevisionStrategy",
    "CronJobStrategy",
    "DaemonSetStrategy",
    "DeploymentStrategy",
    "EndpointSliceStrategy",
    "EndpointsStrategy",
    "EventStrategy",
    "HorizontalPodAutoscalerStrategy",
    "IPAddressStrategy",
    "IngressClassStrategy",
    "IngressStrategy",
    "JobStrategy",
    "LeaseStrategy",
    "LimitRangeStrategy",
    "NamespaceStrategy",
    "NetworkPolicyStrategy",
    "NewEventStrategy",
    "NodeStrategy",
    "PersistentVolumeClaimStrategy",
    "PersistentVolumeStrategy",
    "PodDisruptionBudgetStrategy",
    "PodStrategy",
    "PodTemplateStrategy",
    "PriorityClassStrategy",
    "RecordStrategy",
    "ReplicaSetStrategy",
    "ReplicationControllerStrategy",
    "ResourceQuotaStrategy",
    "RoleBindingStrategy",
    "RoleStrategy",
    "RuntimeClassStrategy",
    "SecretStrategy",
    "ServiceAccountStrategy",
    "ServiceCIDRStrategy",
    "ServiceStrategy",
    "SpecStrategy",
    "StatefulSetStrategy",
    "StorageClassStrategy",
    "Strategy",
    "WebhooksStrategy",
]
