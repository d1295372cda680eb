"""The static pod manifests that `kubeadm init` writes into /etc/kubernetes/manifests.

Fields, flags and layout (sorted keys, block style) are kubeadm's. Startup probes have neither an initial
delay nor a period of 10 s, so that a control plane is Ready as soon as it is.
"""

from typing import Any

import yaml

ETCD_IMAGE = "registry.k8s.io/etcd:3.5.1-0"
APISERVER_IMAGE = "registry.k8s.io/kube-apiserver:v1.36.2"

PKI = "/etc/kubernetes/pki"
ETCD_DATA = "/var/lib/etcd"

Manifest = dict[str, Any]

#: libyaml's, where the wheel has it: the same text in a fifth of the time.
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def etcd(node: str, address: str) -> Manifest:
    """The manifest of a single etcd member on `node`."""
    command = [
        "etcd",
        f"--advertise-client-urls=https://{address}:2379",
        f"--cert-file={PKI}/etcd/server.crt",
        "--client-cert-auth=true",
        f"--data-dir={ETCD_DATA}",
        f"--initial-advertise-peer-urls=https://{address}:2380",
        f"--initial-cluster={node}=https://{address}:2380",
        f"--key-file={PKI}/etcd/server.key",
        f"--listen-client-urls=https://127.0.0.1:2379,https://{address}:2379",
        "--listen-metrics-urls=http://127.0.0.1:2381",
        f"--listen-peer-urls=https://{address}:2380",
        f"--name={node}",
        f"--peer-cert-file={PKI}/etcd/peer.crt",
        "--peer-client-cert-auth=true",
        f"--peer-key-file={PKI}/etcd/peer.key",
        f"--peer-trusted-ca-file={PKI}/etcd/ca.crt",
        "--snapshot-count=10000",
        f"--trusted-ca-file={PKI}/etcd/ca.crt",
    ]
    probe = {"host": "127.0.0.1", "port": 2381, "scheme": "HTTP"}
    container = _container("etcd", ETCD_IMAGE, command, {"cpu": "100m", "memory": "100Mi"}) | _probes(
        liveness=probe | {"path": "/health?serializable=true"},
        readiness=probe | {"path": "/health"},
        startup=probe | {"path": "/health?serializable=false"},
    )
    annotations = {"kubeadm.kubernetes.io/etcd.advertise-client-urls": f"https://{address}:2379"}
    return _pod(
        "etcd",
        annotations,
        container,
        [("etcd-certs", f"{PKI}/etcd", False), ("etcd-data", ETCD_DATA, False)],
    )


def kube_apiserver(address: str, service_subnet: str) -> Manifest:
    """The manifest of the API server at `address`, with etcd on the same node."""
    command = [
        "kube-apiserver",
        f"--advertise-address={address}",
        "--allow-privileged=true",
        "--authorization-mode=Node,RBAC",
        f"--client-ca-file={PKI}/ca.crt",
        "--enable-admission-plugins=NodeRestriction",
        "--enable-bootstrap-token-auth=true",
        f"--etcd-cafile={PKI}/etcd/ca.crt",
        f"--etcd-certfile={PKI}/apiserver-etcd-client.crt",
        f"--etcd-keyfile={PKI}/apiserver-etcd-client.key",
        "--etcd-servers=https://127.0.0.1:2379",
        f"--kubelet-client-certificate={PKI}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={PKI}/apiserver-kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
        f"--proxy-client-cert-file={PKI}/front-proxy-client.crt",
        f"--proxy-client-key-file={PKI}/front-proxy-client.key",
        "--requestheader-allowed-names=front-proxy-client",
        f"--requestheader-client-ca-file={PKI}/front-proxy-ca.crt",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        "--secure-port=6443",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={PKI}/sa.pub",
        f"--service-account-signing-key-file={PKI}/sa.key",
        f"--service-cluster-ip-range={service_subnet}",
        f"--tls-cert-file={PKI}/apiserver.crt",
        f"--tls-private-key-file={PKI}/apiserver.key",
    ]
    probe = {"host": address, "port": 6443, "scheme": "HTTPS"}
    container = _container("kube-apiserver", APISERVER_IMAGE, command, {"cpu": "250m"}) | _probes(
        liveness=probe | {"path": "/livez"},
        readiness=probe | {"path": "/readyz"},
        startup=probe | {"path": "/livez"},
    )
    annotations = {"kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint": f"{address}:6443"}
    return _pod(
        "kube-apiserver",
        annotations,
        container,
        [("ca-certs", "/etc/ssl/certs", True), ("k8s-certs", PKI, True)],
    )


def to_yaml(document: Manifest) -> str:
    """`document` as kubeadm writes it: sorted keys, block style, no line folded."""
    text = yaml.dump(document, Dumper=_Dumper, sort_keys=True, default_flow_style=False, width=10_000)
    return str(text)


def _pod(
    name: str,
    annotations: dict[str, str],
    container: dict[str, Any],
    host_paths: list[tuple[str, str, bool]],
) -> Manifest:
    """A control-plane pod; `host_paths` are (volume name, path on the node and in the pod, read-only)."""
    mounts = [
        {"mountPath": path, "name": volume} | ({"readOnly": True} if read_only else {})
        for volume, path, read_only in host_paths
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "annotations": annotations,
            "labels": {"component": name, "tier": "control-plane"},
            "name": name,
            "namespace": "kube-system",
        },
        "spec": {
            "containers": [container | {"volumeMounts": mounts}],
            "hostNetwork": True,
            "priority": 2000001000,
            "priorityClassName": "system-node-critical",
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": [
                {"hostPath": {"path": path, "type": "DirectoryOrCreate"}, "name": volume}
                for volume, path, _ in host_paths
            ],
        },
        "status": {},
    }


def _container(name: str, image: str, command: list[str], requests: dict[str, str]) -> dict[str, Any]:
    return {
        "command": command,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "name": name,
        "resources": {"requests": requests},
    }


def _probes(
    liveness: dict[str, Any], readiness: dict[str, Any], startup: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    return {
        "livenessProbe": {
            "failureThreshold": 8,
            "httpGet": liveness,
            "initialDelaySeconds": 10,
            "periodSeconds": 10,
            "timeoutSeconds": 15,
        },
        "readinessProbe": {
            "failureThreshold": 3,
            "httpGet": readiness,
            "periodSeconds": 1,
            "timeoutSeconds": 15,
        },
        "startupProbe": {
            "failureThreshold": 24,
            "httpGet": startup,
            "periodSeconds": 1,
            "timeoutSeconds": 15,
        },
    }
