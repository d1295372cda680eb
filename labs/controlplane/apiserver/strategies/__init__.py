"""Per-kind behaviour: defaults, what a client may set, what may change, how it is deleted."""

from ._admission import WebhooksStrategy
from ._base import PLAIN, Strategy
from ._batch import CronJobStrategy, JobStrategy
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
    IngressStrategy,
    NetworkPolicyStrategy,
    ServiceStrategy,
)
from ._pods import PodStrategy
from ._rbac import ClusterRoleBindingStrategy, ClusterRoleStrategy, RoleBindingStrategy, RoleStrategy
from ._records import (
    ConfigMapStrategy,
    CountedRecordStrategy,
    EventStrategy,
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
    "ClusterRoleBindingStrategy",
    "ClusterRoleStrategy",
    "ConfigMapStrategy",
    "ControllerRevisionStrategy",
    "CountedRecordStrategy",
    "CronJobStrategy",
    "DaemonSetStrategy",
    "DeploymentStrategy",
    "EndpointSliceStrategy",
    "EndpointsStrategy",
    "EventStrategy",
    "HorizontalPodAutoscalerStrategy",
    "IngressStrategy",
    "JobStrategy",
    "LeaseStrategy",
    "LimitRangeStrategy",
    "NamespaceStrategy",
    "NetworkPolicyStrategy",
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
    "ServiceStrategy",
    "SpecStrategy",
    "StatefulSetStrategy",
    "StorageClassStrategy",
    "Strategy",
    "WebhooksStrategy",
]
