"""What of a pod reaches the runtime: cgroups, limits, users, DNS, names of images."""

from pathlib import Path
from typing import Any

import pytest
from cri_api.v1 import api_pb2 as api

from labs.kubelet.cgroups import Cgroups
from labs.kubelet.cri_config import ConfigError, container_config, sandbox_config, verify_non_root
from labs.kubelet.dns import ClusterDns, Resolver, domain_of, hostname_of, pod_dns
from labs.kubelet.hostfs import HostFs
from labs.kubelet.image_name import ImageNameError, with_tag
from labs.kubelet.images import Image
from labs.kubelet.pod.identity import container_hash
from labs.kubelet.pod.manifest import pod_from_file
from labs.kubelet.pod.model import Pod
from labs.kubelet.resources import Machine, container_resources, pod_total
from tests.kubelet.node import manifest

MACHINE = Machine(memory=8 << 30, page_sizes=("2MB", "1GB"))
CLUSTER = ClusterDns(("10.96.0.10",), "cluster.local")
NODE = Resolver.parse(
    "# a comment\nnameserver 1.1.1.1\nsearch old.example\nsearch lan. .\noptions edns0 ndots:1\n"
)


def pod_of(**spec: Any) -> Pod:
    import json

    return pod_from_file(json.dumps(manifest(**spec)).encode(), "/m/web.yaml", "node-1")


def made(pod: Pod, image: Image | None = None, seccomp: bool = False) -> api.ContainerConfig:
    container = pod.containers[0]
    return container_config(pod, container, 0, image or Image("sha256:1"), (), {}, 0, MACHINE, seccomp)


def test_the_hash_of_a_container_is_the_recorded_one() -> None:
    assert container_hash("main", "busybox:1.36") == "42f056bf"


@pytest.mark.parametrize(
    ("resources", "qos"),
    [
        ({}, "besteffort"),
        ({"requests": {"cpu": "1"}}, "burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, ""),
    ],
)
@pytest.mark.parametrize("driver", ["cgroupfs", "systemd"])
def test_a_pods_cgroup_is_named_as_the_driver_wants(
    tmp_path: Path, driver: str, resources: dict[str, Any], qos: str
) -> None:
    pod = pod_of(container={"resources": resources}, metadata={"uid": "a-b"})
    parent = Cgroups(HostFs(str(tmp_path)), "/kubelet", driver).parent_of(pod)

    if driver == "cgroupfs":
        assert parent == "/".join(filter(None, ("/kubelet/kubepods", qos, "poda-b")))
    else:
        slices = ["kubelet", "kubelet-kubepods", *([f"kubelet-kubepods-{qos}"] if qos else [])]
        names = [*slices, f"{slices[-1]}-poda_b"]
        assert parent == "".join(f"/{name}.slice" for name in names)


@pytest.mark.parametrize("version", [1, 2])
def test_cgroups_of_pods_that_are_gone_are_removed(tmp_path: Path, version: int) -> None:
    base = tmp_path / "sys/fs/cgroup"
    hierarchies = [base] if version == 2 else [base / "cpu", base / "memory"]
    for hierarchy in hierarchies:
        for name in ("podlive", "podgone/c1", "other"):
            (hierarchy / "kubelet/kubepods/burstable" / name).mkdir(parents=True)
    if version == 2:
        (base / "cgroup.controllers").touch()

    Cgroups(HostFs(str(tmp_path)), "/kubelet", "cgroupfs").remove_orphans(["live"])

    for hierarchy in hierarchies:
        left = {path.name for path in (hierarchy / "kubelet/kubepods/burstable").iterdir()}
        assert left == {"podlive", "other"}


def test_limits_become_cgroup_settings() -> None:
    resources = {
        "requests": {"cpu": "50m"},
        "limits": {"cpu": "100m", "memory": "32Mi", "hugepages-2Mi": "4Mi"},
    }
    swap = Machine(memory=1, counts_swap=True, page_sizes=("2MB", "1GB"))

    found = container_resources(pod_of(container={"resources": resources}).containers[0], 999, swap)

    assert (found.cpu_shares, found.cpu_quota, found.cpu_period) == (51, 10_000, 100_000)
    assert found.memory_limit_in_bytes == found.memory_swap_limit_in_bytes == 32 << 20
    assert [(h.page_size, h.limit) for h in found.hugepage_limits] == [("2MB", 4 << 20), ("1GB", 0)]


def test_a_pod_takes_the_most_of_its_start_or_all_that_run_together() -> None:
    def need(cpu: str, **fields: Any) -> dict[str, Any]:
        return {"image": "b:1", "resources": {"requests": {"cpu": cpu}}, **fields}

    side = need("1", name="side", restartPolicy="Always")
    pod = pod_of(initContainers=[side, need("5", name="init")], container=need("2", name="main"))

    assert pod_total(pod, "requests")["cpu"] == 6


def test_the_images_user_runs_unless_the_pod_says_otherwise() -> None:
    plain = pod_of()

    assert made(plain, Image("x", 101)).linux.security_context.run_as_user.value == 101
    assert made(plain, Image("x", 0, "web")).linux.security_context.run_as_username == "web"
    own = pod_of(securityContext={"runAsUser": 7, "fsGroup": 8, "supplementalGroups": [9]})
    security = made(own, Image("x", 101)).linux.security_context
    assert (security.run_as_user.value, list(security.supplemental_groups)) == (7, [8, 9])


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (Image("x"), "container has runAsNonRoot and image will run as root (pod: "),
        (
            Image("x", 0, "web"),
            "container has runAsNonRoot and image has non-numeric user (web), cannot verify ",
        ),
    ],
)
def test_root_is_refused_where_non_root_is_asked_for(image: Image, why: str) -> None:
    pod = pod_of(securityContext={"runAsNonRoot": True})

    with pytest.raises(ConfigError) as refused:
        verify_non_root(pod, pod.containers[0], image)
    assert str(refused.value).startswith(why)


def test_seccomp_is_unconfined_unless_the_node_or_the_pod_says_otherwise() -> None:
    kinds = api.SecurityProfile
    assert made(pod_of()).linux.security_context.seccomp.profile_type == kinds.Unconfined
    assert made(pod_of(), seccomp=True).linux.security_context.seccomp.profile_type == kinds.RuntimeDefault


def test_a_pre_stop_hook_is_noted_for_who_finds_the_container_later() -> None:
    pod = pod_of(container={"lifecycle": {"preStop": {"exec": {"command": ["true"]}}}})

    noted = made(pod).annotations["io.kubernetes.container.preStopHandler"]
    assert noted == '{"exec":{"command":["true"]}}'


@pytest.mark.parametrize(
    ("spec", "servers", "searches", "options"),
    [
        (
            {},
            ["10.96.0.10"],
            ["default.svc.cluster.local", "svc.cluster.local", "cluster.local", "lan"],
            ["ndots:5"],
        ),
        ({"hostNetwork": True}, ["1.1.1.1"], ["lan"], ["edns0", "ndots:1"]),
        ({"dnsPolicy": "Default"}, ["1.1.1.1"], ["lan"], ["edns0", "ndots:1"]),
        (
            {
                "dnsPolicy": "None",
                "dnsConfig": {"nameservers": ["9.9.9.9"], "options": [{"name": "timeout", "value": "2"}]},
            },
            ["9.9.9.9"],
            [],
            ["timeout:2"],
        ),
    ],
)
def test_resolv_conf_follows_the_dns_policy(
    spec: dict[str, Any], servers: list[str], searches: list[str], options: list[str]
) -> None:
    dns, warnings = pod_dns(pod_of(**spec), NODE, CLUSTER)

    assert (list(dns.servers), list(dns.searches), list(dns.options)) == (servers, searches, options)
    assert warnings == []


def test_too_many_name_servers_are_cut_and_said() -> None:
    many = {"nameservers": ["1.0.0.1", "1.0.0.2", "1.0.0.3"]}

    dns, warnings = pod_dns(pod_of(dnsConfig=many), NODE, CLUSTER)

    assert list(dns.servers) == ["10.96.0.10", "1.0.0.1", "1.0.0.2"]
    assert warnings == [
        "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line "
        "is: 10.96.0.10 1.0.0.1 1.0.0.2"
    ]


def test_a_host_name_is_cut_where_a_kernel_cuts_it() -> None:
    pod = pod_of(metadata={"name": "a" * 55 + "-bc"})

    assert hostname_of(pod) == "a" * 55 + "-bc-node"
    assert domain_of(pod_of(subdomain="sub"), "cluster.local") == "sub.default.svc.cluster.local"


def test_the_sandbox_has_what_the_pod_shares() -> None:
    pod = pod_of(securityContext={"sysctls": [{"name": "net.a", "value": "1"}, {"name": "b"}], "fsGroup": 5})

    config = sandbox_config(pod, 2, "/logs", "/parent", api.DNSConfig(), MACHINE)

    assert (config.metadata.attempt, config.linux.cgroup_parent) == (2, "/parent")
    assert dict(config.linux.sysctls) == {"net.a": "1", "b": ""}
    assert list(config.linux.security_context.supplemental_groups) == [5]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("busybox", "busybox:latest"),
        ("busybox:1.36", "busybox:1.36"),
        ("localhost:5000/a/b", "localhost:5000/a/b:latest"),
        ("Registry.example/a", "Registry.example/a:latest"),
        ("a@sha256:" + "0" * 64, "a@sha256:" + "0" * 64),
    ],
)
def test_an_image_without_a_tag_is_the_latest(name: str, meant: str) -> None:
    assert with_tag(name) == meant


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("BUSYBOX:1.36", "invalid reference format: repository name (library/BUSYBOX) must be lowercase"),
        ("busy box", "invalid reference format"),
        ("host:5000/Own", "invalid reference format: repository name (Own) must be lowercase"),
        ("localhost/Own", "invalid reference format: repository name (Own) must be lowercase"),
        ("Host/Own", "invalid reference format: repository name (Own) must be lowercase"),
        ("a:b:c", "invalid reference format"),
        ("f" * 64, f"invalid repository name ({'f' * 64}), cannot specify 64-byte hexadecimal strings"),
    ],
)
def test_what_is_no_image_name_is_refused_in_the_real_words(name: str, why: str) -> None:
    with pytest.raises(ImageNameError) as refused:
        with_tag(name)

    assert str(refused.value) == f'couldn\'t parse image name "{name}": {why}'


def test_no_amount_is_more_than_the_runtime_can_be_told() -> None:
    amounts = {"cpu": "9" * 5000, "memory": "9" * 5000, "hugepages-2Mi": str(2**62)}
    container = pod_of(container={"resources": {"limits": amounts}}).containers[0]

    found = container_resources(container, 0, Machine(memory=2**33, page_sizes=("2MB",)))

    assert found.memory_limit_in_bytes == found.cpu_quota == 2**63 - 1
    assert found.hugepage_limits[0].limit == 2**62
    assert found.cpu_shares == 262144
