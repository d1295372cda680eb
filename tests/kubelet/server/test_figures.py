"""/metrics, /stats/summary and /configz: true figures under Kubernetes' own names."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.kubelet.config import KubeletConfig
from labs.kubelet.config_file import API_VERSION, KIND
from labs.kubelet.prometheus import Counter, Histogram, exposition, number
from labs.kubelet.server.configz import effective
from tests.kubelet.server.serving import OPEN, Served, served

CONFIG = b"""apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: false}
  webhook: {cacheTTL: 0s, enabled: true}
  x509: {clientCAFile: /etc/kubernetes/pki/ca.crt}
authorization: {mode: Webhook, webhook: {cacheAuthorizedTTL: 0s, cacheUnauthorizedTTL: 0s}}
cgroupRoot: /kubelet
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
evictionHard: {imagefs.available: "0%", nodefs.available: "0%", nodefs.inodesFree: "0%"}
failCgroupV1: false
failSwapOn: false
imageGCHighThresholdPercent: 100
staticPodPath: /etc/kubernetes/manifests
tlsCertFile: /etc/kubernetes/pki/kubelet.crt
tlsPrivateKeyFile: /etc/kubernetes/pki/kubelet.key
"""
#: What a real kubelet 1.36.2 answers to it.
RECORDED = Path(__file__).parent / "configz.json"


async def seen(kubelet: Served, *paths: str) -> list[str]:
    return [(await kubelet.ask(path)).text for path in paths]


def figures(root: Path, *paths: str) -> list[str]:
    async def scenario() -> list[str]:
        async with served(root, **OPEN) as kubelet:  # type: ignore[arg-type]
            return await seen(kubelet, *paths)

    return asyncio.run(scenario())


def values(text: str) -> dict[str, float]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_metrics_count_what_the_kubelet_did(tmp_path: Path) -> None:
    _, text = figures(tmp_path, "/healthz", "/metrics")

    found = values(text)
    assert found['kubelet_desired_pods{static="true"}'] == 1
    assert found['kubelet_active_pods{static="true"}'] == 1
    assert found['kubelet_working_pods{config="desired",lifecycle="sync",static="true"}'] == 1
    assert found['kubelet_running_containers{container_state="running"}'] == 1
    assert found["kubelet_running_pods"] == 1
    assert found['kubelet_started_containers_total{container_type="container"}'] == 1
    assert found['kubelet_node_name{node="node-1"}'] == 1
    assert found["kubelet_pleg_relist_duration_seconds_count"] >= 1
    assert found['kubelet_pod_worker_duration_seconds_count{operation_type="create"}'] >= 1
    assert found["kubelet_pod_start_duration_seconds_count"] == 1
    labels = 'long_running="false",method="GET",path="healthz",server_type="readwrite"'
    assert found[f"kubelet_http_requests_total{{{labels}}}"] == 1
    assert found["process_resident_memory_bytes"] > 1 << 20
    assert "# TYPE kubelet_http_requests_total counter\n" in text


def test_the_resource_metrics_are_those_of_metrics_server(tmp_path: Path) -> None:
    (text,) = figures(tmp_path, "/metrics/resource")

    found = values(text)
    ids = 'namespace="default",pod="web-node-1"'
    assert found[f'container_memory_working_set_bytes{{container="main",{ids}}}'] == 12 << 20
    assert found[f"pod_memory_working_set_bytes{{{ids}}}"] == 12 << 20
    assert found["node_cpu_usage_seconds_total"] > 0
    assert found["resource_scrape_error"] == 0


def test_probes_are_counted_by_result(tmp_path: Path) -> None:
    async def scenario() -> str:
        async with served(tmp_path, **OPEN) as kubelet:  # type: ignore[arg-type]
            metrics = kubelet.kubelet.metrics
            pod = kubelet.kubelet.pods()[0]
            metrics.probed("liveness", "failed", pod, pod.containers[0], 0.02)
            (text,) = await seen(kubelet, "/metrics/probes")
            return text.replace(pod.uid, "UID")

    found = values(asyncio.run(scenario()))
    assert (
        found[
            'prober_probe_total{container="main",namespace="default",pod="web-node-1",pod_uid="UID",'
            'probe_type="Liveness",result="failed"}'
        ]
        == 1
    )


def test_the_summary_has_the_shape_of_the_real_one(tmp_path: Path) -> None:
    (text,) = figures(tmp_path, "/stats/summary")

    summary: dict[str, Any] = json.loads(text)
    node = summary["node"]
    assert set(node) == {
        *("nodeName", "systemContainers", "startTime", "cpu", "memory", "network", "fs", "runtime"),
        *("rlimit", "swap"),
    }
    assert node["memory"]["workingSetBytes"] + node["memory"]["availableBytes"] > node["memory"]["usageBytes"]
    (pod,) = summary["pods"]
    assert pod["podRef"]["name"] == "web-node-1"
    (container,) = pod["containers"]
    assert container["memory"]["workingSetBytes"] == 12 << 20
    assert container["rootfs"]["usedBytes"] == 4096


def test_a_rate_is_taken_between_two_questions(tmp_path: Path) -> None:
    first, second = figures(tmp_path, "/stats/summary", "/stats/summary?only_cpu_and_memory=true")

    before, after = (json.loads(text)["pods"][0]["containers"][0] for text in (first, second))
    assert "usageNanoCores" not in before["cpu"]
    assert after["cpu"]["usageNanoCores"] == pytest.approx(500_000_000, rel=0.01)
    assert "rootfs" not in after


def test_configz_tells_all_that_holds_in_the_real_ones_order() -> None:
    config = KubeletConfig.from_file(CONFIG, "/var/lib/kubelet/config.yaml")

    recorded = json.loads(RECORDED.read_text())["kubeletconfig"]
    assert list(effective(config).items()) == list(recorded.items())


@pytest.mark.parametrize(
    ("given", "shown"), [("0", "5s"), ("0s", "5s"), ("3s", "3s"), ("3000000000", 3_000_000_000)]
)
def test_configz_tells_how_often_the_log_is_flushed(given: str, shown: object) -> None:
    text = f"{{apiVersion: {API_VERSION}, kind: {KIND}, logging: {{flushFrequency: {given}}}}}"

    config = KubeletConfig.from_file(text.encode(), "/var/lib/kubelet/config.yaml")

    assert effective(config)["logging"]["flushFrequency"] == shown


def test_configz_tells_flags_and_no_secret() -> None:
    config = KubeletConfig().with_flags(
        {
            "static_pod_url": "http://manifests",
            "static_pod_url_header": {"Authorization": ("Bearer x",)},
            "read_only_port": 10255,
        }
    )

    shown = effective(config)

    assert shown["staticPodURLHeader"] == {"Authorization": ["<masked>"]}
    assert shown["readOnlyPort"] == 10255


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (123456, "123456"),
        (1e6, "1e+06"),
        (1.5, "1.5"),
        (0.00001, "1e-05"),
        (1795914580, "1.79591458e+09"),
    ],
)
def test_numbers_are_gos(value: float, text: str) -> None:
    assert number(value) == text


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_and_lose_nothing(value: float) -> None:
    assert float(number(value)) == value


def test_labels_are_sorted_and_escaped_and_buckets_add_up() -> None:
    counter, histogram = Counter("c_total", "Text.", ("b", "a")), Histogram("h", "Text.", ("l",), (1.0, 2.0))
    counter.inc('say "\n"', "x")
    for value in (0.5, 1.0, 1.5, 9.0):
        histogram.observe(value, "v")

    assert exposition([histogram, counter, Counter("empty_total", "Not shown.")]).decode() == (
        '# HELP c_total Text.\n# TYPE c_total counter\nc_total{a="x",b="say \\"\\n\\""} 1\n'
        '# HELP h Text.\n# TYPE h histogram\nh_bucket{l="v",le="1"} 2\nh_bucket{l="v",le="2"} 3\n'
        'h_bucket{l="v",le="+Inf"} 4\nh_sum{l="v"} 12\nh_count{l="v"} 4\n'
    )
