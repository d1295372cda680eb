"""Events of pods and the node (`client-go/tools/record`), counted, and sent when the API can be reached."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from labs.kubelet import klog
from labs.kubelet.event_correlation import COMBINED, Correlator
from labs.kubelet.event_text import in_go
from labs.kubelet.pod.model import Container, Pod

KEPT = 1000
#: Seconds until an event that did not reach the API is sent again (`sleepDuration`).
RETRY = 10
NORMAL, WARNING = "Normal", "Warning"


class EventApi(Protocol):
    """What sending events needs of the API."""

    async def request(
        self, method: str, path: str, body: object = None, content_type: str = ""
    ) -> Mapping[str, Any]: ...


def timestamp(at: datetime) -> str:
    """metav1.Time: whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class _Happened:
    """An event as it is to be sent, and when it happened for the first and for the last time."""

    event: dict[str, Any]
    first: datetime
    last: datetime


class EventRecorder:
    """Takes events at once and sends them in order; what happens again only raises a count."""

    def __init__(self, node_name: str, now: Callable[[], datetime]) -> None:
        self._node_name = node_name
        self._now = now
        self._began = now()
        self._known: OrderedDict[tuple[str, ...], dict[str, Any]] = OrderedDict()
        #: When each of these happened first.
        self._first: dict[str, datetime] = {}
        #: Names end in a time; two events of one moment still need two names.
        self._stamp = 0
        self._correlator = Correlator()
        #: Each as it was when it happened: a later one may be kept from the API.
        self._queue: asyncio.Queue[_Happened] = asyncio.Queue(KEPT)

    def pod(
        self, pod: Pod, kind: str, reason: str, message: str, container: Container | str | None = None
    ) -> None:
        """An event of a pod; of a static one it refers to the static UID, not to the mirror's."""
        reference = {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": pod.name,
            "namespace": pod.namespace,
            "uid": pod.uid,
        }
        if version := pod.object["metadata"].get("resourceVersion"):
            reference["resourceVersion"] = version
        if container is not None:
            name = container if isinstance(container, str) else container.name
            field = "initContainers" if any(c.name == name for c in pod.init_containers) else "containers"
            reference["fieldPath"] = f"spec.{field}{{{name}}}"
        self._record(pod.namespace, reference, kind, reason, message)

    def node(self, kind: str, reason: str, message: str) -> None:
        """An event of this node."""
        reference = {"kind": "Node", "name": self._node_name, "uid": self._node_name}
        self._record("default", reference, kind, reason, message)

    def _record(
        self, namespace: str, reference: dict[str, str], kind: str, reason: str, message: str
    ) -> None:
        at = self._now()
        about = (namespace, reference["kind"], reference["name"], reference["uid"], kind)
        key: tuple[str, ...] = (*about, reason, reference.get("fieldPath", ""), message)
        if self._correlator.combines((*about, reason), message, at):
            key, message = (*about, reason), COMBINED + message
        event = self._known.get(key)
        if event is None:
            self._stamp = nanoseconds = max(int(at.timestamp() * 1e6) * 1000, self._stamp + 1)
            event = {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": f"{reference['name']}.{nanoseconds:x}", "namespace": namespace},
                "involvedObject": reference,
                "reason": reason,
                "message": message,
                "source": {"component": "kubelet", "host": self._node_name},
                "firstTimestamp": timestamp(at),
                "count": 0,
                "type": kind,
                "eventTime": None,
                "reportingComponent": "kubelet",
                "reportingInstance": self._node_name,
            }
            self._known[key] = event
            self._first[event["metadata"]["name"]] = at
            if len(self._known) > KEPT:
                _, forgotten = self._known.popitem(last=False)
                del self._first[forgotten["metadata"]["name"]]
        event["count"] += 1
        event["message"] = message
        event["lastTimestamp"] = timestamp(at)
        self._known.move_to_end(key)
        if self._correlator.passes(about, at) and not self._queue.full():
            first = self._first[event["metadata"]["name"]]
            self._queue.put_nowait(_Happened(dict(event), first, at))

    async def run(self, api: EventApi, up: Callable[[], Any]) -> None:
        """Send for as long as the kubelet runs; `up` waits until the API has been reached."""
        from labs.kubelet.api_client import ApiError

        while True:
            happened = await self._queue.get()
            while True:
                await up()
                try:
                    await self._send(api, happened.event)
                except ApiError as error:
                    text = in_go(happened.event, happened.first, happened.last, self._began)
                    if error.status == 0:
                        message = "Unable to write event (may retry after sleeping)"
                        klog.error("event.go:368", message, error, event=text)
                        await asyncio.sleep(RETRY)
                        continue
                    klog.error("event.go:359", "Server rejected event (will not retry!)", error, event=text)
                break

    async def _send(self, api: EventApi, event: dict[str, Any]) -> None:
        """Raise the count of an event that the API has, or make it there (`recordEvent`)."""
        from labs.kubelet.api_client import ApiError

        name, namespace = event["metadata"]["name"], event["metadata"]["namespace"]
        path = f"/api/v1/namespaces/{namespace}/events"
        if event["count"] > 1:
            patch = {key: event[key] for key in ("count", "lastTimestamp", "message")}
            try:
                await api.request("PATCH", f"{path}/{name}", patch, "application/strategic-merge-patch+json")
                return
            except ApiError as error:
                if error.status != 404:
                    raise
        await api.request("POST", path, event)
