"""The changes in a cluster that may make room for a pod."""

NODE_ADDED = "NodeAdd"
NODE_ALLOCATABLE = "NodeAllocatableChange"
NODE_LABELS = "NodeLabelChange"
NODE_TAINTS = "NodeTaintChange"
POD_ADDED = "AssignedPodAdd"
POD_DELETED = "AssignedPodDelete"
POD_LABELS = "AssignedPodLabelChange"
POD_ITSELF = "UnscheduledPodUpdate"
NAMESPACE = "NamespaceChange"
#: Pods have waited for long: try them whatever they wait for.
TIMEOUT = "UnschedulableTimeout"
EVERY = frozenset(
    (
        *(NODE_ADDED, NODE_ALLOCATABLE, NODE_LABELS, NODE_TAINTS),
        *(POD_ADDED, POD_DELETED, POD_LABELS, POD_ITSELF, NAMESPACE),
    )
)
