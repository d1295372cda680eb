"""What a container may do: its user, its capabilities in commands run later, its paths, its memory."""

from __future__ import annotations

import uuid

import grpc
import pytest
from cri_api.v1 import api_pb2 as cri

from tests.runtime.harness import RuntimeNode

SLEEP = ("sleep", "100000")
IDENTITY = ("sh", "-c", "id -u; id -g; id -G; grep -E 'CapBnd|NoNewPrivs' /proc/self/status | cut -f2")


@pytest.fixture(scope="module")
def many_users(node: RuntimeNode) -> None:
    if node.sh("awk '{n += $3} END {print n}' /proc/self/uid_map") == "1\n":
        pytest.skip("this machine gives the node one user only (as an ordinary user without newuidmap)")


def capabilities(add: list[str] | None = None, drop: list[str] | None = None) -> dict[str, object]:
    return {"capabilities": cri.Capability(add_capabilities=add, drop_capabilities=drop)}


@pytest.mark.usefixtures("many_users")
@pytest.mark.parametrize("pid", [cri.CONTAINER, cri.POD])
def test_a_later_command_is_the_same_user_as_the_container(node: RuntimeNode, pid: int) -> None:
    sandbox = node.sandbox(f"user-{pid}", pid=pid)
    security = {
        "run_as_user": cri.Int64Value(value=1001),
        "run_as_group": cri.Int64Value(value=1002),
        "supplemental_groups": [1234, 5678],
    }

    container = node.run_container(sandbox, *SLEEP, pid=pid, security=security)

    own = node.exec_sync(container, *IDENTITY)[1].split("\n")
    assert own[:3] == ["1001", "1002", "1002 1234 5678"]
    assert own[3:5] == ["0" * 16, "1"]
    first = node.exec_sync(container, "sh", "-c", "ps -o user,args | grep '[s]leep 100000'")[1]
    assert first.split()[0] == "1001"


@pytest.mark.usefixtures("many_users")
def test_another_user_sees_the_processes_of_his_pod_only(node: RuntimeNode) -> None:
    sandbox = node.sandbox("together", pid=cri.POD)
    node.run_container(sandbox, "sleep", "4740", pid=cri.POD)

    security = {"run_as_user": cri.Int64Value(value=1001)}
    container = node.run_container(sandbox, *SLEEP, name="other", pid=cri.POD, security=security)

    seen = node.exec_sync(container, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")[1]
    assert "sleep 4740" in seen
    assert "containerd" not in seen


def test_a_later_command_has_the_containers_capabilities(node: RuntimeNode) -> None:
    sandbox = node.sandbox("caps")

    def bounding(name: str, **security: object) -> int:
        container = node.run_container(sandbox, *SLEEP, name=name, security=security)
        own = node.exec_sync(container, "grep", "CapEff", "/proc/self/status")[1]
        return int(own.split()[1], 16)

    assert bounding("default") == 0xA80425FB
    assert bounding("none", **capabilities(drop=["ALL"])) == 0
    assert bounding("one", **capabilities(add=["SYS_TIME"], drop=["ALL"])) == 1 << 25


def test_a_group_needs_a_user(node: RuntimeNode) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        node.create(node.sandbox("group"), *SLEEP, security={"run_as_group": cri.Int64Value(value=5)})

    assert refused.value.details() == "failed to generate user string: user group is specified without user"


def test_paths_are_protected_and_hidden_where_they_are_there(node: RuntimeNode) -> None:
    security = {
        "readonly_paths": ["/proc/sys", "/tmp", "/nowhere"],
        "masked_paths": ["/proc/kcore", "/etc/passwd", "/var", "/nowhere"],
    }
    container = node.run_container(node.sandbox("paths"), *SLEEP, security=security)

    def complaint(*command: str) -> str:
        return node.exec_sync(container, *command)[2].strip()

    assert complaint("touch", "/tmp/x").endswith("Read-only file system")
    assert "Read-only file system" in complaint("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    assert node.exec_sync(container, "sh", "-c", "cat /etc/passwd /proc/kcore | wc -c")[1] == "0\n"
    assert node.exec_sync(container, "ls", "/var")[1] == ""


def test_a_privileged_container_is_spared_that(node: RuntimeNode) -> None:
    security = {"privileged": True, "readonly_paths": ["/proc/sys"], "masked_paths": ["/etc/passwd"]}
    container = node.run_container(node.sandbox("privileged"), *SLEEP, security=security)

    script = "echo 1 > /proc/sys/net/ipv4/ip_forward && wc -l < /etc/passwd"
    assert node.exec_sync(container, "sh", "-c", script)[:2] == (0, "2\n")


#: Gives a directory a file system of its own.
MOUNT = """
from labs.nodes import namespaces
namespaces.mount("none", sys.argv[1], "tmpfs")
print("null")
"""


@pytest.mark.parametrize(("recursive", "writable"), [(False, True), (True, False)])
def test_a_read_only_volume_may_have_writable_ones_in_it(
    node: RuntimeNode, recursive: bool, writable: bool
) -> None:
    outer = f"/root/outer-{recursive}"
    node.sh(f"mkdir -p /node{outer}/inner", view="trusted")
    node.python(MOUNT, f"/node{outer}/inner")
    mount = cri.Mount(host_path=outer, container_path="/data", readonly=True, recursive_read_only=recursive)

    container = node.run_container(node.sandbox(f"volume-{recursive}"), *SLEEP, mounts=[mount])

    assert node.exec_sync(container, "touch", "/data/x")[0] == 1
    assert (node.exec_sync(container, "touch", "/data/inner/x")[0] == 0) == writable


def test_recursion_without_read_only_is_refused(node: RuntimeNode) -> None:
    mount = cri.Mount(host_path="/root", container_path="/data", recursive_read_only=True)

    with pytest.raises(grpc.RpcError) as refused:
        node.create(node.sandbox("rro"), *SLEEP, mounts=[mount])

    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_above_its_memory_limit_a_container_is_killed_and_told_so(node: RuntimeNode) -> None:
    linux = cri.LinuxContainerConfig(resources=cri.LinuxContainerResources(memory_limit_in_bytes=15 << 20))
    sandbox = node.sandbox("memory")
    modest = node.run_container(sandbox, *SLEEP, name="modest", linux=linux)
    greedy = node.run_container(
        sandbox, "dd", "if=/dev/zero", "of=/dev/null", "bs=20M", name="greedy", linux=linux
    )

    status = node.wait_exit(greedy)

    assert (status.reason, status.exit_code) == ("OOMKilled", 137)
    assert node.status(modest).state == cri.CONTAINER_RUNNING


def test_a_limit_that_is_lowered_later_counts(node: RuntimeNode) -> None:
    container = node.run_container(node.sandbox("lower"), "dd", "if=/dev/zero", "of=/dev/null", "bs=20M")
    limit = cri.LinuxContainerResources(memory_limit_in_bytes=15 << 20)

    node.cri.UpdateContainerResources(
        cri.UpdateContainerResourcesRequest(container_id=container, linux=limit)
    )

    assert node.wait_exit(container).reason == "OOMKilled"


LOADING = 'failed to create containerd container: cannot load seccomp profile "{path}": '
DECODING = 'failed to create containerd container: decoding seccomp profile failed "{path}": '
STARTING = "failed to create containerd task: failed to create shim task: OCI runtime create failed: "


@pytest.mark.parametrize(
    ("make", "refused"),
    [
        ("true", LOADING + "open {path}: no such file or directory"),
        ("mkdir {path}", LOADING + "read {path}: is a directory"),
        (": > {path}", DECODING + "unexpected end of JSON input"),
        (
            "printf '{{nope' > {path}",
            DECODING + "invalid character 'n' looking for beginning of object key string",
        ),
        (
            """printf '{{"defaultAction":"SCMP_ACT_ALLOW",}}' > {path}""",
            DECODING + "invalid character '}}' looking for beginning of object key string",
        ),
        (
            "printf '[]' > {path}",
            DECODING + "json: cannot unmarshal array into Go value of type specs.LinuxSeccomp",
        ),
        (
            """printf '{{"defaultAction": 5}}' > {path}""",
            DECODING + "json: cannot unmarshal number into Go struct field LinuxSeccomp.defaultAction "
            "of type specs.LinuxSeccompAction",
        ),
        (
            """printf '{{"defaultAction":"SCMP_ACT_NOPE"}}' > {path}""",
            STARTING + "runc create failed: string SCMP_ACT_NOPE is not a valid action for seccomp: unknown",
        ),
    ],
)
def test_a_seccomp_profile_that_is_none_is_refused_as_by_containerd_and_runc(
    node: RuntimeNode, make: str, refused: str
) -> None:
    directory = "/var/lib/kubelet/seccomp"
    path = f"{directory}/{uuid.uuid4().hex}.json"
    node.sh(f"mkdir -p {directory}; {make.format(path=path)}")
    sandbox = node.sandbox(f"seccomp-{uuid.uuid4().hex[:8]}")
    profile = cri.SecurityProfile(profile_type=cri.SecurityProfile.Localhost, localhost_ref=path)

    with pytest.raises(grpc.RpcError) as call:
        node.run_container(sandbox, *SLEEP, security={"seccomp": profile})

    assert call.value.details() == refused.format(path=path)


def test_a_seccomp_profile_of_the_node_lets_its_container_run(node: RuntimeNode) -> None:
    path = "/var/lib/kubelet/seccomp/good.json"
    profile = '{"defaultAction":"SCMP_ACT_LOG","syscalls":[{"names":["ptrace"],"action":"SCMP_ACT_ERRNO"}]}'
    node.sh(f"mkdir -p /var/lib/kubelet/seccomp; printf '{profile}' > {path}")
    security = {
        "seccomp": cri.SecurityProfile(profile_type=cri.SecurityProfile.Localhost, localhost_ref=path)
    }

    container = node.run_container(node.sandbox("seccomp-good"), *SLEEP, security=security)

    assert node.exec_sync(container, "true")[0] == 0
