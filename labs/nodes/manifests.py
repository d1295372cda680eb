"""The static pod manifests that `kubeadm init` writes into /etc/kubernetes/manifests.

Fields, flags and layout (sorted keys, block style) are kubeadm's. Startup probes have neither an initial
delay nor a period of 10 s, so that a control plane is Ready as soon as it is.
"""

from typing import Any

import yaml

ETCD_IMAGE = "registry.k8s.io/etcd:3.5.1-0"
APISERVER_IMAGE = "registry.k8s.io/kube-apiserver:v1.36.2"
CONTROLLER_MANAGER_IMAGE = "registry.k8s.io/kube-controller-manager:v1.36.2"
SCHEDULER_IMAGE = "registry.k8s.io/kube-scheduler:v1.36.2"

PKI = "/etc/kubernetes/pki"
ETCD_DATA = "/var/lib/etcd"
KUBERNETES = "/etc/kubernetes"
AUDIT_POLICY = "/etc/kubernetes/audit/policy.yaml"
AUDIT_LOG = "/var/log/kubernetes/audit/audit.log"

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


def kube_controller_manager(cluster: str, pod_subnet: str, service_subnet: str) -> Manifest:
    """The manifest of the controllers."""
    name = "kube-controller-manager"
    kubeconfig = f"{KUBERNETES}/controller-manager.conf"
    command = [
        name,
        "--allocate-node-cidrs=true",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--client-ca-file={PKI}/ca.crt",
        f"--cluster-cidr={pod_subnet}",
        f"--cluster-name={cluster}",
        f"--cluster-signing-cert-file={PKI}/ca.crt",
        f"--cluster-signing-key-file={PKI}/ca.key",
        "--controllers=*,bootstrapsigner,tokencleaner",
        f"--kubeconfig={kubeconfig}",
        "--leader-elect=true",
        f"--requestheader-client-ca-file={PKI}/front-proxy-ca.crt",
        f"--root-ca-file={PKI}/ca.crt",
        f"--service-account-private-key-file={PKI}/sa.key",
        f"--service-cluster-ip-range={service_subnet}",
        "--use-service-account-credentials=true",
    ]
    probe = {"host": "127.0.0.1", "port": 10257, "scheme": "HTTPS", "path": "/healthz"}
    container = _container(name, CONTROLLER_MANAGER_IMAGE, command, {"cpu": "200m"}) | _probes(
        liveness=probe, readiness=probe, startup=probe
    )
    return _pod(
        name,
        None,
        container,
        [
            ("ca-certs", "/etc/ssl/certs", True),
            ("k8s-certs", PKI, True),
            ("kubeconfig", kubeconfig, True),
        ],
    )


def kube_scheduler() -> Manifest:
    """The manifest of the scheduler."""
    name, kubeconfig = "kube-scheduler", f"{KUBERNETES}/scheduler.conf"
    command = [
        name,
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--kubeconfig={kubeconfig}",
        "--leader-elect=true",
    ]
    probe = {"host": "127.0.0.1", "port": 10259, "scheme": "HTTPS"}
    container = _container(name, SCHEDULER_IMAGE, command, {"cpu": "100m"}) | _probes(
        liveness=probe | {"path": "/livez"},
        readiness=probe | {"path": "/readyz"},
        startup=probe | {"path": "/livez"},
    )
    return _pod(name, None, container, [("kubeconfig", kubeconfig, True)])


def with_audit(apiserver: Manifest) -> Manifest:
    """The API server's manifest with an audit log, by the policy in `AUDIT_POLICY`, unless it has it."""
    container = apiserver["spec"]["containers"][0]
    command = container["command"]
    flags = {"--audit-log-path": AUDIT_LOG, "--audit-policy-file": AUDIT_POLICY}
    flags |= {"--audit-log-maxbackup": "1", "--audit-log-maxsize": "100"}
    missing = [f"{flag}={value}" for flag, value in flags.items() if f"{flag}={value}" not in command]
    if not missing:
        return apiserver
    kept = [argument for argument in command[1:] if argument.partition("=")[0] not in flags]
    mounts: list[dict[str, Any]] = [
        {"mountPath": _parent(AUDIT_LOG), "name": "audit-log"},
        {"mountPath": _parent(AUDIT_POLICY), "name": "audit-policy", "readOnly": True},
    ]
    volumes: list[dict[str, Any]] = [
        {"hostPath": {"path": mount["mountPath"], "type": "DirectoryOrCreate"}, "name": mount["name"]}
        for mount in mounts
    ]
    audited = container | {
        "command": [command[0], *sorted([*kept, *(f"{flag}={value}" for flag, value in flags.items())])],
        "volumeMounts": _added(container["volumeMounts"], mounts),
    }
    spec = apiserver["spec"] | {
        "containers": [audited],
        "volumes": _added(apiserver["spec"]["volumes"], volumes),
    }
    return apiserver | {"spec": spec}


def _added(items: list[dict[str, Any]], more: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The items of both, by name, as kubeadm sorts mounts and volumes."""
    return sorted(({item["name"]: item for item in [*items, *more]}).values(), key=lambda item: item["name"])


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def to_yaml(document: Manifest) -> str:
    """`document` as kubeadm writes it: sorted keys, block style, no line folded."""
    text = yaml.dump(document, Dumper=_Dumper, sort_keys=True, default_flow_style=False, width=10_000)
    return str(text)


def _pod(
    name: str,
    annotations: dict[str, str] | None,
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
        "metadata": ({"annotations": annotations} if annotations else {})
        | {
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
                {"hostPath": {"path": path, "type": _type(path)}, "name": volume}
                for volume, path, _ in host_paths
            ],
        },
        "status": {},
    }


def _type(path: str) -> str:
    return "FileOrCreate" if path.endswith(".conf") else "DirectoryOrCreate"


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
