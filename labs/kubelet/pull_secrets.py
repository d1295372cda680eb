"""A pod's `imagePullSecrets` (`getPullSecretsForPod` in `kubelet_pods.go`).

They are looked up, and told of when missing. They are not handed to the runtime: no registry here asks for
credentials.
"""

from labs.kubelet import klog
from labs.kubelet.api_objects import SECRET, ApiObjects, ObjectError, Reference
from labs.kubelet.events import WARNING, EventRecorder
from labs.kubelet.pod.model import Pod


async def look_up(pod: Pod, objects: ApiObjects, events: EventRecorder) -> None:
    """Say which of the pod's pull secrets cannot be had; that keeps nothing from being tried."""
    names = [secret.get("name", "") for secret in pod.object["spec"].get("imagePullSecrets", ())]
    references = [Reference(SECRET, name) for name in names if name]
    found = await objects.fetch(pod, references)
    missing = []
    for reference in references:
        try:
            found.content(reference)
        except ObjectError as error:
            message = "Unable to retrieve pull secret, the image pull may not succeed."
            klog.info("kubelet_pods.go:1083", message, pod=pod.ref, secret="", err=error)
            missing.append(reference.name)
    if missing:
        listed = ", ".join(missing)
        events.pod(
            pod, WARNING, "FailedToRetrieveImagePullSecret",
            f"Unable to retrieve some image pull secrets ({listed}); attempting to pull the image may not "
            "succeed.",
        )  # fmt: skip
