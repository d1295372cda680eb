"""What resolv.conf of a pod is made of (`pkg/kubelet/network/dns`)."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from labs.kubelet.dns import ClusterDns, Resolver, domain_of, hostname_of, pod_dns
from labs.kubelet.pod.manifest import pod_from_file
from labs.kubelet.pod.model import Pod
from labs.kubelet.sources.api import pod_from_api
from tests.kubelet.node import api_pod, manifest, node
from tests.kubelet.virtual_time import virtual

NODE = Resolver(("1.1.1.1",), ("lan",), ("edns0",))
CLUSTER = ClusterDns(("10.96.0.10",), "cluster.local")
OWN = ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"]


def pod_of(**spec: Any) -> Pod:
    return pod_from_file(json.dumps(manifest(**spec)).encode(), "/m/web.yaml", "node")


@pytest.mark.parametrize(
    ("text", "resolver"),
    [
        ("", Resolver()),
        ("nameserver 1.1.1.1\nnameserver 2.2.2.2 # two\n", Resolver(("1.1.1.1", "2.2.2.2"))),
        ("search a b.\nsearch c. . d\n", Resolver((), ("c", "d"))),
        ("search a\nsearch\n", Resolver()),
        ("options ndots:1 rotate\noptions ndots:2\n", Resolver((), (), ("ndots:2", "rotate"))),
        ("# nameserver 1.1.1.1\nnameserver\ndomain x\n", Resolver()),
    ],
)
def test_a_resolv_conf_is_read_as_the_kubelet_reads_it(text: str, resolver: Resolver) -> None:
    assert Resolver.parse(text) == resolver


@pytest.mark.parametrize(
    ("spec", "servers", "searches", "options"),
    [
        ({}, ["10.96.0.10"], [*OWN, "lan"], ["ndots:5"]),
        ({"hostNetwork": True}, ["1.1.1.1"], ["lan"], ["edns0"]),
        ({"dnsPolicy": "Default"}, ["1.1.1.1"], ["lan"], ["edns0"]),
        (
            {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"},
            ["10.96.0.10"],
            [*OWN, "lan"],
            ["ndots:5"],
        ),
        (
            {
                "dnsConfig": {
                    "nameservers": ["10.96.0.10", "9.9.9.9"],
                    "searches": ["lan", "example.com"],
                    "options": [{"name": "ndots", "value": "2"}, {"name": "rotate"}],
                }
            },
            ["10.96.0.10", "9.9.9.9"],
            [*OWN, "lan", "example.com"],
            ["ndots:2", "rotate"],
        ),
    ],
)
def test_policy_and_config_make_the_pods_settings(
    spec: dict[str, Any], servers: list[str], searches: list[str], options: list[str]
) -> None:
    dns, warnings = pod_dns(pod_of(**spec), NODE, CLUSTER)

    assert (list(dns.servers), list(dns.searches), list(dns.options)) == (servers, searches, options)
    assert warnings == []


def test_without_a_cluster_dns_pods_resolve_as_the_node_does() -> None:
    dns, _ = pod_dns(pod_of(), NODE, ClusterDns((), "cluster.local"))

    assert (list(dns.servers), list(dns.searches)) == (["1.1.1.1"], ["lan"])


def test_without_a_cluster_domain_there_is_nothing_to_search_but_the_nodes() -> None:
    dns, _ = pod_dns(pod_of(), NODE, ClusterDns(("10.96.0.10",)))

    assert list(dns.searches) == ["lan"]


def searching(searches: list[str]) -> dict[str, Any]:
    """A pod with so many searches that no API server of today would store it."""
    config = {"nameservers": ["1.1.1.1"], "searches": searches}
    return api_pod(metadata={"uid": "u"}, dnsPolicy="None", dnsConfig=config)


@pytest.mark.parametrize(
    ("searches", "kept"),
    [
        ([f"s{i}" for i in range(32)], 32),
        ([f"s{i}" for i in range(33)], 32),
        (["a" * 60 + f".{i:02}" + ".b" * 95 for i in range(9)], 8),
        (["a." * 126 + "b", "c"], 2),
    ],
)
def test_too_many_or_too_long_searches_are_cut_and_said(searches: list[str], kept: int) -> None:
    dns, warnings = pod_dns(pod_of(dnsPolicy="None", dnsConfig={"nameservers": ["1.1.1.1"]}), NODE, CLUSTER)
    assert warnings == []

    dns, warnings = pod_dns(pod_from_api(searching(searches)), NODE, CLUSTER)

    assert list(dns.searches) == searches[:kept]
    said = (
        "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: "
        + " ".join(searches[:kept])
    )
    assert warnings == ([said] if kept < len(searches) else [])


def test_three_name_servers_fit() -> None:
    many = {"nameservers": ["1.0.0.1", "1.0.0.2", "1.0.0.3"]}

    dns, warnings = pod_dns(pod_of(dnsPolicy="None", dnsConfig=many), NODE, CLUSTER)

    assert (list(dns.servers), warnings) == (many["nameservers"], [])


@pytest.mark.parametrize(
    ("name", "hostname"),
    [
        ("a" * 58, "a" * 58 + "-node"),
        ("a" * 59, "a" * 59 + "-nod"),
        ("a" * 62, "a" * 62),
        ("a" * 70, "a" * 63),
    ],
)
def test_a_host_name_has_at_most_63_characters_and_ends_in_a_letter(name: str, hostname: str) -> None:
    assert hostname_of(pod_of(metadata={"name": name})) == hostname


def test_a_pod_has_the_host_name_and_the_domain_it_asks_for() -> None:
    pod = pod_of(hostname="fancy", subdomain="sub")

    assert (hostname_of(pod), domain_of(pod, "c.local")) == ("fancy", "sub.default.svc.c.local")
    assert domain_of(pod_of(), "c.local") == ""


@virtual
async def test_a_node_without_a_resolv_conf_starts_no_pod_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with node(tmp_path, resolv_conf="/etc/nope.conf") as n:
        n.put("web.yaml", manifest(metadata={"uid": "u-1"}))
        await asyncio.sleep(5)

        why = "open /etc/nope.conf: no such file or directory"
        said = capsys.readouterr().err
        assert f'dns.go:285] "Could not open resolv conf file." err="{why}"' in said
        told = f'"GeneratePodSandboxConfig for pod failed" err="{why}" pod="default/web-node-1"'
        assert f"kuberuntime_manager.go:1670] {told}" in said
        pod = '\\"web-node-1_default(u-1)\\"'
        assert f'err="failed to SyncPod: GeneratePodSandboxConfig for pod {pod} failed: {why}"' in said
        assert n.running() == []
