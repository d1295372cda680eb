"""Pods have a network of their own: addresses, ports of the node that lead to them, and no network at all."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import grpc
import pytest
from cri_api.v1 import api_pb2 as cri

from labs.nodes import views
from tests.runtime.harness import RuntimeNode

CONFIGURATION = "/etc/cni/net.d/10-kindnet.conflist"


#: Tells its name to everyone who connects.
SERVER = """
import socket, sys
server = socket.create_server(("0.0.0.0", int(sys.argv[2])))
while True:
    server.accept()[0].sendall(sys.argv[1].encode())
"""
#: The name that is told at an address, once there is one.
CLIENT = """
import json, socket, sys, time
name = b""
for _ in range(200):
    try:
        with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
            name = connection.recv(100)
    except OSError:
        pass
    if name:
        break
    time.sleep(0.05)
print(json.dumps(name.decode()))
"""
#: Sends every datagram back.
ECHO = """
import socket
pod = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
pod.bind(("0.0.0.0", 53))
while True:
    pod.sendto(*pod.recvfrom(100))
"""
PING = """
import json, socket
connection = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
connection.settimeout(0.2)
answer = b""
for _ in range(100):  # until the pod listens
    connection.sendto(b"ping", ("127.0.0.1", 5353))
    try:
        answer = connection.recv(100)
        break
    except OSError:
        pass
print(json.dumps(answer.decode()))
"""


def listening_here() -> set[str]:
    """The IPv4 addresses at which somebody listens on this machine."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = {row[1].partition(":")[0] for row in rows if row[3] == "0A"}
    return {socket.inet_ntoa(int(address, 16).to_bytes(4, sys.byteorder)) for address in listening}


def ask(node: RuntimeNode, address: str, port: int) -> str:
    """The name that is told to the node."""
    return str(node.python(CLIENT, address, str(port)))


def conditions(node: RuntimeNode) -> dict[str, tuple[bool, str, str]]:
    status = node.cri.Status(cri.StatusRequest()).status
    return {each.type: (each.status, each.reason, each.message) for each in status.conditions}


def refusal(call: grpc.RpcError) -> str:
    return str(call.details())


def test_two_pods_bind_one_port_and_reach_each_other_and_the_host_sees_nothing(node: RuntimeNode) -> None:
    first, second = node.sandbox("first"), node.sandbox("second")
    containers = [
        node.run_python(sandbox, SERVER, name, "80") for sandbox, name in ((first, "one"), (second, "two"))
    ]
    addresses = [node.address(sandbox) for sandbox in (first, second)]

    from_node = [ask(node, address, 80) for address in addresses]
    client = [*views.NodePython.own().command, "-c", CLIENT, addresses[0], "80"]
    from_second = node.exec_sync(containers[1], *client)[1]

    assert from_node == ["one", "two"]
    assert from_second == '"one"\n'
    assert ":80 " not in node.sh("cat /proc/net/tcp")  # nobody on the node itself
    assert not listening_here() & set(addresses)


def test_a_pod_sees_its_own_devices(node: RuntimeNode) -> None:
    container = node.run_container(node.sandbox("devices"), "sleep", "1000")

    code, listed, _ = node.exec_sync(container, "ls", "/sys/class/net")

    if code == 0:  # where the machine shows its own /sys whole
        assert sorted(listed.split()) == ["eth0", "lo"]


def test_a_port_of_the_node_leads_into_the_pod_until_it_is_stopped(node: RuntimeNode) -> None:
    mappings = [
        cri.PortMapping(container_port=8000, host_port=12345),
        cri.PortMapping(container_port=8000, host_port=12346, host_ip="127.0.0.1"),
        cri.PortMapping(container_port=8001),
    ]
    sandbox = node.sandbox("mapped", port_mappings=mappings)
    node.run_python(sandbox, SERVER, "mapped", "8000")

    assert [ask(node, "127.0.0.1", port) for port in (12345, 12346)] == ["mapped", "mapped"]
    node.sandbox("late", port_mappings=mappings[:1])  # it runs, and the port stays the first one's
    assert ask(node, "127.0.0.1", 12345) == "mapped"

    node.cri.StopPodSandbox(cri.StopPodSandboxRequest(pod_sandbox_id=sandbox))
    assert node.run("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/12345")[0] == 1
    node.sandbox("other", port_mappings=mappings[:1])


def test_datagrams_find_their_way_and_the_answers_back(node: RuntimeNode) -> None:
    mapping = cri.PortMapping(container_port=53, host_port=5353, protocol=cri.UDP)
    sandbox = node.sandbox("dns", port_mappings=[mapping])
    node.run_python(sandbox, ECHO)

    assert node.python(PING) == "ping"


def test_a_new_runtime_knows_the_ports_and_the_addresses(fresh_node: RuntimeNode) -> None:
    node = fresh_node
    mapping = cri.PortMapping(container_port=8000, host_port=12347)
    sandbox = node.sandbox("kept", port_mappings=[mapping])
    node.run_python(sandbox, SERVER, "kept", "8000")

    node.kill_runtime()

    assert ask(node, "127.0.0.1", 12347) == "kept"
    assert node.address(node.sandbox("next")) != node.address(sandbox)


def test_without_a_configuration_there_is_no_network_and_no_pod_but_those_of_the_node(
    fresh_node: RuntimeNode,
) -> None:
    node = fresh_node
    before = node.sandbox("before")
    assert conditions(node)["NetworkReady"][0]

    node.sh(f"mv {CONFIGURATION} /root/")

    message = "Network plugin returns error: cni plugin not initialized"
    assert conditions(node)["NetworkReady"] == (False, "NetworkPluginNotReady", message)
    assert conditions(node)["RuntimeReady"][0]
    with pytest.raises(grpc.RpcError) as refused:
        node.sandbox("after")
    assert refusal(refused.value).startswith('failed to setup network for sandbox "')
    assert refusal(refused.value).endswith('": cni plugin not initialized')
    assert node.run_container(node.sandbox("hosted", host_network=True), "sleep", "1000")
    stop = cri.StopPodSandboxRequest(pod_sandbox_id=before)
    with pytest.raises(grpc.RpcError) as kept:
        node.cri.StopPodSandbox(stop)
    assert refusal(kept.value) == (
        f'failed to destroy network for sandbox "{before}": cni plugin not initialized'
    )

    node.sh(f"mv /root/10-kindnet.conflist {CONFIGURATION}")

    assert conditions(node)["NetworkReady"][0]
    node.cri.StopPodSandbox(stop)
    assert node.address(node.sandbox("after")).startswith("10.244.0.")


def test_the_configuration_says_which_addresses_pods_get(fresh_node: RuntimeNode) -> None:
    node = fresh_node
    wanted = {
        "cniVersion": "0.4.0",
        "name": "mine",
        "type": "bridge",
        "bridge": "br-mine",
        "ipam": {"type": "host-local", "subnet": "10.99.0.0/28"},
    }
    node.sh(f"echo '{json.dumps(wanted)}' > /etc/cni/net.d/05-mine.conf")

    container = node.run_container(node.sandbox("mine"), "sleep", "1000")

    routes = node.exec_sync(container, "cat", "/proc/net/route")[1].splitlines()
    assert "0100630A" in routes[1]  # 10.99.0.1, as the kernel writes it
    info = json.loads(node.cri.Status(cri.StatusRequest(verbose=True)).info["cniconfig"])
    assert info["Networks"][0]["Config"]["Name"] == "mine"


def test_a_plugin_that_is_not_there_is_named(fresh_node: RuntimeNode) -> None:
    node = fresh_node
    node.sh(f"sed -i s/bridge/calico/ {CONFIGURATION}")

    with pytest.raises(grpc.RpcError) as refused:
        node.sandbox("calico")

    assert refusal(refused.value).endswith(
        'plugin type="calico" failed (add): failed to find plugin "calico" in path [/opt/cni/bin]'
    )


def test_kernel_settings_are_the_pods_own(node: RuntimeNode) -> None:
    settings = {"net.ipv4.ip_forward": "1", "kernel.shm_rmid_forced": "1", "fs.mqueue.msg_max": "100"}
    before = node.sh("cat /proc/sys/kernel/shm_rmid_forced")

    sandbox = node.sandbox("tuned", linux=linux(settings))
    container = node.run_container(sandbox, "sleep", "1000")

    for name, value in settings.items():
        path = f"/proc/sys/{name.replace('.', '/')}"
        assert node.exec_sync(container, "cat", path)[1] == f"{value}\n"
    assert node.sh("cat /proc/sys/kernel/shm_rmid_forced") == before


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("kernel.panic", 'sysctl "kernel.panic" is not in a separate kernel namespace'),
        ("net.a/../../../cks/x", 'invalid sysctl name "net.a/../../../cks/x"'),
    ],
)
def test_kernel_settings_of_the_machine_are_refused(node: RuntimeNode, name: str, reason: str) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        node.sandbox("panic", linux=linux({name: "1"}))

    assert f"runc create failed: {reason}" in refusal(refused.value)


def linux(sysctls: dict[str, str]) -> object:
    return cri.LinuxPodSandboxConfig(sysctls=sysctls)
