"""The node's CSINode: the CSI drivers that it has, which are none (`pkg/volume/csi/nodeinfomanager`)."""

import asyncio
from typing import Any

from labs.kubelet import klog
from labs.kubelet.api_client import ApiError
from labs.kubelet.node_status import Api

Json = dict[str, Any]
PATH = "/apis/storage.k8s.io/v1/csinodes"
MIGRATED = "storage.alpha.kubernetes.io/migrated-plugins"
#: The volume plugins whose work CSI drivers do, as kubelet 1.36 says.
PLUGINS = (
    "kubernetes.io/aws-ebs,kubernetes.io/azure-disk,kubernetes.io/azure-file,kubernetes.io/cinder,"
    "kubernetes.io/gce-pd,kubernetes.io/portworx-volume,kubernetes.io/vsphere-volume"
)
#: Seconds between the first two attempts, how much longer each wait is, and the longest.
FIRST_WAIT, FACTOR, LONGEST_WAIT = 0.015, 6, 120.0


async def publish(api: Api, node_name: str) -> None:
    """Make the CSINode, or have the one that is there name the plugins; tries until it is done.

    Upstream ends the kubelet after six attempts.
    """
    wait = FIRST_WAIT
    while True:
        try:
            await _publish_once(api, node_name)
            return
        except ApiError as error:
            why = (
                f"error updating CSINode annotation: timed out waiting for the condition; caused by: {error}"
            )
            klog.plain("E", "csi_plugin.go:402", f"Failed to initialize CSINode: {why}")
        await asyncio.sleep(wait)
        wait = min(FACTOR * wait, LONGEST_WAIT)


async def _publish_once(api: Api, node_name: str) -> None:
    path = f"{PATH}/{node_name}"
    try:
        there = await api.request("GET", path)
    except ApiError as error:
        if error.status != 404:
            raise
        await api.request("POST", PATH, await _new(api, node_name))
        return
    metadata = there["metadata"]
    annotations = metadata.get("annotations") or {}
    if annotations.get(MIGRATED) != PLUGINS:
        metadata["annotations"] = {**annotations, MIGRATED: PLUGINS}
        await api.request("PUT", path, there)


async def _new(api: Api, node_name: str) -> Json:
    node = await api.request("GET", f"/api/v1/nodes/{node_name}")
    owner = {"apiVersion": "v1", "kind": "Node", "name": node_name, "uid": node["metadata"]["uid"]}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSINode",
        "metadata": {
            "name": node_name,
            "annotations": {MIGRATED: PLUGINS},
            "ownerReferences": [owner],
        },
        "spec": {"drivers": None},
    }
