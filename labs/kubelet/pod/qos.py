"""Quality of service of a pod (`pkg/apis/core/v1/helper/qos`, `pkg/kubelet/qos/policy.go`)."""

from labs.core.quantity import quantity_value
from labs.kubelet.pod.model import CRITICAL_PRIORITY, Container, Pod

_COUNTED = ("cpu", "memory")


def qos_class(pod: Pod) -> str:
    """`Guaranteed`, `Burstable` or `BestEffort`."""
    own = pod.object["spec"].get("resources")
    counted = [own] if own else [c.resources for c in (*pod.init_containers, *pod.containers)]
    requests = [{k: each.get("requests", {}).get(k) for k in _COUNTED} for each in counted]
    limits = [{k: each.get("limits", {}).get(k) for k in _COUNTED} for each in counted]
    if not any(v for each in (*requests, *limits) for v in each.values()):
        return "BestEffort"
    if all(lim[k] and lim[k] == req[k] for req, lim in zip(requests, limits, strict=True) for k in _COUNTED):
        return "Guaranteed"
    return "Burstable"


def oom_score_adjust(pod: Pod, container: Container, memory: int) -> int:
    """How readily the kernel kills the container."""
    if (pod.priority or 0) >= CRITICAL_PRIORITY:
        return -997
    match qos_class(pod):
        case "Guaranteed":
            return -997
        case "BestEffort":
            return 1000
    request = int(quantity_value(container.resources.get("requests", {}).get("memory", "0")))
    return min(999, max(3, 1000 - 1000 * request // max(memory, 1)))
