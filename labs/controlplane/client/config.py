"""Where a component finds the API server, as its flags say (`clientcmd.BuildConfigFromFlags`)."""

from __future__ import annotations

import os
from pathlib import Path

from labs.controlplane import klog
from labs.golang import hostport, kubeconfig, pem
from labs.golang.kubeconfig import KubeconfigError, RestConfig

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_UNKNOWN = (
    "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be "
    "defined"
)


def from_flags(path: str, master: str) -> RestConfig:
    """The configuration of `--kubeconfig`, at the server of `--master`. Raises `KubeconfigError`.

    Without either it is that of the pod's service account, if it has one.
    """
    if path:
        return kubeconfig.load(path, master=master)
    if master:
        return kubeconfig.at(master)
    klog.warning(
        "client_config.go:683",
        "Neither --kubeconfig nor --master was specified.  Using the inClusterConfig.  This might not work.",
    )
    try:
        return _in_cluster()
    except KubeconfigError as error:
        told = f"error creating inClusterConfig, falling back to default config: {error}"
        klog.warning("client_config.go:689", told)
        raise KubeconfigError(kubeconfig.EMPTY) from None


def _in_cluster() -> RestConfig:
    """By the account that is mounted into each pod, but a static one (`rest.InClusterConfig`)."""
    host, port = (os.environ.get(f"KUBERNETES_SERVICE_{part}") for part in ("HOST", "PORT"))
    if not (host and port):
        raise KubeconfigError(_UNKNOWN)
    files = []
    for name in ("token", "ca.crt"):
        try:
            files.append((_ACCOUNT / name).read_bytes())
        except OSError as error:
            raise KubeconfigError(pem.unreadable(str(_ACCOUNT / name), error)) from None
    token, authority = files
    return RestConfig(f"https://{hostport.join(host, port)}", authority, token=token.decode().strip())
