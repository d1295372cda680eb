"""The cluster's certificate authority in every namespace, as ConfigMap `kube-root-ca.crt`.

Mirrors `pkg/controller/certificates/rootcacertpublisher/publisher.go`.
"""

from __future__ import annotations

from pathlib import Path

from labs.controlplane.client import ApiError, Handler

from .context import ControllerContext
from .controller import Controller
from .kinds import CONFIG_MAPS, NAMESPACES
from .objects import Object, is_going, key_of
from .podcontrol import is_terminating

NAME = "kube-root-ca.crt"
_DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such "
    "as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across "
    "distributions of Kubernetes clusters."
)


class RootCAPublisher(Controller):
    """The loop; keys are namespaces' names."""

    name = "root-ca-certificate-publisher-controller"
    account = "root-ca-cert-publisher"
    source = "publisher.go:166"
    started = ("publisher.go:107", '"Starting root CA cert publisher controller"')
    workers = 1

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._certificate = Path(context.flags.text("root-ca-file")).read_text()
        self._maps = self.informer(CONFIG_MAPS)
        self._namespaces = self.informer(NAMESPACES)
        self._namespaces.subscribe(Handler(self._look, lambda _, new: self._look(new)))
        self._maps.subscribe(
            Handler(on_update=lambda _, new: self._map_changed(new), on_delete=self._map_changed)
        )

    def _look(self, namespace: Object) -> None:
        self.queue.add(key_of(namespace))

    def _map_changed(self, config_map: Object) -> None:
        if config_map["metadata"]["name"] == NAME:
            self.queue.add(config_map["metadata"]["namespace"])

    async def sync(self, key: str) -> None:
        namespace = self._namespaces.store.by_key(key)
        if namespace is None or is_going(namespace):
            return
        wanted = {"ca.crt": self._certificate}
        found = self._maps.store.get(key, NAME)
        metadata = {
            "name": NAME,
            "namespace": key,
            "annotations": {"kubernetes.io/description": _DESCRIPTION},
        }
        try:
            if found is None:
                new = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": wanted}
                await self.client.create(CONFIG_MAPS, key, new)
            elif found.get("data") != wanted or not found["metadata"].get("annotations"):
                kept = {**found["metadata"], "annotations": metadata["annotations"]}
                await self.client.update(CONFIG_MAPS, {**found, "metadata": kept, "data": wanted})
        except ApiError as error:
            if not (error.conflict or is_terminating(error)):
                raise
