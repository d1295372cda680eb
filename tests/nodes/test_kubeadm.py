"""A new control-plane node has what `kubeadm init` leaves on one."""

import base64
import stat
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from labs.nodes import kubeadm
from labs.nodes.kubeadm import NodeIdentity

NODE = NodeIdentity("cks", "cks-control-plane", "172.18.0.2")

#: /etc/kubernetes/pki of a kubeadm node, with the modes of its files.
PKI_FILES = {
    "apiserver-etcd-client.crt": 0o644,
    "apiserver-etcd-client.key": 0o600,
    "apiserver-kubelet-client.crt": 0o644,
    "apiserver-kubelet-client.key": 0o600,
    "apiserver.crt": 0o644,
    "apiserver.key": 0o600,
    "ca.crt": 0o644,
    "ca.key": 0o600,
    "etcd/ca.crt": 0o644,
    "etcd/ca.key": 0o600,
    "etcd/healthcheck-client.crt": 0o644,
    "etcd/healthcheck-client.key": 0o600,
    "etcd/peer.crt": 0o644,
    "etcd/peer.key": 0o600,
    "etcd/server.crt": 0o644,
    "etcd/server.key": 0o600,
    "front-proxy-ca.crt": 0o644,
    "front-proxy-ca.key": 0o600,
    "front-proxy-client.crt": 0o644,
    "front-proxy-client.key": 0o600,
    "sa.key": 0o600,
    "sa.pub": 0o644,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("node") / "rootfs"
    kubeadm.write(root, NODE)
    return root


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def subject(certificate: x509.Certificate) -> tuple[str | None, str | None]:
    """(organization, common name)"""
    parts = [
        certificate.subject.get_attributes_for_oid(oid)
        for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
    ]
    return tuple(str(part[0].value) if part else None for part in parts)  # type: ignore[return-value]


def names(certificate: x509.Certificate) -> set[str]:
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return {str(name.value) for name in extension.value}


def usages(certificate: x509.Certificate) -> set[str]:
    extension = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    names = {ExtendedKeyUsageOID.CLIENT_AUTH: "client", ExtendedKeyUsageOID.SERVER_AUTH: "server"}
    return {names[usage] for usage in extension.value}


def test_the_pki_directory_has_kubeadms_files_with_kubeadms_modes(root: Path) -> None:
    pki = root / "etc/kubernetes/pki"

    found = {str(path.relative_to(pki)): mode(path) for path in pki.rglob("*") if path.is_file()}

    assert found == PKI_FILES


def test_modes_do_not_depend_on_the_callers_umask(tmp_path: Path) -> None:
    import os

    before = os.umask(0o077)
    try:
        kubeadm.write(tmp_path / "rootfs", NODE)
    finally:
        os.umask(before)

    assert mode(tmp_path / "rootfs/etc/kubernetes/pki") == 0o755
    assert mode(tmp_path / "rootfs/etc/kubernetes/pki/ca.crt") == 0o644
    assert mode(tmp_path / "rootfs/etc/hosts") == 0o644
    assert mode(tmp_path / "rootfs/tmp") == 0o1777


@pytest.mark.parametrize(
    ("file", "expected_subject", "authority", "expected_usages"),
    [
        ("apiserver", (None, "kube-apiserver"), "ca", {"server"}),
        (
            "apiserver-kubelet-client",
            ("kubeadm:cluster-admins", "kube-apiserver-kubelet-client"),
            "ca",
            {"client"},
        ),
        ("apiserver-etcd-client", (None, "kube-apiserver-etcd-client"), "etcd/ca", {"client"}),
        ("front-proxy-client", (None, "front-proxy-client"), "front-proxy-ca", {"client"}),
        ("etcd/server", (None, "cks-control-plane"), "etcd/ca", {"server", "client"}),
        ("etcd/peer", (None, "cks-control-plane"), "etcd/ca", {"server", "client"}),
        ("etcd/healthcheck-client", (None, "kube-etcd-healthcheck-client"), "etcd/ca", {"client"}),
    ],
)
def test_certificates_have_kubeadms_subjects_issuers_and_usages(
    root: Path, file: str, expected_subject: tuple[str | None, str], authority: str, expected_usages: set[str]
) -> None:
    pki = root / "etc/kubernetes/pki"
    found = certificate(pki / f"{file}.crt")

    assert subject(found) == expected_subject
    assert usages(found) == expected_usages
    found.verify_directly_issued_by(certificate(pki / f"{authority}.crt"))


def test_every_key_belongs_to_its_certificate_and_is_on_p256(root: Path) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    pki = root / "etc/kubernetes/pki"
    for path in pki.rglob("*.crt"):
        key = load_pem_private_key(path.with_suffix(".key").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert key.curve.name == "secp256r1"
        assert key.public_key() == certificate(path).public_key()


def test_the_api_server_is_valid_under_every_name_it_is_called_by(root: Path) -> None:
    assert names(certificate(root / "etc/kubernetes/pki/apiserver.crt")) == {
        "cks-control-plane",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
        "10.96.0.1",
        "172.18.0.2",
        "127.0.0.1",
    }


def test_the_kubelets_serving_certificate_is_signed_by_the_kubelet_itself(root: Path) -> None:
    pki = root / "var/lib/kubelet/pki"
    leaf, authority = x509.load_pem_x509_certificates((pki / "kubelet.crt").read_bytes())

    assert mode(pki / "kubelet.key") == 0o600
    assert names(leaf) == {"cks-control-plane", "172.18.0.2"}
    assert usages(leaf) == {"server"}
    leaf.verify_directly_issued_by(authority)
    assert subject(authority)[1].startswith("cks-control-plane-ca@")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("file", "organization", "user"),
    [
        ("admin.conf", "kubeadm:cluster-admins", "kubernetes-admin"),
        ("super-admin.conf", "system:masters", "kubernetes-super-admin"),
        ("kubelet.conf", "system:nodes", "system:node:cks-control-plane"),
        ("controller-manager.conf", None, "system:kube-controller-manager"),
        ("scheduler.conf", None, "system:kube-scheduler"),
    ],
)
def test_kubeconfigs_are_root_only_and_carry_their_users_certificate(
    root: Path, file: str, organization: str | None, user: str
) -> None:
    path = root / "etc/kubernetes" / file
    document = yaml.safe_load(path.read_text())
    data = base64.b64decode(document["users"][0]["user"]["client-certificate-data"])
    found = x509.load_pem_x509_certificate(data)

    assert mode(path) == 0o600
    assert document["current-context"] == f"{user}@kubernetes"
    assert document["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"
    assert subject(found) == (organization, user)
    assert usages(found) == {"client"}
    found.verify_directly_issued_by(certificate(root / "etc/kubernetes/pki/ca.crt"))


def test_the_hosts_kubeconfig_points_at_the_forwarded_port(root: Path, tmp_path: Path) -> None:
    kubeadm.write_host_kubeconfig(root, NODE, tmp_path / "kubeconfig", 40123)

    document = yaml.safe_load((tmp_path / "kubeconfig").read_text())

    assert mode(tmp_path / "kubeconfig") == 0o600
    assert document["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:40123"
    assert document["current-context"] == "kubernetes-admin@cks-labs-cks"


def test_the_judge_has_a_certificate_of_its_own_that_no_node_has(root: Path, tmp_path: Path) -> None:
    kubeadm.write_judge_credentials(root, NODE, tmp_path / "judge")

    found = certificate(tmp_path / "judge/client.crt")

    assert subject(found) == ("system:masters", "cks-labs:judge")
    found.verify_directly_issued_by(certificate(root / "etc/kubernetes/pki/ca.crt"))
    assert {path.name: mode(path) for path in (tmp_path / "judge").iterdir()} == {
        "ca.crt": 0o600,
        "client.crt": 0o600,
        "client.key": 0o600,
        "kubeconfig": 0o600,
    }
    assert not [path for path in root.rglob("*") if path.is_file() and b"cks-labs:judge" in path.read_bytes()]


def test_the_manifests_directory_has_the_control_plane_for_root_only(root: Path) -> None:
    directory = root / "etc/kubernetes/manifests"

    assert {path.name: mode(path) for path in directory.iterdir()} == {
        "etcd.yaml": 0o600,
        "kube-apiserver.yaml": 0o600,
        "kube-controller-manager.yaml": 0o600,
        "kube-scheduler.yaml": 0o600,
    }


def test_a_bare_node_has_an_empty_manifests_directory_and_all_else(root: Path, tmp_path: Path) -> None:
    kubeadm.write(tmp_path / "rootfs", NODE, bare=True)

    def files(top: Path) -> set[str]:
        return {str(path.relative_to(top)) for path in top.rglob("*")}

    assert files(root) - files(tmp_path / "rootfs") == {
        "etc/kubernetes/manifests/etcd.yaml",
        "etc/kubernetes/manifests/kube-apiserver.yaml",
        "etc/kubernetes/manifests/kube-controller-manager.yaml",
        "etc/kubernetes/manifests/kube-scheduler.yaml",
    }


def test_the_kubelets_configuration_is_kubeadms(root: Path) -> None:
    document = yaml.safe_load((root / "var/lib/kubelet/config.yaml").read_text())

    assert document["kind"] == "KubeletConfiguration"
    assert document["staticPodPath"] == "/etc/kubernetes/manifests"
    assert document["authentication"]["anonymous"] == {"enabled": False}
    assert document["authentication"]["x509"] == {"clientCAFile": "/etc/kubernetes/pki/ca.crt"}
    assert document["authorization"]["mode"] == "Webhook"
    assert document["clusterDNS"] == ["10.96.0.10"]
    assert document["fileCheckFrequency"] == "0s"
    assert document["containerRuntimeEndpoint"] == "unix:///run/containerd/containerd.sock"


def test_the_kubelet_is_started_by_kubeadms_drop_in_and_enabled(root: Path) -> None:
    units = root / "etc/systemd/system"
    drop_in = (units / "kubelet.service.d/10-kubeadm.conf").read_text()

    assert "EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env" in drop_in
    assert "EnvironmentFile=-/etc/default/kubelet" in drop_in
    assert drop_in.splitlines()[-2:] == [
        "ExecStart=",
        "ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS "
        "$KUBELET_EXTRA_ARGS",
    ]
    assert (root / "var/lib/kubelet/kubeadm-flags.env").read_text() == (
        'KUBELET_KUBEADM_ARGS="--node-ip=172.18.0.2 --node-labels=node-role.kubernetes.io/control-plane="\n'
    )
    for unit in ("kubelet.service", "containerd.service"):
        assert (units / "multi-user.target.wants" / unit).readlink() == Path("/etc/systemd/system") / unit


def test_a_worker_has_its_kubelets_identity_and_none_of_the_clusters_keys(root: Path, tmp_path: Path) -> None:
    worker = NodeIdentity("cks", "cks-worker", "172.18.0.3", "10.244.1.0/24")

    kubeadm.join(tmp_path, worker, root, NODE.name, {"maxPods": 20})

    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if not path.is_dir()}
    assert {name for name in files if name.startswith("etc/kubernetes")} == {
        "etc/kubernetes/kubelet.conf",
        "etc/kubernetes/pki/ca.crt",
    }
    assert (tmp_path / "etc/kubernetes/manifests").is_dir()
    config = yaml.safe_load((tmp_path / "etc/kubernetes/kubelet.conf").read_text())
    shown = base64.b64decode(config["users"][0]["user"]["client-certificate-data"])
    assert subject(x509.load_pem_x509_certificate(shown)) == ("system:nodes", "system:node:cks-worker")
    assert config["clusters"][0]["cluster"]["server"] == "https://cks-control-plane:6443"
    assert (tmp_path / "var/lib/kubelet/kubeadm-flags.env").read_text() == (
        'KUBELET_KUBEADM_ARGS="--node-ip=172.18.0.3 --node-labels="\n'
    )
    assert yaml.safe_load((tmp_path / "var/lib/kubelet/config.yaml").read_text())["maxPods"] == 20
