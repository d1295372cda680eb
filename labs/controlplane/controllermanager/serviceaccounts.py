"""A `default` service account in every namespace.

Mirrors `pkg/controller/serviceaccount/serviceaccounts_controller.go`.
"""

from __future__ import annotations

from labs.controlplane.client import ApiError, Handler

from .context import ControllerContext
from .controller import Controller
from .kinds import NAMESPACES, SERVICE_ACCOUNTS
from .objects import Object, is_going, key_of
from .podcontrol import is_terminating

DEFAULT = "default"


class ServiceAccountController(Controller):
    """The loop; keys are namespaces' names."""

    name = "serviceaccount-controller"
    account = "service-account-controller"
    source = "serviceaccounts_controller.go:181"
    started = ("serviceaccounts_controller.go:117", '"Starting service account controller"')
    workers = 1

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._accounts = self.informer(SERVICE_ACCOUNTS)
        self._namespaces = self.informer(NAMESPACES)
        look = Handler(self._look, lambda _, new: self._look(new))
        self._namespaces.subscribe(look)
        self._accounts.subscribe(Handler(on_delete=self._account_removed))

    def _look(self, namespace: Object) -> None:
        self.queue.add(key_of(namespace))

    def _account_removed(self, account: Object) -> None:
        self.queue.add(account["metadata"]["namespace"])

    async def sync(self, key: str) -> None:
        namespace = self._namespaces.store.by_key(key)
        if namespace is None or is_going(namespace) or self._accounts.store.get(key, DEFAULT):
            return
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": DEFAULT, "namespace": key},
        }
        try:
            await self.client.create(SERVICE_ACCOUNTS, key, account)
        except ApiError as error:
            if not (error.conflict or is_terminating(error)):
                raise
