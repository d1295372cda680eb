"""A pod the runtime runs and no source asks for, seen through the runtime's eyes alone."""

from labs.core.defaults import default_pod
from labs.kubelet.pleg import RuntimePod
from labs.kubelet.pod.model import Pod

GRACE = 1


def orphan(seen: RuntimePod) -> Pod:
    """Enough of a Pod to stop it; the grace period is the shortest, as for a pod whose spec is lost."""
    metadata = {"name": seen.name, "namespace": seen.namespace, "uid": seen.uid}
    pod = {"metadata": metadata, "spec": {"containers": [], "terminationGracePeriodSeconds": GRACE}}
    default_pod(pod)
    return Pod.of(pod)
