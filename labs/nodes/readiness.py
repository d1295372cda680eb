"""Waiting for static pods and nodes to be Ready, the way `kubectl wait` would: by a watch on the API.

Until the API server answers there is nothing to watch, so connecting is tried again and again. Only the
standard library is used: this is on the path of every `labs up`.
"""

import base64
import contextlib
import http.client
import json
import os
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import yaml

#: Pause between attempts to reach an API server that does not answer yet.
RETRY_SECONDS = 0.03
#: A watch that says nothing for this long is opened anew.
SILENCE_SECONDS = 5.0

#: What the objects waited for look like: name -> "Pending", "Running, not Ready", …
States = dict[str, str]

PODS, NODES = "/api/v1/namespaces/kube-system/pods", "/api/v1/nodes"


@dataclass(frozen=True)
class Api:
    """The API server of a kubeconfig with embedded certificates."""

    host: str
    port: int
    context: ssl.SSLContext

    @classmethod
    def from_kubeconfig(cls, path: Path) -> Self:
        document = yaml.safe_load(path.read_text())
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        url = urlsplit(cluster["server"])
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        context = ssl.create_default_context(cadata=authority)
        pair = b"".join(base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key"))
        # the ssl module reads certificates from files only
        with os.fdopen(os.memfd_create("client"), "wb") as file:
            file.write(pair)
            file.flush()
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
        return cls(url.hostname or "", url.port or 443, context)

    def watch(self, path: str) -> Iterator[dict[str, Any]]:
        """The objects of the collection `path`, then each change; ends when the server ends the watch."""
        connection = http.client.HTTPSConnection(
            self.host, self.port, context=self.context, timeout=SILENCE_SECONDS
        )
        with contextlib.closing(connection):
            connection.request("GET", f"{path}?watch=true&resourceVersion=0")
            response = connection.getresponse()
            if response.status != http.HTTPStatus.OK:
                raise ConnectionError(f"the API server answered {response.status}")
            for line in response:
                event = json.loads(line)
                if event["type"] in ("ADDED", "MODIFIED"):
                    yield event["object"]


def wait_until_ready(
    api: Api,
    names: list[str],
    *,
    since: float,
    timeout: float,
    waiting: Callable[[States], None],
    check: Callable[[], None],
    path: str = PODS,
) -> States:
    """Wait until the objects `names` of the collection `path`, as they are since `since`, are Ready.

    At the latest after `timeout` seconds, return what has become of them. `waiting` hears of every change;
    `check` is called between attempts and may raise to end the wait.
    """
    states: States = dict.fromkeys(names, "not seen in the API")
    if not states:
        return states
    waiting(states)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            for found in api.watch(path):
                name = found["metadata"]["name"]
                if name in states:
                    states[name] = _LOOKS[path](found, since)
                    if all(state == "Ready" for state in states.values()):
                        return states
                    waiting(states)
                if time.monotonic() >= deadline:
                    break
        check()
        time.sleep(RETRY_SECONDS)
    return states


def state_of(pod: dict[str, Any], since: float) -> str:
    """How far `pod` is; what its status says of containers started before `since` is out of date."""
    status = pod.get("status", {})
    for container in status.get("containerStatuses", []):
        started = container.get("state", {}).get("running", {}).get("startedAt")
        if started and datetime.fromisoformat(started).timestamp() < int(since):
            return "status from before the start"
    conditions = {condition["type"]: condition["status"] for condition in status.get("conditions", [])}
    if status.get("phase") == "Running" and conditions.get("Ready") == "True":
        return "Ready"
    reasons = [
        container["state"]["waiting"].get("reason", "Waiting")
        for container in status.get("containerStatuses", [])
        if container.get("state", {}).get("waiting")
    ]
    return reasons[0] if reasons else f"{status.get('phase', 'Pending')}, not Ready"


def node_state(node: dict[str, Any], since: float) -> str:
    """Whether `node` is Ready, by a kubelet that has been heard after `since`."""
    conditions = {condition["type"]: condition for condition in node.get("status", {}).get("conditions", [])}
    ready = conditions.get("Ready")
    if ready is None:
        return "registered, without a status"
    if datetime.fromisoformat(ready["lastHeartbeatTime"]).timestamp() < int(since):
        return "status from before the start"
    return "Ready" if ready["status"] == "True" else f"NotReady ({ready.get('reason', 'no reason given')})"


_LOOKS: dict[str, Callable[[dict[str, Any], float], str]] = {PODS: state_of, NODES: node_state}
