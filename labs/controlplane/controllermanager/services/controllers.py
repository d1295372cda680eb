"""Keep the Endpoints and the EndpointSlices of Services with a selector."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

from labs.controlplane.client import ApiError, Handler

from ..context import ControllerContext
from ..controller import Controller
from ..kinds import ENDPOINT_SLICES, ENDPOINTS, PODS, SERVICES
from ..objects import Object, controller_reference, is_going, key_of, stamp
from ..podcontrol import is_terminating
from . import addresses


class ServiceController(Controller):
    """Keys are Services'; a change of a Service, or of a pod that it leads to, is a change of its records."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._services = self.informer(SERVICES)
        self._pods = self.informer(PODS)
        self._services.subscribe(Handler(self._enqueue, lambda _, new: self._enqueue(new), self._enqueue))
        self._pods.subscribe(Handler(self._pod_seen, self._pod_changed, self._pod_seen))

    def _enqueue(self, service: Object) -> None:
        self.queue.add(key_of(service))

    def _pod_seen(self, pod: Object) -> None:
        for service in self._services.store.index("namespace", pod["metadata"]["namespace"]):
            if addresses.is_selected(service, pod):
                self._enqueue(service)

    def _pod_changed(self, old: Object, new: Object) -> None:
        if old["metadata"].get("labels") != new["metadata"].get("labels"):
            self._pod_seen(old)
        self._pod_seen(new)

    def _selected(self, service: Object) -> list[Object]:
        in_namespace = self._pods.store.index("namespace", service["metadata"]["namespace"])
        return [pod for pod in in_namespace if addresses.is_selected(service, pod)]

    def _annotations(self) -> dict[str, str]:
        return {addresses.TRIGGER_TIME: stamp(self.context.now())}


class EndpointsController(ServiceController):
    """One Endpoints object for each Service."""

    name = "endpoints-controller"
    account = "endpoint-controller"
    source = "endpoints_controller.go:360"
    started = ("endpoints_controller.go:193", '"Starting endpoint controller"')

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._endpoints = self.informer(ENDPOINTS)
        self._endpoints.subscribe(Handler(on_delete=self._enqueue))

    async def sync(self, key: str) -> None:
        service = self._services.store.by_key(key)
        current = self._endpoints.store.by_key(key)
        if service is None:
            if current is not None and _is_ours(current, addresses.ENDPOINTS_MANAGED_BY):
                await self._delete(current)
            return
        if not service["spec"].get("selector"):
            return
        subsets = addresses.subsets(service, self._selected(service))
        labels = addresses.labels(service, addresses.ENDPOINTS_MANAGED_BY)
        metadata = service["metadata"]
        if current is None:
            new: Object = {
                "apiVersion": "v1",
                "kind": "Endpoints",
                "metadata": {
                    "name": metadata["name"],
                    "namespace": metadata["namespace"],
                    "labels": labels,
                    "annotations": self._annotations(),
                },
            }
            if subsets:
                new["subsets"] = subsets
            try:
                await self.client.create(ENDPOINTS, metadata["namespace"], new)
            except ApiError as error:
                if not is_terminating(error):
                    raise
            return
        if (current.get("subsets") or []) == subsets and current["metadata"].get("labels") == labels:
            return
        new = deepcopy(current)
        new["metadata"] |= {"labels": labels, "annotations": self._annotations()}
        new["subsets"] = subsets
        await self.client.update(ENDPOINTS, new)

    async def _delete(self, endpoints: Object) -> None:
        metadata = endpoints["metadata"]
        try:
            await self.client.delete(ENDPOINTS, metadata["namespace"], metadata["name"])
        except ApiError as error:
            if not error.not_found:
                raise


class EndpointSliceController(ServiceController):
    """As many EndpointSlices for each Service as its endpoints fill."""

    name = "endpointslice-controller"
    account = "endpointslice-controller"
    source = "endpointslice_controller.go:358"
    started = ("endpointslice_controller.go:280", '"Starting endpoint slice controller"')

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._slices = self.informer(ENDPOINT_SLICES)
        self._slices.store.add_index("service", _service_of)
        self._slices.subscribe(Handler(on_delete=self._slice_removed))

    def _slice_removed(self, slice_: Object) -> None:
        for key in _service_of(slice_):
            self.queue.add(key)

    async def sync(self, key: str) -> None:
        service = self._services.store.by_key(key)
        if (
            service is None
            or not service["spec"].get("selector")
            or service["spec"].get("type") == "ExternalName"
        ):
            return
        present = [s for s in self._slices.store.index("service", key) if not is_going(s)]
        wanted = addresses.slices(service, self._selected(service))
        await self._reconcile(service, present, wanted)

    async def _reconcile(
        self,
        service: Object,
        present: Sequence[Object],
        wanted: Sequence[tuple[addresses.Ports, list[Object]]],
    ) -> None:
        """Leave alone the slices that are right, write over others, make or remove what differs in number."""
        labels = addresses.labels(
            service,
            addresses.SLICE_MANAGED_BY,
            **{addresses.SERVICE_NAME: service["metadata"]["name"]},
        )
        left = list(present)
        missing = []
        for ports, endpoints in wanted:
            same = next((s for s in left if _holds(s, ports, endpoints, labels)), None)
            if same is not None:
                left.remove(same)
            else:
                missing.append((ports, endpoints))
        for ports, endpoints in missing:
            if left:
                await self._update(left.pop(0), ports, endpoints, labels)
            else:
                await self._create(service, ports, endpoints, labels)
        for slice_ in left:
            metadata = slice_["metadata"]
            await self.client.delete(ENDPOINT_SLICES, metadata["namespace"], metadata["name"])

    async def _update(
        self, old: Object, ports: addresses.Ports, endpoints: list[Object], labels: dict[str, str]
    ) -> None:
        new = deepcopy(old)
        new["metadata"] |= {"labels": labels, "annotations": self._annotations()}
        await self.client.update(ENDPOINT_SLICES, {**new, "ports": ports, "endpoints": endpoints})

    async def _create(
        self, service: Object, ports: addresses.Ports, endpoints: list[Object], labels: dict[str, str]
    ) -> None:
        metadata = service["metadata"]
        families = service["spec"].get("ipFamilies") or ["IPv4"]
        new = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "generateName": f"{metadata['name']}-",
                "namespace": metadata["namespace"],
                "labels": labels,
                "annotations": self._annotations(),
                "ownerReferences": [controller_reference(service, "v1", "Service")],
            },
            "addressType": families[0],
            "endpoints": endpoints,
            "ports": ports,
        }
        try:
            await self.client.create(ENDPOINT_SLICES, metadata["namespace"], new)
        except ApiError as error:
            if not is_terminating(error):
                raise


def _is_ours(obj: Object, managed_by: tuple[str, str]) -> bool:
    return bool((obj["metadata"].get("labels") or {}).get(managed_by[0]) == managed_by[1])


def _service_of(slice_: Object) -> list[str]:
    """The key of the Service whose slice this is; none when somebody else manages it."""
    if not _is_ours(slice_, addresses.SLICE_MANAGED_BY):
        return []
    metadata = slice_["metadata"]
    return [f"{metadata['namespace']}/{metadata['labels'].get(addresses.SERVICE_NAME, '')}"]


def _holds(slice_: Object, ports: addresses.Ports, endpoints: list[Object], labels: dict[str, str]) -> bool:
    return (
        (slice_.get("ports") or []) == ports
        and (slice_.get("endpoints") or []) == endpoints
        and slice_["metadata"].get("labels") == labels
    )
