"""`kubectl logs`: the API server asks the kubelet of the pod's node, with its own client certificate."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from labs.controlplane.http import Request, Response, serve

from ..ports import free_port
from .plane import Plane, pod

NODE = "log-node"


class Kubelet:
    """What of a kubelet the log path needs: it answers as told and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.refusal: tuple[int, str] | None = None
        self.more = threading.Event()

    async def handle(self, request: Request) -> Response:
        """The kubelet's `/containerLogs/…`."""
        names = dict(request.peer.subject)
        query = {name: values[0] for name, values in request.query.items()}
        self.asked.append((request.path, {**query, "user": names.get("commonName", "")}))
        if self.refusal is not None:
            code, why = self.refusal
            return Response(code, why.encode(), {"Content-Type": "text/plain"})
        if query.get("previous"):
            why = b'previous terminated container "main" in pod "web" not found'
            return Response(400, why, {"Content-Type": "text/plain"})
        if query.get("follow"):
            return Response(200, self._follow(), {"Content-Type": "text/plain"})
        return Response(200, b"hello\n", {"Content-Type": "text/plain"})

    async def _follow(self) -> AsyncIterator[bytes]:
        yield b"one\n"
        await asyncio.to_thread(self.more.wait, 20)
        yield b"two\n"


@pytest.fixture
def kubelet(plane: Plane, namespace: str) -> Iterator[Kubelet]:
    """A kubelet that listens, its node, and a pod on it."""
    fake = Kubelet()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(plane.pki / "ca.crt"))
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_cert_chain(plane.pki / "kubelet-server.crt", plane.pki / "kubelet-server.key")
    listener = socket.create_server(("127.0.0.1", 0))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    serving = asyncio.run_coroutine_threadsafe(serve(fake.handle, listener, context=context), loop)
    port = serving.result(10)
    name = f"{NODE}-{namespace}"
    endpoint = {"kubeletEndpoint": {"Port": listener.getsockname()[1]}}
    addresses = [{"type": "InternalIP", "address": "127.0.0.1"}]
    node = {"metadata": {"name": name}, "status": {"addresses": addresses, "daemonEndpoints": endpoint}}
    plane.request("POST", "/api/v1/nodes", node)
    plane.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod("web", namespace, nodeName=name))
    yield fake
    fake.more.set()
    plane.request("DELETE", f"/api/v1/namespaces/{namespace}/pods/web?gracePeriodSeconds=0")
    plane.request("DELETE", f"/api/v1/nodes/{name}")
    asyncio.run_coroutine_threadsafe(port.close(0), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_logs_come_from_the_kubelet(plane: Plane, namespace: str, kubelet: Kubelet) -> None:
    out = plane.ok("-n", namespace, "logs", "web", "--tail=5", "--timestamps")

    asked = ("/containerLogs/" + namespace + "/web/main", {"tailLines": "5", "timestamps": "true"})
    assert out == "hello\n"
    assert kubelet.asked == [(asked[0], {**asked[1], "user": "kube-apiserver-kubelet-client"})]


def test_followed_logs_come_as_they_are_written(plane: Plane, namespace: str, kubelet: Kubelet) -> None:
    with plane.kubectl_running("-n", namespace, "logs", "-f", "web") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "one\n"
        kubelet.more.set()
        assert process.stdout.readline() == "two\n"


def test_the_kubelets_refusal_is_passed_on(plane: Plane, namespace: str, kubelet: Kubelet) -> None:
    assert kubelet

    result = plane.kubectl("-n", namespace, "logs", "web", "--previous")

    assert result.stderr == (
        'Error from server (BadRequest): previous terminated container "main" in pod "web" not found\n'
    )


@pytest.mark.parametrize(
    ("code", "text", "told"),
    [
        (
            401,
            "Unauthorized",
            "error: You must be logged in to the server "
            "(the server has asked for the client to provide credentials ( pods/log web))\n",
        ),
        (
            403,
            "Forbidden (user=nobody, verb=get, resource=nodes, subresource(s)=[proxy])\n",
            "Error from server (Forbidden): Forbidden (user=nobody, verb=get, resource=nodes, "
            "subresource(s)=[proxy])\n ( pods/log web)\n",
        ),
        (
            404,
            'pod "web" not found',
            "Error from server (NotFound): "
            "the server could not find the requested resource ( pods/log web)\n",
        ),
        (
            405,
            "Debug endpoints are disabled.",
            "Error from server (MethodNotAllowed): "
            "the server does not allow this method on the requested resource ( pods/log web)\n",
        ),
        (500, "no disk", "Error from server (InternalError): Internal error occurred: no disk\n"),
        (
            502,
            "no disk",
            'Error from server (InternalError): an error on the server ("no disk") has prevented the request '
            "from succeeding ( pods/log web)\n",
        ),
        (
            418,
            "no disk",
            "Error from server: the server responded with the status code 418 but did not return more "
            "information ( pods/log web)\n",
        ),
    ],
)
def test_a_kubelet_that_refuses_is_told_of_as_by_the_real_server(
    plane: Plane, namespace: str, kubelet: Kubelet, code: int, text: str, told: str
) -> None:
    kubelet.refusal = code, text

    result = plane.kubectl("-n", namespace, "logs", "web")

    assert result.stderr == told


def test_a_container_that_is_not_there_is_named(plane: Plane, namespace: str, kubelet: Kubelet) -> None:
    assert kubelet

    status, answer = plane.request("GET", f"/api/v1/namespaces/{namespace}/pods/web/log?container=x")

    assert (status, answer["message"]) == (400, "container x is not valid for pod web")


def test_a_kubelet_that_is_away_is_told_of(plane: Plane, namespace: str) -> None:
    name = f"away-{namespace}"
    port = free_port()
    state = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    plane.request("POST", "/api/v1/nodes", {"metadata": {"name": name}, "status": state})
    plane.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod("web", namespace, nodeName=name))

    result = plane.kubectl("-n", namespace, "logs", "web", "--tail=1")
    plane.request("DELETE", f"/api/v1/namespaces/{namespace}/pods/web?gracePeriodSeconds=0")
    plane.request("DELETE", f"/api/v1/nodes/{name}")

    url = f"https://127.0.0.1:{port}/containerLogs/{namespace}/web/main?tailLines=1"
    assert result.stderr == (
        f'Error from server: Get "{url}": dial tcp 127.0.0.1:{port}: connect: connection refused\n'
    )


def test_a_pod_that_is_not_there_has_no_log(plane: Plane, namespace: str) -> None:
    result = plane.kubectl("-n", namespace, "logs", "nope")

    assert (
        result.stderr
        == f'error: error from server (NotFound): pods "nope" not found in namespace "{namespace}"\n'
    )
    assert json.loads(plane.ok("-n", namespace, "get", "pods", "-o", "json"))["items"] == []


def test_who_may_only_get_starts_no_command_by_websocket(
    plane: Plane, namespace: str, kubelet: Kubelet
) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods/web/exec?command=ls&stdout=true"
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    upgrade |= {"Sec-WebSocket-Key": "eA==", "Sec-WebSocket-Protocol": "v5.channel.k8s.io"}

    plane.ok("-n", namespace, "create", "role", "looker", "--verb=get", "--resource=pods/exec")
    plane.ok("-n", namespace, "create", "rolebinding", "looker", "--role=looker", "--user=nobody")

    code, answer = plane.request("GET", path, user="nobody", headers=upgrade)

    assert (code, answer["message"]) == (
        403,
        'pods "web" is forbidden: User "nobody" cannot create resource "pods/exec" in API group "" '
        f'in the namespace "{namespace}"',
    )
    assert kubelet.asked == []


def test_a_command_for_no_kubelet_says_so(plane: Plane, namespace: str) -> None:
    name = f"gone-{namespace}"
    port = free_port()
    state = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    plane.request("POST", "/api/v1/nodes", {"metadata": {"name": name}, "status": state})
    plane.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod("web", namespace, nodeName=name))

    result = plane.kubectl("-n", namespace, "exec", "web", "--", "ls")
    plane.request("DELETE", f"/api/v1/namespaces/{namespace}/pods/web?gracePeriodSeconds=0")
    plane.request("DELETE", f"/api/v1/nodes/{name}")

    assert result.stderr == (
        "error: unable to upgrade connection: error dialing backend: "
        f"dial tcp 127.0.0.1:{port}: connect: connection refused\n"
    )
