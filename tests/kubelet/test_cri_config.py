"""What the runtime is told of a pod and its containers, field by field."""

import json
from typing import Any

import pytest
from cri_api.v1 import api_pb2 as api
from google.protobuf.json_format import MessageToDict

from labs.kubelet.cri_config import ConfigError, container_config, sandbox_config, verify_non_root
from labs.kubelet.images import Image
from labs.kubelet.pod.manifest import pod_from_file
from labs.kubelet.pod.model import Pod
from labs.kubelet.resources import Machine
from labs.kubelet.volumes import BoundMount
from tests.kubelet.node import manifest

MACHINE = Machine(memory=8 << 30)
IMAGE = Image("sha256:1")
MASKED = [
    "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
    "/sys/devices/virtual/powercap",
]  # fmt: skip
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


def pod_of(**spec: Any) -> Pod:
    metadata = {"uid": "1-2", "labels": {"app": "web"}, **spec.pop("metadata", {})}
    return pod_from_file(json.dumps(manifest(metadata=metadata, **spec)).encode(), "/m/web.yaml", "node-1")


def sandbox(pod: Pod) -> dict[str, Any]:
    dns = api.DNSConfig(servers=["10.96.0.10"])
    return MessageToDict(sandbox_config(pod, 2, "/logs", "/parent", dns, MACHINE))


def security_of_sandbox(**spec: Any) -> dict[str, Any]:
    return dict(sandbox(pod_of(**spec))["linux"]["securityContext"])


def container(
    pod: Pod, env: dict[str, str] | None = None, mounts: tuple[BoundMount, ...] = (), image: Image = IMAGE,
    count: int = 3, seccomp: bool = False,
) -> dict[str, Any]:  # fmt: skip
    made = container_config(pod, pod.containers[0], count, image, mounts, env or {}, 7, MACHINE, seccomp)
    return MessageToDict(made)


def security(image: Image = IMAGE, seccomp: bool = False, **spec: Any) -> dict[str, Any]:
    """The security context of a container; `own` are its own settings, else those of the pod count."""
    if "own" in spec:
        spec["container"] = {"securityContext": spec.pop("own")}
    return dict(container(pod_of(**spec), image=image, seccomp=seccomp)["linux"]["securityContext"])


def test_a_sandbox_is_told_whose_it_is_and_what_its_containers_share() -> None:
    pod = pod_of(
        containers=[
            {"name": "a", "image": "b:1", "resources": {"limits": {"cpu": "1", "memory": "1Mi"}},
             "ports": [{"containerPort": 80}, {"containerPort": 53, "hostPort": 54, "protocol": "UDP"}]},
            {"name": "b", "image": "b:1",
             "ports": [{"containerPort": 9, "hostIP": "::1", "protocol": "SCTP"}]},
        ],
        securityContext={"sysctls": [{"name": "net.a", "value": "1"}, {"name": "net.b", "value": ""}]},
    )  # fmt: skip

    told = sandbox(pod)

    assert told == {
        "metadata": {"name": "web-node-1", "uid": pod.uid, "namespace": "default", "attempt": 2},
        "hostname": "web-node-1",
        "logDirectory": f"/logs/default_web-node-1_{pod.uid}",
        "dnsConfig": {"servers": ["10.96.0.10"]},
        "portMappings": [
            {"containerPort": 80},
            {"protocol": "UDP", "containerPort": 53, "hostPort": 54},
            {"protocol": "SCTP", "containerPort": 9, "hostIp": "::1"},
        ],
        "labels": {
            "app": "web",
            "io.kubernetes.pod.name": "web-node-1",
            "io.kubernetes.pod.namespace": "default",
            "io.kubernetes.pod.uid": pod.uid,
        },
        "annotations": dict(pod.annotations),
        "linux": {
            "cgroupParent": "/parent",
            "securityContext": {
                "namespaceOptions": {"pid": "CONTAINER", "usernsOptions": {"mode": "NODE"}},
                "seccomp": {},
            },
            "sysctls": {"net.a": "1", "net.b": ""},
            "overhead": {},
            "resources": {
                "cpuPeriod": "100000", "cpuQuota": "100000", "cpuShares": "1024",
                "memoryLimitInBytes": "1048576",
            },
        },
    }  # fmt: skip


def test_a_sandbox_on_the_nodes_network_has_the_nodes_name() -> None:
    assert "hostname" not in sandbox(pod_of(hostNetwork=True))


@pytest.mark.parametrize(
    ("spec", "options"),
    [
        ({}, {"pid": "CONTAINER"}),
        ({"shareProcessNamespace": True}, {}),
        ({"hostNetwork": True}, {"network": "NODE", "pid": "CONTAINER"}),
        ({"hostPID": True}, {"pid": "NODE"}),
        ({"hostPID": True, "hostIPC": True}, {"pid": "NODE", "ipc": "NODE"}),
    ],
)
def test_namespaces_are_the_pods_unless_they_are_the_nodes(
    spec: dict[str, Any], options: dict[str, str]
) -> None:
    expected = {**options, "usernsOptions": {"mode": "NODE"}}

    assert security_of_sandbox(**spec)["namespaceOptions"] == expected
    assert security(**spec)["namespaceOptions"] == expected


def test_a_sandbox_is_privileged_as_soon_as_one_container_is() -> None:
    init = {"name": "i", "image": "b:1", "securityContext": {"privileged": True}}

    assert security_of_sandbox(initContainers=[init])["privileged"] is True
    assert "privileged" not in security_of_sandbox(container={"securityContext": {"privileged": False}})


def test_user_and_groups_of_the_pod_are_those_of_the_sandbox() -> None:
    own = {"runAsUser": 5, "runAsGroup": 6, "fsGroup": 7, "supplementalGroups": [8, 9]}

    told = security_of_sandbox(securityContext=own)

    assert (told["runAsUser"], told["runAsGroup"]) == ({"value": "5"}, {"value": "6"})
    assert told["supplementalGroups"] == ["7", "8", "9"]
    assert not {"runAsUser", "runAsGroup", "supplementalGroups"} & security_of_sandbox().keys()
    assert security_of_sandbox(securityContext={"supplementalGroups": [8]})["supplementalGroups"] == ["8"]


def test_a_container_is_told_what_runs_in_it_and_what_the_kubelet_reads_back() -> None:
    written = {
        "image": "own:1",
        "command": ["run", "$(A)"],
        "args": ["$(A)", "$(B)"],
        "workingDir": "/w",
        "stdin": True,
        "stdinOnce": True,
        "tty": True,
        "ports": [
            {"name": "web", "containerPort": 80, "hostPort": 81, "hostIP": "::1"},
            {"containerPort": 53, "protocol": "UDP"},
        ],
        "terminationMessagePath": "/last",
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "lifecycle": {"preStop": {"exec": {"command": ["true"]}}},
        "resources": {"limits": {"memory": "1Mi"}},
    }
    pod = pod_of(container=written, terminationGracePeriodSeconds=9)
    mounts = (
        BoundMount("/h/a", "/a"),
        BoundMount("/h/b", "/b", True, "HostToContainer"),
        BoundMount("/h/c", "/c", False, "Bidirectional"),
    )

    told = container(pod, {"A": "1"}, mounts, Image("sha256:5"))

    linux = told.pop("linux")
    assert linux["resources"] == {
        "cpuPeriod": "100000", "cpuShares": "2", "memoryLimitInBytes": "1048576", "oomScoreAdj": "7",
    }  # fmt: skip
    assert told == {
        "metadata": {"name": "main", "attempt": 3},
        "image": {"image": "sha256:5", "userSpecifiedImage": "own:1"},
        "command": ["run", "1"],
        "args": ["1", "$(B)"],
        "workingDir": "/w",
        "envs": [{"key": "A", "value": "1"}],
        "mounts": [
            {"hostPath": "/h/a", "containerPath": "/a"},
            {"hostPath": "/h/b", "containerPath": "/b", "readonly": True,
             "propagation": "PROPAGATION_HOST_TO_CONTAINER"},
            {"hostPath": "/h/c", "containerPath": "/c", "propagation": "PROPAGATION_BIDIRECTIONAL"},
        ],
        "labels": {
            "io.kubernetes.container.name": "main",
            "io.kubernetes.pod.name": "web-node-1",
            "io.kubernetes.pod.namespace": "default",
            "io.kubernetes.pod.uid": pod.uid,
        },
        "annotations": {
            "io.kubernetes.container.hash": pod.containers[0].hash,
            "io.kubernetes.container.restartCount": "3",
            "io.kubernetes.container.terminationMessagePath": "/last",
            "io.kubernetes.container.terminationMessagePolicy": "FallbackToLogsOnError",
            "io.kubernetes.pod.terminationGracePeriod": "9",
            "io.kubernetes.container.preStopHandler": '{"exec":{"command":["true"]}}',
            "io.kubernetes.container.ports": '[{"name":"web","hostPort":81,"containerPort":80,'
            '"protocol":"TCP","hostIP":"::1"},{"containerPort":53,"protocol":"UDP"}]',
        },
        "logPath": "main/3.log",
        "stdin": True,
        "stdinOnce": True,
        "tty": True,
    }  # fmt: skip


def test_what_a_container_does_not_ask_for_it_is_not_given() -> None:
    told = container(pod_of(container={"command": ["run"]}), count=0)

    assert not {"args", "workingDir", "envs", "mounts", "stdin", "stdinOnce", "tty"} & told.keys()
    assert not {"preStopHandler", "ports"} & {name.rpartition(".")[2] for name in told["annotations"]}
    assert told["logPath"] == "main/0.log"
    assert told["linux"]["securityContext"] == {
        "namespaceOptions": {"pid": "CONTAINER", "usernsOptions": {"mode": "NODE"}},
        "runAsUser": {},
        "maskedPaths": MASKED,
        "readonlyPaths": READ_ONLY,
        "seccomp": {"profileType": "Unconfined"},
    }


def test_a_container_is_secured_as_it_asks() -> None:
    told = security(
        own={
            "privileged": True,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": True,
            "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
        },
        securityContext={"fsGroup": 7, "supplementalGroups": [8]},
    )

    assert told["privileged"] is True
    assert told["readonlyRootfs"] is True
    assert "noNewPrivs" not in told
    assert told["capabilities"] == {"addCapabilities": ["NET_ADMIN"], "dropCapabilities": ["ALL"]}
    assert told["supplementalGroups"] == ["7", "8"]
    assert security(own={"allowPrivilegeEscalation": False})["noNewPrivs"] is True
    assert security(own={"capabilities": {}})["capabilities"] == {}


def test_proc_is_seen_as_a_whole_by_who_asks_for_it() -> None:
    told = security(own={"procMount": "Unmasked"}, hostUsers=False)

    assert not {"maskedPaths", "readonlyPaths"} & told.keys()
    assert security(own={"procMount": "Default"})["maskedPaths"] == MASKED


@pytest.mark.parametrize(
    ("spec", "image", "who"),
    [
        ({}, Image("x", 101), {"runAsUser": {"value": "101"}}),
        ({}, Image("x", 0, "web"), {"runAsUsername": "web"}),
        ({"securityContext": {"runAsUser": 5, "runAsGroup": 6}}, Image("x", 0, "web"),
         {"runAsUser": {"value": "5"}, "runAsGroup": {"value": "6"}}),
        ({"securityContext": {"runAsUser": 5, "runAsGroup": 6}, "own": {"runAsUser": 8, "runAsGroup": 9}},
         Image("x", 101), {"runAsUser": {"value": "8"}, "runAsGroup": {"value": "9"}}),
    ],
)  # fmt: skip
def test_a_container_runs_as_it_says_or_the_pod_or_the_image(
    spec: dict[str, Any], image: Image, who: dict[str, Any]
) -> None:
    told = security(image, **spec)

    assert {name: told[name] for name in told if name.startswith("runAs")} == who


@pytest.mark.parametrize(
    ("profile", "told"),
    [
        ({"type": "RuntimeDefault"}, {}),
        ({"type": "Unconfined"}, {"profileType": "Unconfined"}),
        ({"type": "Localhost", "localhostProfile": "a/b.json"},
         {"profileType": "Localhost", "localhostRef": "/var/lib/kubelet/seccomp/a/b.json"}),
    ],
)  # fmt: skip
def test_a_seccomp_profile_is_the_containers_or_the_pods(
    profile: dict[str, str], told: dict[str, str]
) -> None:
    other = {"type": "Unconfined"} if profile["type"] != "Unconfined" else {"type": "RuntimeDefault"}

    assert security(securityContext={"seccompProfile": profile})["seccomp"] == told
    assert security(seccomp=True, securityContext={"seccompProfile": profile})["seccomp"] == told
    own = security(own={"seccompProfile": profile}, securityContext={"seccompProfile": other})
    assert own["seccomp"] == told
    assert security(seccomp=True)["seccomp"] == {}


@pytest.mark.parametrize(
    ("profile", "told"),
    [
        ({"type": "RuntimeDefault"}, {}),
        ({"type": "Unconfined"}, {"profileType": "Unconfined"}),
        (
            {"type": "Localhost", "localhostProfile": "own"},
            {"profileType": "Localhost", "localhostRef": "own"},
        ),
    ],
)
def test_an_apparmor_profile_is_the_containers_or_the_pods(
    profile: dict[str, str], told: dict[str, str]
) -> None:
    assert security(own={"appArmorProfile": profile})["apparmor"] == told
    assert security(securityContext={"appArmorProfile": profile})["apparmor"] == told
    assert "apparmor" not in security()


@pytest.mark.parametrize(
    ("spec", "image", "why"),
    [
        ({"runAsNonRoot": True}, Image("x"), "container has runAsNonRoot and image will run as root"),
        ({"runAsNonRoot": True}, Image("x", 0, "web"),
         "container has runAsNonRoot and image has non-numeric user (web), cannot verify user is non-root"),
        ({"runAsNonRoot": True, "runAsUser": 0}, Image("x", 5),
         "container's runAsUser breaks non-root policy"),
        ({"runAsNonRoot": True, "runAsUser": 5}, Image("x"), ""),
        ({"runAsNonRoot": True, "runAsUser": 5}, Image("x", 0, "web"), ""),
        ({"runAsNonRoot": True}, Image("x", 5), ""),
        ({"runAsNonRoot": False}, Image("x"), ""),
        ({}, Image("x"), ""),
    ],
)  # fmt: skip
def test_who_asks_for_another_than_root_is_not_run_as_root(
    spec: dict[str, Any], image: Image, why: str
) -> None:
    pods = pod_of(securityContext=spec)
    containers = pod_of(container={"securityContext": spec}, securityContext={"runAsNonRoot": False})

    for pod in (pods, containers):
        if not why:
            verify_non_root(pod, pod.containers[0], image)
            continue
        with pytest.raises(ConfigError) as refused:
            verify_non_root(pod, pod.containers[0], image)
        where = f'(pod: "web-node-1_default({pod.uid})", container: main)'
        assert str(refused.value) == f"{why} {where}"
