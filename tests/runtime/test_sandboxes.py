"""A pod's sandbox: the namespaces that its containers share, its network, its end."""

from __future__ import annotations

import ipaddress
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from cri_api.v1 import api_pb2 as cri

from labs.runtime.images.build import static_busybox
from tests.runtime.conftest import booted
from tests.runtime.harness import RuntimeNode

needs_busybox = pytest.mark.skipif(
    static_busybox() is None, reason="the images have no httpd and nc without busybox-static"
)

SLEEP = ("sleep", "100000")
#: A server that tells the name of the host it runs on.
SERVE = ("sh", "-c", "mkdir /www; hostname > /www/name; exec httpd -f -p 80 -h /www")
#: Asks it from another pod, and from the node; tries for as long as a server may take to start.
FROM_POD = """for i in $(seq 100); do
  name=$(printf 'GET /name HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {} 80 | tail -n 1)
  test "$name" && echo $name && exit
  sleep 0.05
done; exit 1"""
FROM_NODE = """for i in $(seq 100); do
  exec 3<>/dev/tcp/{}/80 && printf 'GET /name HTTP/1.0\\r\\n\\r\\n' >&3 && timeout 2 tail -1 <&3 && exit
  sleep 0.05
done 2>/dev/null; exit 1"""


def status(node: RuntimeNode, sandbox: str) -> object:
    return node.cri.PodSandboxStatus(cri.PodSandboxStatusRequest(pod_sandbox_id=sandbox)).status


def address(node: RuntimeNode, sandbox: str) -> str:
    return str(status(node, sandbox).network.ip)


@needs_busybox
def test_two_pods_bind_port_80_and_reach_each_other_and_the_node_reaches_both(node: RuntimeNode) -> None:
    one, two = node.sandbox("one"), node.sandbox("two")
    server, _ = node.run_container(one, *SERVE), node.run_container(two, *SERVE)

    assert node.exec_sync(server, "sh", "-c", FROM_POD.format(address(node, two)))[1] == "two\n"
    for sandbox, name in ((one, "one"), (two, "two")):
        assert node.sh(FROM_NODE.format(address(node, sandbox))) == f"{name}\n"


def test_addresses_come_from_the_nodes_range_and_are_not_given_again_at_once(node: RuntimeNode) -> None:
    first = node.sandbox("first-address")
    old = address(node, first)
    node.cri.StopPodSandbox(cri.StopPodSandboxRequest(pod_sandbox_id=first))

    new = address(node, node.sandbox("next-address"))

    assert ipaddress.ip_address(old) in ipaddress.ip_network("10.244.0.0/24")
    assert int(ipaddress.ip_address(new)) == int(ipaddress.ip_address(old)) + 1
    assert address(node, first) == ""


@needs_busybox
def test_a_pod_on_the_nodes_network_has_its_name_and_may_bind_its_ports(node: RuntimeNode) -> None:
    sandbox = node.sandbox("host-network", host_network=True)
    container = node.run_container(sandbox, *SERVE)

    assert node.exec_sync(container, "hostname")[1] == "cks-control-plane\n"
    assert node.sh(FROM_NODE.format("127.0.0.1")) == "cks-control-plane\n"
    assert address(node, sandbox) == ""


def test_containers_of_a_pod_share_network_and_memory_but_not_processes(node: RuntimeNode) -> None:
    sandbox = node.sandbox("shared")
    one, two = node.run_container(sandbox, *SLEEP), node.run_container(sandbox, *SLEEP, name="second")

    node.exec_sync(one, "touch", "/dev/shm/here")

    assert node.exec_sync(two, "ls", "/dev/shm")[1] == "here\n"
    for kind in ("net", "ipc", "uts"):
        link = ("readlink", f"/proc/self/ns/{kind}")
        assert node.exec_sync(one, *link) == node.exec_sync(two, *link)
    link = ("readlink", "/proc/self/ns/pid")
    assert node.exec_sync(one, *link) != node.exec_sync(two, *link)


def test_a_pod_may_share_its_process_namespace(node: RuntimeNode) -> None:
    sandbox = node.sandbox("processes", pid=cri.POD)
    node.run_container(sandbox, "sleep", "4714", pid=cri.POD)
    two = node.run_container(sandbox, *SLEEP, name="second", pid=cri.POD)

    assert "sleep\0004714" in node.exec_sync(two, "sh", "-c", "cat /proc/[0-9]*/cmdline")[1]


def test_a_pod_of_the_nodes_process_namespace_sees_the_node(node: RuntimeNode) -> None:
    sandbox = node.sandbox("host-pid", pid=cri.NODE)
    container = node.run_container(sandbox, *SLEEP, pid=cri.NODE)

    assert "/usr/bin/containerd" in node.exec_sync(container, "sh", "-c", "cat /proc/[0-9]*/cmdline")[1]
    assert node.exec_sync(container, "readlink", "/proc/1/fd/3", "/proc/1/ns/user", "/proc/1/root")[1] == ""
    assert "Permission denied" in node.exec_sync(container, "cat", "/proc/1/environ")[2]


def test_etc_is_filled_where_the_kubelet_mounts_nothing(node: RuntimeNode) -> None:
    dns = cri.DNSConfig(servers=["10.96.0.10"], searches=["svc.cluster.local"], options=["ndots:5"])
    container = node.run_container(node.sandbox("etc", dns_config=dns), *SLEEP)

    assert node.exec_sync(container, "cat", "/etc/hostname")[1] == "etc\n"
    assert node.exec_sync(container, "cat", "/etc/resolv.conf")[1] == (
        "search svc.cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
    )


def test_stopping_kills_what_runs_in_it_and_removing_forgets_it(node: RuntimeNode) -> None:
    sandbox = node.sandbox("ending")
    container = node.run_container(sandbox, *SLEEP)

    node.cri.StopPodSandbox(cri.StopPodSandboxRequest(pod_sandbox_id=sandbox))

    assert node.status(container).exit_code == 137
    assert status(node, sandbox).state == cri.SANDBOX_NOTREADY
    node.cri.StopPodSandbox(cri.StopPodSandboxRequest(pod_sandbox_id=sandbox))
    node.cri.RemovePodSandbox(cri.RemovePodSandboxRequest(pod_sandbox_id=sandbox))
    node.cri.RemovePodSandbox(cri.RemovePodSandboxRequest(pod_sandbox_id=sandbox))
    with pytest.raises(grpc.RpcError) as call:
        status(node, sandbox)
    assert call.value.details() == f'an error occurred when try to find sandbox "{sandbox}": not found'
    assert not (node.trusted / "sandboxes" / sandbox).exists()
    assert not (node.trusted / "containers" / container).exists()


def test_when_its_pause_process_is_killed_it_is_not_ready(node: RuntimeNode) -> None:
    sandbox = node.sandbox("paused")
    request = cri.PodSandboxStatusRequest(pod_sandbox_id=sandbox, verbose=True)
    pause = json.loads(node.cri.PodSandboxStatus(request).info["info"])["pid"]

    node.sh(f"kill -9 {pause}")
    node.wait_record(event="SandboxStopped", id=sandbox)

    assert status(node, sandbox).state == cri.SANDBOX_NOTREADY


class Unguarded(RuntimeNode):
    """A node whose pause processes do not end with their bubblewrap, as in their first moments."""

    def project(self) -> Path:
        copy = self.directory / "labs"
        if not copy.exists():
            shutil.copytree(super().project(), copy)
            module = copy / "runtime/bubble.py"
            module.write_text(module.read_text().replace('"--die-with-parent"', '"--new-session"'))
        return copy


@pytest.fixture
def unguarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeNode]:
    yield from booted(tmp_path_factory, Unguarded)


def pauses(node: RuntimeNode) -> list[str]:
    return node.sh("pgrep -f '^sleep infinity' || true").split()


@pytest.mark.parametrize("host_network", [True, False])
@pytest.mark.parametrize("pid", [cri.POD, cri.CONTAINER])
def test_a_pause_process_that_has_only_begun_is_stopped_too(
    unguarded: RuntimeNode, pid: int, host_network: bool
) -> None:
    sandbox = unguarded.sandbox("brief", pid=pid, host_network=host_network)
    running = unguarded.sh("until pgrep -f '^sleep infinity'; do sleep 0.05; done").split()

    unguarded.cri.StopPodSandbox(cri.StopPodSandboxRequest(pod_sandbox_id=sandbox))

    assert len(running) == 1
    assert pauses(unguarded) == []


def test_a_sandbox_that_cannot_be_connected_leaves_no_process(unguarded: RuntimeNode) -> None:
    unguarded.sh("rm -r /etc/cni/net.d")

    with pytest.raises(grpc.RpcError, match="failed to setup network"):
        unguarded.sandbox("alone")

    assert pauses(unguarded) == []


def test_the_same_pod_and_attempt_is_refused(node: RuntimeNode) -> None:
    first = node.sandbox("twice")

    with pytest.raises(grpc.RpcError) as call:
        node.sandbox("twice")

    name = "twice_default_twice-uid_0"
    assert call.value.details() == (
        f'failed to reserve sandbox name "{name}": name "{name}" is reserved for "{first}"'
    )


def test_a_pod_with_a_sleeping_container_takes_at_most_3_megabytes(fresh_node: RuntimeNode) -> None:
    pods = 5
    for number in range(pods):
        fresh_node.run_container(fresh_node.sandbox(f"pod{number}"), *SLEEP)

    script = "for p in $(pgrep -f '[b]wrap|^sleep'); do grep ^Pss: /proc/$p/smaps_rollup; done"
    kilobytes = sum(int(line.split()[1]) for line in fresh_node.sh(script, view="trusted").splitlines())

    assert 0 < kilobytes / pods <= 3000
