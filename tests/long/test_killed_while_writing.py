"""kill -9 of the API server, and of a whole node, while clients write: nothing acknowledged is lost.

KILL_SEED repeats the moments, as far as a machine repeats anything. etcd 3.5.1 may itself forget what it
wrote to its log when it is killed (etcd issue 13766): a loss that the log still has is counted as that and
printed.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import random
import signal
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import yaml

from tests.controlplane.plane import Plane, until
from tests.long.writers import Connect, Known, Writer, lost, values

if TYPE_CHECKING:
    from labs.cluster import Cluster

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

SERVER_KILLS, NODE_KILLS, WRITERS = 15, 6, 4
#: A kill comes after at most so much writing.
LONGEST_SECONDS = 1.5


@pytest.fixture
def chance() -> random.Random:
    seed = int(os.environ.get("KILL_SEED") or time.time())
    print(f"KILL_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    running = Plane(tmp_path_factory.mktemp("killed"))
    running.start_etcd()
    running.start()
    yield running
    running.stop()


def writing(connect: Connect, chance: random.Random) -> list[Writer]:
    writers = [Writer(f"w{number}", connect, chance.getrandbits(32)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    return writers


def wait_for_writes(writers: list[Writer], chance: random.Random) -> None:
    """Some writes have been acknowledged since, and then a moment that chance chooses."""
    before = [writer.acknowledged for writer in writers]
    until(lambda: all(w.acknowledged > b for w, b in zip(writers, before, strict=True)))
    time.sleep(chance.uniform(0, LONGEST_SECONDS))


def test_an_api_server_killed_while_it_writes_loses_nothing_acknowledged(
    plane: Plane, chance: random.Random
) -> None:
    writers = writing(lambda: plane.connection(timeout=10), chance)

    for _ in range(SERVER_KILLS):
        wait_for_writes(writers, chance)
        plane.kill()
        plane.start()
    wait_for_writes(writers, chance)
    for writer in writers:
        writer.stop()

    print(f"{sum(w.acknowledged for w in writers)} writes, {sum(w.unanswered for w in writers)} unanswered")
    assert sum(writer.unanswered for writer in writers) > 0
    assert lost(writers, values(plane.connection)) == []
    assert "Traceback" not in plane.log.read_text()


def test_a_node_killed_while_it_writes_loses_nothing_acknowledged(
    fresh_cluster: Cluster, chance: random.Random, tmp_path: Path
) -> None:
    connect = connector(fresh_cluster, tmp_path)
    writers = writing(connect, chance)

    for number in range(NODE_KILLS):
        wait_for_writes(writers, chance)
        (kill_the_node, kill_the_api_server)[number % 2](fresh_cluster)
    wait_for_writes(writers, chance)
    for writer in writers:
        writer.stop()

    missing = lost(writers, values(connect))
    of_etcd = [each for each in missing if is_in_the_log_of_etcd(fresh_cluster, each[1])]
    print(f"{sum(w.acknowledged for w in writers)} writes, {len(of_etcd)} lost by etcd (issue 13766)")
    assert [each for each in missing if each not in of_etcd] == []


def kill_the_node(cluster: Cluster) -> None:
    """The supervisor dies, and all that it owned with it; `labs up` resumes."""
    from labs.cluster import Cluster

    pid = cluster.supervisor_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: not cluster.running)
    Cluster.up(cluster.name)


def kill_the_api_server(cluster: Cluster) -> None:
    """The process dies, and the kubelet starts another."""
    script = "crictl inspect $(crictl ps -q --name kube-apiserver)"
    pid = json.loads(cluster.run(["sh", "-c", script]).stdout)["info"]["pid"]
    cluster.run(["kill", "-9", str(pid)]).check_returncode()


def is_in_the_log_of_etcd(cluster: Cluster, known: Known) -> bool:
    """Whether etcd had written down what was acknowledged; a deletion cannot be told from its key."""
    if known.acknowledged is None:
        return False
    script = f"cat /var/lib/etcd/member/wal/*.wal | grep -aqF '{known.acknowledged}\"'"
    return cluster.run(["sh", "-c", script]).returncode == 0


def connector(cluster: Cluster, folder: Path) -> Callable[[], http.client.HTTPSConnection]:
    """Connections with the certificate of a cluster's kubeconfig."""
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    server, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    for name in ("client-certificate-data", "client-key-data"):
        (folder / name).write_bytes(base64.b64decode(user[name]))
    authority = base64.b64decode(server["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    context.load_cert_chain(folder / "client-certificate-data", folder / "client-key-data")
    url = urlsplit(server["server"])
    return lambda: http.client.HTTPSConnection(url.hostname or "", url.port, context=context, timeout=10)
