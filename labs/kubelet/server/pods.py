"""`/pods`, what the sources ask for, and `/runningpods/`, what the runtime has."""

import json
from typing import TYPE_CHECKING, Any

from labs.kubelet.cri import CriError
from labs.kubelet.pod.model import Pod
from labs.kubelet.runtime_status import CONTAINER_NAME, POD_NAME, POD_NAMESPACE, POD_UID
from labs.kubelet.server.web import JSON, Refused, Response

if TYPE_CHECKING:
    from labs.kubelet.kubelet import Kubelet


def _pod_list(items: list[dict[str, Any]]) -> Response:
    body: dict[str, Any] = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items or None}
    return Response(200, json.dumps(body, separators=(",", ":")).encode(), JSON)


def configured(kubelet: "Kubelet") -> Response:
    """The pods that the kubelet was told to run, with the status it gives them."""

    def shown(pod: Pod) -> dict[str, Any]:
        status = kubelet.syncer.status_of(pod)
        return {"metadata": pod.object["metadata"], "spec": pod.object["spec"], "status": status}

    return _pod_list([shown(pod) for pod in kubelet.pods()])


async def running(kubelet: "Kubelet") -> Response:
    """The pods of which the runtime has a running container."""
    from cri_api.v1 import api_pb2 as api

    try:
        containers = await kubelet.cri.list_containers()
    except CriError as error:
        raise Refused(500, str(error)) from None
    pods: dict[str, dict[str, Any]] = {}
    for container in containers:
        labels = container.labels
        if container.state != api.CONTAINER_RUNNING or POD_UID not in labels:
            continue
        names = {"name": labels[POD_NAME], "namespace": labels[POD_NAMESPACE], "uid": labels[POD_UID]}
        pod = pods.setdefault(labels[POD_UID], {"metadata": names, "spec": {"containers": []}, "status": {}})
        entry = {"name": labels[CONTAINER_NAME], "image": container.image_ref, "resources": {}}
        pod["spec"]["containers"].append(entry)
    return _pod_list(list(pods.values()))
