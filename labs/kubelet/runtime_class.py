"""Which handler of the runtime a pod's RuntimeClass names (`pkg/kubelet/runtimeclass`).

Asked for when a sandbox is made (upstream keeps a watch); while the API server is away its last word holds.
"""

from labs.kubelet.api_client import ApiError
from labs.kubelet.api_objects import Api


class NoRuntimeClassError(Exception):
    """There is no such class, or none that this kubelet has heard of."""

    def __init__(self, name: str) -> None:
        super().__init__(f'runtimeclass.node.k8s.io "{name}" not found')


class RuntimeClasses:
    """The classes that pods of this node have."""

    def __init__(self, api: Api | None) -> None:
        self._api = api
        self._handlers: dict[str, str] = {}

    async def handler(self, name: str) -> str:
        """The handler of a class; of none, the runtime's own choice. Raises NoRuntimeClassError."""
        if not name:
            return ""
        try:
            if self._api is None:
                raise ApiError(0, "there is no API server")
            found = await self._api.request("GET", f"/apis/node.k8s.io/v1/runtimeclasses/{name}")
            self._handlers[name] = found["handler"]
        except ApiError as error:
            if error.status == 404:
                self._handlers.pop(name, None)
        if name not in self._handlers:
            raise NoRuntimeClassError(name)
        return self._handlers[name]
