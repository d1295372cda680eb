"""Whom the kernel kills first when memory is short (`pkg/kubelet/qos/policy.go`)."""

from labs.core.quantity import quantity_value
from labs.kubelet.pod.model import CRITICAL_PRIORITY, Container, Pod


def oom_score_adjust(pod: Pod, container: Container, memory: int) -> int:
    """How readily the kernel kills the container."""
    if (pod.priority or 0) >= CRITICAL_PRIORITY:
        return -997
    match pod.qos_class:
        case "Guaranteed":
            return -997
        case "BestEffort":
            return 1000
    request = int(quantity_value(container.resources.get("requests", {}).get("memory", "0")))
    return min(999, max(3, 1000 - 1000 * request // max(memory, 1)))
