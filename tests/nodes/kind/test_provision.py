"""A new kind node gets kubeadm's files, and what its engine, image and machine ask for."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from labs.nodes import manifests
from labs.nodes.kind import phases, provision, readdress, workers
from labs.nodes.kind.provision import Ground
from labs.nodes.spec import BUNDLED, KIND, KUBELET, REAL, Spec

NODE = provision.identity("blue", "blue-control-plane", "172.18.0.5")
OURS = Spec(KIND)
REAL_ALL = Spec(KIND, KUBELET, REAL)
DEBIAN = Ground(debian=True, cgroup=2, kubernetes="v1.36.2")
KINDEST = Ground(debian=False, cgroup=2, kubernetes="v1.36.1")
MANIFESTS = "etc/kubernetes/manifests"


def laid_out(root: Path, spec: Spec, ground: Ground, *, bare: bool = False) -> set[str]:
    provision.write(root, NODE, spec, ground, bare=bare)
    return {path.name.removesuffix(".yaml") for path in (root / MANIFESTS).glob("*")}


def kubelet(root: Path) -> dict[str, Any]:
    configuration: dict[str, Any] = yaml.safe_load((root / "var/lib/kubelet/config.yaml").read_text())
    return configuration


@pytest.mark.parametrize("spec", [Spec(KIND, BUNDLED, REAL), REAL_ALL])
def test_the_real_control_plane_has_four_static_pods(tmp_path: Path, spec: Spec) -> None:
    assert laid_out(tmp_path, spec, DEBIAN) == {
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
    }


def test_a_bare_node_has_none(tmp_path: Path) -> None:
    assert laid_out(tmp_path, REAL_ALL, DEBIAN, bare=True) == set()


@pytest.mark.parametrize("spec", [OURS, REAL_ALL])
def test_every_api_server_keeps_an_audit_log_by_a_policy_on_the_node(tmp_path: Path, spec: Spec) -> None:
    laid_out(tmp_path, spec, DEBIAN)
    pod = yaml.safe_load((tmp_path / MANIFESTS / "kube-apiserver.yaml").read_text())
    command = pod["spec"]["containers"][0]["command"]
    mounted = {mount["mountPath"] for mount in pod["spec"]["containers"][0]["volumeMounts"]}

    assert f"--audit-log-path={manifests.AUDIT_LOG}" in command
    assert f"--audit-policy-file={manifests.AUDIT_POLICY}" in command
    assert {"/var/log/kubernetes/audit", "/etc/kubernetes/audit"} <= mounted
    assert (tmp_path / manifests.AUDIT_POLICY.lstrip("/")).exists()


def test_a_manifest_with_an_audit_log_is_not_changed_again() -> None:
    once = manifests.with_audit(manifests.kube_apiserver("172.18.0.5", "10.96.0.0/16"))

    assert manifests.with_audit(once) == once
    assert once["spec"]["containers"][0]["command"][1:] == sorted(
        once["spec"]["containers"][0]["command"][1:]
    )


def test_which_kubelet_runs_is_a_drop_in_of_its_unit(tmp_path: Path) -> None:
    laid_out(tmp_path / "ours", OURS, DEBIAN)
    laid_out(tmp_path / "real", REAL_ALL, DEBIAN)

    assert (
        "ExecStart=/opt/cks-labs/bin/kubelet $KUBELET_KUBECONFIG_ARGS"
        in (tmp_path / "ours" / provision.DROP_IN).read_text()
    )
    assert "ExecStart=" not in (tmp_path / "real" / provision.DROP_IN).read_text()


def test_the_kubelet_is_configured_as_kind_does_it(tmp_path: Path) -> None:
    laid_out(tmp_path, REAL_ALL, DEBIAN)

    assert (
        kubelet(tmp_path).items()
        >= {
            "cgroupRoot": "/kubelet",
            "failSwapOn": False,
            "imageGCHighThresholdPercent": 100,
        }.items()
    )
    assert "failCgroupV1" not in kubelet(tmp_path)


def test_the_real_kubelet_is_told_to_bear_an_old_machines_cgroups(tmp_path: Path) -> None:
    laid_out(tmp_path, REAL_ALL, Ground(debian=True, cgroup=1, kubernetes="v1.36.2"))

    assert kubelet(tmp_path)["failCgroupV1"] is False


def test_the_real_kubelet_speaks_json_to_the_bundled_api_server(tmp_path: Path) -> None:
    laid_out(tmp_path, Spec(KIND, KUBELET, BUNDLED), Ground(debian=True, cgroup=1, kubernetes="v1.36.2"))

    assert kubelet(tmp_path)["contentType"] == "application/json"


def test_on_kinds_image_the_real_control_plane_is_kubeadms_work(tmp_path: Path) -> None:
    assert laid_out(tmp_path, REAL_ALL, KINDEST) == set()

    documents = list(yaml.safe_load_all((tmp_path / phases.CONFIGURATION).read_text()))
    cluster, init, configuration = documents
    assert [document["kind"] for document in documents] == [
        "ClusterConfiguration",
        "InitConfiguration",
        "KubeletConfiguration",
    ]
    assert cluster["kubernetesVersion"] == "v1.36.1"
    assert {"name": "audit-log-path", "value": manifests.AUDIT_LOG} in cluster["apiServer"]["extraArgs"]
    assert init["localAPIEndpoint"]["advertiseAddress"] == "172.18.0.5"
    assert configuration["cgroupRoot"] == "/kubelet"
    assert not (tmp_path / "etc/default/kubelet").exists()
    script = provision.script(REAL_ALL, KINDEST, bare=False)
    assert [script.index(phase) for phase in phases.PHASES] == sorted(
        script.index(phase) for phase in phases.PHASES
    )


def test_the_archive_is_roots_and_keeps_modes(tmp_path: Path) -> None:
    laid_out(tmp_path, OURS, DEBIAN)

    with tarfile.open(fileobj=io.BytesIO(provision.archive(tmp_path))) as tar:
        members = {member.name: member for member in tar}
    assert {(member.uid, member.gid) for member in members.values()} == {(0, 0)}
    assert members["etc/kubernetes/pki/ca.key"].mode & 0o777 == 0o600
    assert members[provision.PREPARE_KUBELET].mode & 0o777 == 0o755


def test_a_new_address_replaces_the_old_one_and_no_longer_one() -> None:
    texts = {
        "etcd.yaml": "https://172.18.0.2:2379,https://127.0.0.1:2379",
        "flags": "--node-ip=172.18.0.2 --other=172.18.0.20 --third=10.172.18.0.2",
        "untouched": "https://127.0.0.1:6443",
    }

    assert readdress.replaced(texts, "172.18.0.2", "172.18.0.9") == {
        "etcd.yaml": "https://172.18.0.9:2379,https://127.0.0.1:2379",
        "flags": "--node-ip=172.18.0.9 --other=172.18.0.20 --third=10.172.18.0.2",
    }


def test_a_worker_joins_with_the_kubelet_of_its_cluster(tmp_path: Path) -> None:
    plane, root = tmp_path / "plane", tmp_path / "worker"
    spec = Spec(KIND, KUBELET, BUNDLED, workers=1)
    provision.write(plane, NODE, spec, DEBIAN, bare=False)
    worker = provision.identity("blue", "blue-worker", "172.18.0.6", 1)

    provision.write_worker(root, worker, plane, NODE.name, spec, DEBIAN)

    assert "server: https://blue-control-plane:6443" in (root / "etc/kubernetes/kubelet.conf").read_text()
    assert "10.244.1.0/24" in (root / provision.CNI).read_text()
    assert list((root / MANIFESTS).iterdir()) == []
    taints = [kubelet(node).pop("registerWithTaints", None) for node in (plane, root)]
    assert taints == [[{"effect": "NoSchedule", "key": "node-role.kubernetes.io/control-plane"}], None]
    assert kubelet(root)["cgroupRoot"] == kubelet(plane)["cgroupRoot"] == "/kubelet"
    assert (root / provision.DROP_IN).read_text() == (plane / provision.DROP_IN).read_text()


def test_a_node_knows_the_way_to_the_pods_of_each_other() -> None:
    said = workers.ways(1, ["172.18.0.5", "172.18.0.6", "172.18.0.7"]).splitlines()

    assert said[1:3] == [
        "ip route replace 10.244.0.0/24 via 172.18.0.5",
        "ip route replace 10.244.2.0/24 via 172.18.0.7",
    ]
