"""Where a component finds the API server, as its flags say (`clientcmd.BuildConfigFromFlags`)."""

from __future__ import annotations

import os
from pathlib import Path

from labs.controlplane import klog
from labs.golang import kubeconfig
from labs.golang.kubeconfig import KubeconfigError, RestConfig

_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_UNKNOWN = (
    "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be "
    "defined"
)


def from_flags(path: str, master: str) -> RestConfig:
    """The configuration of `--kubeconfig`, at the server of `--master`. Raises `KubeconfigError`.

    Without either, a pod would go by its service account. None of the control plane has one mounted: what is
    missing is told, as it is by the real components.
    """
    if path:
        return kubeconfig.load(path, master=master)
    if master:
        return kubeconfig.at(master)
    klog.warning(
        "client_config.go:683",
        "Neither --kubeconfig nor --master was specified.  Using the inClusterConfig.  This might not work.",
    )
    inside = os.environ.get("KUBERNETES_SERVICE_HOST") and os.environ.get("KUBERNETES_SERVICE_PORT")
    why = f"open {_TOKEN}: no such file or directory" if inside else _UNKNOWN
    klog.warning(
        "client_config.go:689", f"error creating inClusterConfig, falling back to default config: {why}"
    )
    raise KubeconfigError(kubeconfig.EMPTY)
