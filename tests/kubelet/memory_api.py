"""An API server in memory, as far as a kubelet meets one: pods, nodes, leases, events, watches."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from labs.controlplane.apiserver.schema import DecodeError, name_of, prune
from labs.kubelet.api_client import ApiError

Json = dict[str, Any]
OBJECT = re.compile(
    r"/(?:api/v1|apis/[^/]+/v1)(?:/namespaces/([^/]+))?/([a-z]+)(?:/([^/?]+))?(/status|/token)?(\?.*)?"
)
MERGED = {"conditions": "type", "podIPs": "ip", "hostIPs": "ip"}
#: What is sent, by the resource it is sent to.
KINDS = {
    "pods": ("v1", "Pod"), "nodes": ("v1", "Node"), "events": ("v1", "Event"),
    "leases": ("coordination.k8s.io/v1", "Lease"), "csinodes": ("storage.k8s.io/v1", "CSINode"),
}  # fmt: skip
TOKEN, DELETE = ("authentication.k8s.io/v1", "TokenRequest"), ("v1", "DeleteOptions")
STRATEGIC = "application/strategic-merge-patch+json"


class MemoryApi:
    """Implements `labs.kubelet.api_client.ApiClient`'s calls. `down` makes it unreachable."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.objects: dict[tuple[str, str, str], Json] = {}
        self.namespaces = {"default", "kube-system", "kube-node-lease"}
        #: Service accounts that tokens are given for.
        self.accounts = {"default"}
        self.requests: list[tuple[str, str, Any]] = []
        #: What an API server that validates strictly would have said of them.
        self.faults: list[str] = []
        self._version = 0
        self._watchers: list[tuple[str, asyncio.Queue[Json | None]]] = []
        self._up = asyncio.Event()
        self._up.set()

    # what tests do

    @property
    def down(self) -> bool:
        return not self._up.is_set()

    @down.setter
    def down(self, value: bool) -> None:
        if value:
            self._up.clear()
            for _, queue in self._watchers:
                queue.put_nowait(None)
            self._watchers.clear()
        else:
            self._up.set()

    def pod(self, name: str, namespace: str = "default") -> Json | None:
        return self.objects.get(("pods", namespace, name))

    def events(self, name: str) -> list[Json]:
        return [
            o
            for (kind, _, _), o in self.objects.items()
            if kind == "events" and o["involvedObject"]["name"] == name
        ]

    def reasons(self, name: str) -> set[str]:
        return {e["reason"] for e in self.events(name)}

    def put(self, kind: str, name: str, **fields: Any) -> None:
        """`kubectl create` or `replace` of a ConfigMap or Secret in the namespace `default`."""
        obj = {"kind": {"configmaps": "ConfigMap", "secrets": "Secret"}[kind], **fields}
        self._store(kind, "default", {**obj, "metadata": {"name": name, "namespace": "default"}}, "MODIFIED")

    def remove(self, kind: str, name: str) -> None:
        """`kubectl delete` of the like."""
        self._remove(kind, "default", name)

    def user_creates(self, pod: Json) -> Json:
        """`kubectl apply` of a pod that is bound to the node; the object as stored."""
        body = {**deepcopy(pod), "status": {"phase": "Pending", "qosClass": "BestEffort"}}
        body["metadata"]["creationTimestamp"] = self._timestamp()
        return self._create("pods", body["metadata"]["namespace"], body)

    def _timestamp(self) -> str:
        return self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def user_deletes(
        self, name: str, namespace: str = "default", force: bool = False, grace: int | None = None
    ) -> None:
        """`kubectl delete pod`: the object is marked and, by force, is gone before anyone can answer.

        One that is over goes at once, too.
        """
        pod = self.objects[("pods", namespace, name)]
        metadata = pod["metadata"]
        over = (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded")
        own = pod["spec"].get("terminationGracePeriodSeconds", 30)
        metadata["deletionTimestamp"] = self._timestamp()
        metadata["deletionGracePeriodSeconds"] = 0 if force or over else own if grace is None else grace
        metadata["generation"] = metadata.get("generation", 1) + 1
        self._store("pods", namespace, pod, "MODIFIED")
        if force or over:
            self._remove("pods", namespace, name)

    def user_edits(self, name: str, change: Callable[[Json], None], namespace: str = "default") -> None:
        """`kubectl edit pod`."""
        pod = self.objects[("pods", namespace, name)]
        change(pod)
        self._store("pods", namespace, pod, "MODIFIED")

    def edit_node(self, name: str, change: Callable[[Json], None]) -> None:
        """`kubectl label node` and `kubectl taint node`."""
        node = self.objects[("nodes", "", name)]
        change(node)
        self._store("nodes", "", node, "MODIFIED")

    # the calls

    async def up(self) -> None:
        await self._up.wait()

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "",
        *,
        patience: float | None = None,
    ) -> Json:
        await asyncio.sleep(0.001)
        self.requests.append((method, path, deepcopy(body)))
        if self.down:
            verb = method.capitalize()
            refused = "dial tcp 127.0.0.1:6443: connect: connection refused"
            raise ApiError(0, f'{verb} "https://127.0.0.1:6443{path}": {refused}')
        found = OBJECT.fullmatch(path)
        assert found, path
        namespace, kind, name, sub, _ = found.groups()
        if body is not None:
            expected = DELETE if method == "DELETE" else TOKEN if sub == "/token" else KINDS[kind]
            self.faults += _faults(method, body, content_type, expected)
        if sub == "/token":
            return self._token(namespace, name, body["spec"])
        return deepcopy(self._serve(method, kind, namespace or "", name or "", body))

    def _token(self, namespace: str, name: str, spec: Json) -> Json:
        if name not in self.accounts:
            raise ApiError(404, f'serviceaccounts "{name}" not found', "NotFound")
        self._version += 1
        expires = (self._now() + timedelta(seconds=spec["expirationSeconds"])).astimezone(UTC)
        audience = ",".join(spec.get("audiences", ["api"]))
        text = f"{namespace}/{name}/{audience}/{self._version}"
        return {"status": {"token": text, "expirationTimestamp": f"{expires:%Y-%m-%dT%H:%M:%SZ}"}}

    def _serve(self, method: str, kind: str, namespace: str, name: str, body: Any) -> Json:
        key = (kind, namespace, name)
        if method == "POST":
            return self._create(kind, namespace, deepcopy(body))
        if not name:
            items = [o for (k, _, _), o in self.objects.items() if k == kind]
            return {"metadata": {"resourceVersion": str(self._version)}, "items": items}
        if key not in self.objects:
            raise ApiError(404, f'{kind} "{name}" not found', "NotFound")
        there = self.objects[key]
        if method == "DELETE":
            wanted = (body or {}).get("preconditions", {}).get("uid", there["metadata"]["uid"])
            if wanted != there["metadata"]["uid"]:
                raise ApiError(409, f"the UID in the precondition ({wanted}) does not match", "Conflict")
            return self._remove(*key)
        if method == "PUT":
            there.update(body)
        elif method == "PATCH":
            uid = body.get("metadata", {}).get("uid", there["metadata"].get("uid"))
            if uid != there["metadata"].get("uid"):
                raise ApiError(409, f"Precondition failed: UID in precondition: {uid}", "Conflict")
            _merge(there, body)
        if method != "GET":
            self._store(kind, namespace, there, "MODIFIED")
        return there

    def _create(self, kind: str, namespace: str, body: Json) -> Json:
        name = body["metadata"]["name"]
        if namespace and namespace not in self.namespaces:
            raise ApiError(404, f'namespaces "{namespace}" not found', "NotFound")
        if (kind, namespace, name) in self.objects:
            raise ApiError(409, f'{kind} "{name}" already exists', "AlreadyExists")
        body["metadata"]["uid"] = str(uuid.uuid4())
        body["metadata"]["generation"] = 1
        self._store(kind, namespace, body, "ADDED")
        return body

    def _store(self, kind: str, namespace: str, obj: Json, event: str) -> None:
        self._version += 1
        obj["metadata"]["resourceVersion"] = str(self._version)
        self.objects[(kind, namespace, obj["metadata"]["name"])] = obj
        self._tell(kind, event, obj)

    def _remove(self, kind: str, namespace: str, name: str) -> Json:
        obj = self.objects.pop((kind, namespace, name))
        self._tell(kind, "DELETED", obj)
        return obj

    def _tell(self, kind: str, event: str, obj: Json) -> None:
        for watched, queue in self._watchers:
            if watched == kind:
                queue.put_nowait({"type": event, "object": deepcopy(obj)})

    async def watch(self, path: str) -> AsyncIterator[Json]:
        if self.down:
            raise ApiError(0, "connection refused")
        found = OBJECT.fullmatch(path)
        assert found
        queue: asyncio.Queue[Json | None] = asyncio.Queue()
        self._watchers.append((found[2], queue))
        while (event := await queue.get()) is not None:
            yield event
        raise ApiError(0, "unexpected EOF")


def _faults(method: str, body: Json, content_type: str, expected: tuple[str, str]) -> list[str]:
    """What is wrong with a request: its form, its kind, fields nobody knows, values of another type."""
    if content_type != (STRATEGIC if method == "PATCH" else ""):
        return [f"the body of the request was in an unknown format - {content_type}"]
    if method != "PATCH" and (body.get("apiVersion"), body.get("kind")) != expected:
        return [f"{body.get('apiVersion')} {body.get('kind')} is no {expected[1]}"]
    options = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
    try:
        return prune(_without_directives(body), options if expected == DELETE else name_of(*expected))
    except DecodeError as error:
        return [str(error)]


def _without_directives(value: Any) -> Any:
    """A copy without what tells a strategic merge how to merge."""
    if isinstance(value, dict):
        return {k: _without_directives(v) for k, v in value.items() if not k.startswith("$")}
    return [_without_directives(item) for item in value] if isinstance(value, list) else value


def _merge(target: Json, patch: Json) -> None:
    """A strategic merge, as far as the kubelet's patches need one."""
    for key, value in patch.items():
        if key.startswith("$setElementOrder/"):
            continue
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        elif key in MERGED:
            by = MERGED[key]
            items = {i[by]: i for i in target.get(key, ())}
            for item in value:
                if item.get("$patch") == "delete":
                    items.pop(item[by], None)
                elif item[by] in items:
                    _merge(items[item[by]], item)
                else:
                    items[item[by]] = deepcopy(item)
            target[key] = list(items.values())
        else:
            target[key] = deepcopy(value)
