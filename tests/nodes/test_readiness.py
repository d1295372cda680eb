"""Which pods count as Ready while a cluster starts, and how the wait for them ends."""

import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labs.nodes import kubeadm
from labs.nodes.kubeadm import NodeIdentity
from labs.nodes.readiness import Api, node_state, state_of, wait_until_ready

NODE = NodeIdentity("cks", "cks-control-plane", "172.18.0.2")
START = 1_790_000_000.0


def pod(name: str, *, phase: str = "Running", ready: bool = True, **container_state: Any) -> dict[str, Any]:
    state = container_state or {"running": {"startedAt": "2026-09-21T14:13:20Z"}}
    return {
        "metadata": {"name": name},
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"name": "main", "state": state}],
        },
    }


def test_a_running_pod_with_the_ready_condition_is_ready() -> None:
    assert state_of(pod("etcd"), START) == "Ready"


def test_a_running_pod_without_it_is_not() -> None:
    assert state_of(pod("etcd", ready=False), START) == "Running, not Ready"


def test_what_the_api_remembers_from_the_clusters_last_life_does_not_count() -> None:
    old = pod("etcd", running={"startedAt": "2026-09-21T14:13:19Z"})

    assert state_of(old, START) == "status from before the start"


def test_a_waiting_container_is_named_by_its_reason() -> None:
    waiting = pod("etcd", ready=False, waiting={"reason": "CrashLoopBackOff"})

    assert state_of(waiting, START) == "CrashLoopBackOff"


def test_a_pod_without_status_is_pending() -> None:
    assert state_of({"metadata": {"name": "etcd"}}, START) == "Pending, not Ready"


@pytest.mark.parametrize(
    ("condition", "state"),
    [
        (None, "registered, without a status"),
        ({"status": "True", "lastHeartbeatTime": "2026-09-21T14:13:20Z"}, "Ready"),
        ({"status": "True", "lastHeartbeatTime": "2026-09-21T14:13:19Z"}, "status from before the start"),
        (
            {"status": "False", "lastHeartbeatTime": "2026-09-21T14:13:20Z", "reason": "KubeletNotReady"},
            "NotReady (KubeletNotReady)",
        ),
    ],
)
def test_a_node_is_what_its_kubelet_has_said_since_the_start(
    condition: dict[str, Any] | None, state: str
) -> None:
    conditions = [{"type": "Ready", **condition}] if condition else []

    assert node_state({"status": {"conditions": conditions}}, START) == state


class Server(http.server.ThreadingHTTPServer):
    """An API server of which each watch shows the next of `rounds`."""

    rounds: list[list[dict[str, Any]]]
    users: list[str]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        assert self.path == "/api/v1/namespaces/kube-system/pods?watch=true&resourceVersion=0"
        subject = self.connection.getpeercert()["subject"]  # type: ignore[attr-defined]
        self.server.users.append(dict(part for entry in subject for part in entry)["commonName"])
        events = self.server.rounds.pop(0) if len(self.server.rounds) > 1 else self.server.rounds[0]
        self.send_response(200)
        self.end_headers()
        for shown in events:
            self.wfile.write(json.dumps({"type": "MODIFIED", "object": shown}).encode() + b"\n")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Server, Api]]:
    kubeadm.write(tmp_path / "rootfs", NODE, bare=True)
    pki = tmp_path / "rootfs/etc/kubernetes/pki"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / "apiserver.crt", pki / "apiserver.key")
    context.load_verify_locations(pki / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    with Server(("127.0.0.1", 0), Handler) as server:
        server.rounds, server.users = [[]], []
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        kubeadm.write_host_kubeconfig(
            tmp_path / "rootfs", NODE, tmp_path / "kubeconfig", server.server_address[1]
        )
        yield server, Api.from_kubeconfig(tmp_path / "kubeconfig")
        server.shutdown()


def wait(api: Api, names: list[str], timeout: float = 20.0, **callbacks: Any) -> dict[str, str]:
    quiet: dict[str, Any] = {"waiting": lambda states: None, "check": lambda: None}
    return wait_until_ready(api, names, since=START, timeout=timeout, **(quiet | callbacks))


def test_the_wait_ends_when_all_named_pods_are_ready(served: tuple[Server, Api]) -> None:
    server, api = served
    server.rounds = [[pod("a"), pod("b", ready=False), pod("c", ready=False), pod("b")]]

    assert wait(api, ["a", "b"]) == {"a": "Ready", "b": "Ready"}


def test_the_api_is_asked_as_the_kubeconfigs_user(served: tuple[Server, Api]) -> None:
    server, api = served
    server.rounds = [[pod("a")]]
    wait(api, ["a"])

    assert server.users == ["kubernetes-admin"]


def test_a_watch_that_ends_is_opened_anew(served: tuple[Server, Api]) -> None:
    server, api = served
    server.rounds = [[], [pod("a", ready=False)], [pod("a")]]

    assert wait(api, ["a"]) == {"a": "Ready"}


def test_who_waits_is_told_what_for(served: tuple[Server, Api]) -> None:
    server, api = served
    server.rounds = [[pod("a", ready=False), pod("a")]]
    heard: list[dict[str, str]] = []
    wait(api, ["a"], waiting=lambda states: heard.append(dict(states)))

    assert heard == [{"a": "not seen in the API"}, {"a": "Running, not Ready"}]


def test_in_the_end_the_wait_says_how_far_each_pod_came(served: tuple[Server, Api]) -> None:
    server, api = served
    server.rounds = [[pod("a"), pod("b", ready=False)]]

    assert wait(api, ["a", "b", "c"], timeout=1.0) == {
        "a": "Ready",
        "b": "Running, not Ready",
        "c": "not seen in the API",
    }


def test_the_wait_ends_early_when_the_cluster_does(served: tuple[Server, Api]) -> None:
    _, api = served

    class ClusterEndedError(Exception):
        pass

    def check() -> None:
        raise ClusterEndedError

    with pytest.raises(ClusterEndedError):
        wait(api, ["a"], check=check)
