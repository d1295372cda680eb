"""A broken flag in the manifest of the scheduler or the controllers shows where a real node shows it."""

from __future__ import annotations

import random
import string
import time
from collections.abc import Callable, Iterator

import pytest

from labs.cluster import Cluster

from .conftest import booted

pytestmark = pytest.mark.long

MANIFESTS = "/etc/kubernetes/manifests"
DEADLINE = 180.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster that these tests break and mend."""
    with booted() as running:
        yield running


def shell(cluster: Cluster, script: str) -> str:
    return cluster.run(["sh", "-c", script]).stdout


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < end, "it did not come to hold in time"
        time.sleep(0.1)


@pytest.mark.parametrize("component", ["kube-scheduler", "kube-controller-manager"])
def test_an_unknown_flag_ends_the_container_and_is_found_in_its_log(cluster: Cluster, component: str) -> None:
    flag = "--" + "".join(random.choices(string.ascii_lowercase, k=10))
    manifest, kept = f"{MANIFESTS}/{component}.yaml", f"/root/{component}.yaml"
    pod = f"{component}-{cluster.nodes[0]}"
    exited = f"crictl ps -a --name {component} --state exited -q | head -n 1"
    shell(cluster, f"cp {manifest} {kept} && sed -i 's/^    - {component}$/&\\n    - {flag}=1/' {manifest}")

    def log() -> str:
        return shell(cluster, f"cat /var/log/pods/kube-system_{pod}_*/{component}/*.log")

    until(lambda: f"Error: unknown flag: {flag}\n" in log())
    until(lambda: "CrashLoopBackOff" in shell(cluster, f"kubectl get pod -n kube-system {pod} --no-headers"))
    assert '"exitCode": 1,' in shell(cluster, f"crictl inspect $({exited})")
    back_off = rf"back-off 10s restarting failed container={component} pod={pod}_kube-system("
    assert back_off in shell(cluster, "journalctl -u kubelet -o cat")

    shell(cluster, f"mv {kept} {manifest}")

    until(lambda: "1/1" in shell(cluster, f"kubectl get pod -n kube-system {pod} --no-headers"))
