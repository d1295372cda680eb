"""Whether the kubeconfig that a kubelet has is still good (`pkg/kubelet/certificate/bootstrap`).

One that is not is to be made anew with a bootstrap token; why it is not stands in the journal.
"""

import ssl
from datetime import UTC, datetime

from labs.golang import kubeconfig, pem
from labs.golang.kubeconfig import KubeconfigError, RestConfig
from labs.kubelet import klog
from labs.kubelet.certificates import ends
from labs.kubelet.config import ConfigError

Client = tuple[RestConfig, ssl.SSLContext | None]


def load(path: str, bootstrap: str, read: kubeconfig.Read, now: datetime) -> Client:
    """The API server of a kubeconfig, and who this kubelet is there.

    Without a `bootstrap` kubeconfig there is nothing to fall back on. Raises ConfigError.
    """
    if not bootstrap:
        return _only(path, read)
    klog.info("server.go:991", "Client rotation is on, will bootstrap in background")
    try:
        return _valid(path, read, now)
    except KubeconfigError:
        pass  # it was never made
    except _Unfit as unfit:
        klog.error(f"bootstrap.go:{unfit.line}", "Unhandled Error", unfit, logger="UnhandledError")
    try:
        kubeconfig.load(bootstrap, read)
    except KubeconfigError as error:
        raise ConfigError(f"failed to run Kubelet: unable to load bootstrap kubeconfig: {error}") from None
    raise ConfigError(
        f"failed to run Kubelet: this kubelet does not bootstrap from {bootstrap}: restore {path}"
    )


def _only(path: str, read: kubeconfig.Read) -> Client:
    try:
        config = kubeconfig.load(path, read)
    except KubeconfigError as error:
        raise ConfigError(f"failed to run Kubelet: invalid kubeconfig: {error}") from None
    try:
        return config, config.tls(_not_loaded)
    except KubeconfigError as error:
        raise ConfigError(f"failed to run Kubelet: failed to initialize kubelet client: {error}") from None


class _Unfit(Exception):
    """The kubeconfig cannot be used today; with the line of bootstrap.go that says so."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


def _valid(path: str, read: kubeconfig.Read, now: datetime) -> Client:
    """The kubeconfig, if it can be used today. Raises `_Unfit`, or `KubeconfigError` where there is none."""
    try:
        config = kubeconfig.load(path, read)
    except KubeconfigError as error:
        if str(error).startswith("stat "):
            raise
        raise _Unfit(242, f"unable to read existing bootstrap client config from {path}: {error}") from None
    existing = f"from existing bootstrap client config read from {path}"
    try:
        context = config.tls(_raised)
    except KubeconfigError as error:
        raise _Unfit(252, f"unable to load TLS configuration {existing}: {error}") from None
    if "CERTIFICATE" not in pem.blocks(config.certificate):
        why = "data does not contain any valid RSA or ECDSA certificates"
        raise _Unfit(257, f"unable to load TLS certificates {existing}: {why}")
    for end in ends(config.certificate):
        if now > end:
            what = f"part of the existing bootstrap client certificate in {path}"
            raise _Unfit(267, f"{what} is expired: {end.astimezone(UTC):%Y-%m-%d %H:%M:%S} +0000 UTC")
    return config, context


def _raised(error: KubeconfigError) -> None:
    raise error


def _not_loaded(error: KubeconfigError) -> None:
    logger = "tls-transport-cache.UnhandledError"
    klog.error("cert_rotation.go:172", "Loading client cert failed", error, logger=logger)
