"""The API server at work: a long list for kubectl, changes of etcd that reach many watchers, many writes."""

from __future__ import annotations

import json
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPSConnection
from typing import Any

from labs.cluster import Cluster
from labs.nodes.readiness import Api

PODS, LISTINGS = 500, 7
WATCHERS, CHANGES, CHANGES_PER_SECOND = 10, 10_000, 2_000
WRITERS, WRITING_SECONDS = 16, 5.0
PATIENCE_SECONDS = 120.0

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
WRITE = f"""POST {CONFIG_MAPS} HTTP/1.1
Host: api
Content-Type: application/json
Content-Length: {{length}}

{{body}}""".replace("\n", "\r\n")
#: Never scheduled, so that the pods cost nothing but the list.
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "spec": {"schedulerName": "none", "containers": [{"name": "main", "image": "busybox:1.36"}]},
}

#: Runs on the node: how many lines each list has, and the nanoseconds it took.
LIST = f"""
for each in $(seq {LISTINGS}); do
  began=$(date +%s%N); kubectl get pods -A | wc -l; ended=$(date +%s%N); echo $((ended - began))
done
"""

#: Runs on the node, where etcd can be reached: changes of a hundred objects at a time, evenly paced.
FEED = """
import base64, http.client, json, ssl, sys, time
changes, rate, each = (int(argument) for argument in sys.argv[1:])
pki = "/etc/kubernetes/pki/"
context = ssl.create_default_context(cafile=pki + "etcd/ca.crt")
context.load_cert_chain(pki + "apiserver-etcd-client.crt", pki + "apiserver-etcd-client.key")
connection = http.client.HTTPSConnection("127.0.0.1", 2379, context=context)
encoded = lambda text: base64.b64encode(text.encode()).decode()
start = time.time()
for sent in range(0, changes, each):
    time.sleep(max(0.0, start + sent / rate - time.time()))
    puts = []
    for number in range(each):
        meta = {"name": f"fed-{number}", "namespace": "default", "uid": f"fed-{number}",
                "creationTimestamp": "2026-01-01T00:00:00Z"}
        value = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"n": str(sent + number)}}
        key = f"/registry/configmaps/default/fed-{number}"
        puts.append({"requestPut": {"key": encoded(key), "value": encoded(json.dumps(value))}})
    connection.request("POST", "/v3/kv/txn", json.dumps({"success": puts}))
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, body
print(start, time.time())
"""


@dataclass(frozen=True)
class Propagation:
    """Changes put straight into etcd, and when the slowest watcher had them all."""

    per_second: float
    late_s: float


@dataclass(frozen=True)
class Writes:
    """Objects created by several clients at once: how many a second, and the seconds each took."""

    per_second: float
    seconds: list[float]


class Load:
    """The clients of one API server."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._api = Api.from_kubeconfig(cluster.kubeconfig)

    def listings(self) -> list[float]:
        """Seconds that `kubectl get pods -A` takes on the node, with `PODS` more pods than were there."""
        with closing(self._connect()) as connection:
            for number in range(PODS):
                pod = {**POD, "metadata": {"name": f"listed-{number}", "labels": {"bench": "listed"}}}
                self._created(connection, "/api/v1/namespaces/default/pods", pod)
            lines = self._cluster.run(["sh", "-c", LIST]).stdout.split()
            connection.request("DELETE", "/api/v1/namespaces/default/pods?labelSelector=bench%3Dlisted")
            connection.getresponse().read()
        assert all(int(count) > PODS for count in lines[::2]), lines
        return [int(nanoseconds) / 1e9 for nanoseconds in lines[1::2]]

    def propagation(self) -> Propagation:
        """`CHANGES` changes at `CHANGES_PER_SECOND`, seen by `WATCHERS` watches at once."""
        with ThreadPoolExecutor(WATCHERS) as pool:
            finished = self._watching(pool)
            arguments = [str(each) for each in (CHANGES, CHANGES_PER_SECOND, 100)]
            fed = self._cluster.run(["python3", "-c", FEED, *arguments], timeout=PATIENCE_SECONDS)
            assert fed.returncode == 0, fed.stderr
            start, end = map(float, fed.stdout.split())
            last = max(each.result(PATIENCE_SECONDS) for each in finished)
        return Propagation(CHANGES / (last - start), max(0.0, last - end))

    def writes(self) -> Writes:
        """ConfigMaps created by `WRITERS` clients for `WRITING_SECONDS`."""
        end, run = time.monotonic() + WRITING_SECONDS, uuid.uuid4().hex[:8]
        with ThreadPoolExecutor(WRITERS) as pool:
            each = list(pool.map(lambda writer: list(self._write(f"{run}-{writer}", end)), range(WRITERS)))
        seconds = [spent for of_one in each for spent in of_one]
        return Writes(len(seconds) / WRITING_SECONDS, seconds)

    def _write(self, writer: str, end: float) -> Iterator[float]:
        """By hand: an HTTP library for Python would take as much of the machine as the API server does."""
        number, api = 0, self._api
        plain = socket.create_connection((api.host, api.port), PATIENCE_SECONDS)
        with api.context.wrap_socket(plain, server_hostname=api.host) as connection:
            while (started := time.monotonic()) < end:
                number += 1
                meta = {"name": f"written-{writer}-{number}"}
                config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"n": "1"}}
                body = json.dumps(config_map)
                connection.sendall(WRITE.format(length=len(body), body=body).encode())
                head, _, got = connection.recv(2**16).partition(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 201 "), head
                missing = int(head.lower().partition(b"content-length:")[2].split()[0]) - len(got)
                while missing > 0:
                    missing -= len(connection.recv(missing))
                yield time.monotonic() - started

    def _watching(self, pool: ThreadPoolExecutor) -> list[Future[float]]:
        """Watches that have begun; of each, to come, the moment at which it had seen all changes."""
        begun = threading.Barrier(WATCHERS + 1)
        watches = [pool.submit(self._watch, begun) for _ in range(WATCHERS)]
        begun.wait(PATIENCE_SECONDS)
        return watches

    def _watch(self, begun: threading.Barrier) -> float:
        with closing(self._connect()) as connection:
            connection.request("GET", f"{CONFIG_MAPS}?limit=1")
            version = json.loads(connection.getresponse().read())["metadata"]["resourceVersion"]
            connection.request("GET", f"{CONFIG_MAPS}?watch=1&resourceVersion={version}")
            events = connection.getresponse()
            begun.wait(PATIENCE_SECONDS)
            seen = 0
            while seen < CHANGES and (data := events.read1(2**20)):
                seen += data.count(b"\n")
        assert seen >= CHANGES, f"the watch ended after {seen} changes"
        return time.time()

    def _created(self, connection: HTTPSConnection, path: str, value: dict[str, Any]) -> None:
        connection.request("POST", path, json.dumps(value), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == HTTPStatus.CREATED, body

    def _connect(self) -> HTTPSConnection:
        api = self._api
        return HTTPSConnection(api.host, api.port, context=api.context, timeout=PATIENCE_SECONDS)
