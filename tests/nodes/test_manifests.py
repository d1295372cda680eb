"""Control-plane manifests read as kubeadm writes them."""

import pytest
import yaml

from labs.nodes import manifests

ETCD = manifests.etcd("cks-control-plane", "172.18.0.2")
APISERVER = manifests.kube_apiserver("172.18.0.2", "10.96.0.0/16")


@pytest.mark.parametrize("manifest", [ETCD, APISERVER], ids=["etcd", "kube-apiserver"])
def test_a_manifest_is_block_style_yaml_with_sorted_keys_and_whole_lines(manifest: dict[str, object]) -> None:
    text = manifests.to_yaml(manifest)

    assert text.startswith("apiVersion: v1\nkind: Pod\nmetadata:\n  annotations:\n")
    assert "\n  - command:\n    - " in text
    assert "{" not in text.replace("status: {}", "")
    assert yaml.safe_load(text) == manifest


def test_the_same_node_gets_the_same_bytes_so_that_a_static_pod_keeps_its_uid() -> None:
    again = manifests.etcd("cks-control-plane", "172.18.0.2")

    assert manifests.to_yaml(again) == manifests.to_yaml(ETCD)


def test_kubeadms_annotations_name_the_addresses() -> None:
    assert ETCD["metadata"]["annotations"] == {
        "kubeadm.kubernetes.io/etcd.advertise-client-urls": "https://172.18.0.2:2379"
    }
    assert APISERVER["metadata"]["annotations"] == {
        "kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint": "172.18.0.2:6443"
    }


@pytest.mark.parametrize("manifest", [ETCD, APISERVER], ids=["etcd", "kube-apiserver"])
def test_nothing_waits_ten_seconds_to_become_ready(
    manifest: dict[str, dict[str, list[dict[str, dict[str, int]]]]],
) -> None:
    container = manifest["spec"]["containers"][0]

    assert "initialDelaySeconds" not in container["startupProbe"]
    assert container["startupProbe"]["periodSeconds"] == 1
    assert "initialDelaySeconds" not in container["readinessProbe"]
    assert container["readinessProbe"]["periodSeconds"] == 1


@pytest.mark.parametrize("manifest", [ETCD, APISERVER], ids=["etcd", "kube-apiserver"])
def test_every_file_a_flag_names_is_in_a_mounted_volume(
    manifest: dict[str, dict[str, list[dict[str, list[str]]]]],
) -> None:
    container = manifest["spec"]["containers"][0]
    mounted = [mount["mountPath"] for mount in container["volumeMounts"]]  # type: ignore[call-overload]

    for flag in container["command"][1:]:
        value = flag.partition("=")[2]
        if value.startswith("/"):
            assert any(value.startswith(path) for path in mounted), flag
