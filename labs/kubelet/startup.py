"""What a kubelet does not start with, although its configuration can be read (`cmd/kubelet/app`)."""

import ssl

from labs.core.quantity import QuantityError, quantity_value
from labs.golang import pem
from labs.golang.kubeconfig import Read
from labs.golang.quoting import quote
from labs.golang.tlsoptions import restrict
from labs.kubelet.config import ConfigError, KubeletConfig

_MODES = ("AlwaysAllow", "Webhook")
_SERVING = (
    "failed to run Kubelet: failed to create kubelet: failed to initialize file based certificate manager: "
    "unable to set up dynamic certificate manager for kubelet server cert files"
)


def check(config: KubeletConfig, read: Read) -> None:
    """Raises ConfigError in the real words; `read` has the files."""
    form = (config.document.get("logging") or {}).get("format") or "text"
    if form not in ("text", "json"):
        why = f"logging.format: Invalid value: {quote(str(form))}: Unsupported log format"
        raise ConfigError(f"initialize logging: {why}")
    try:
        restrict(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), config.tls_cipher_suites, config.tls_min_version)
    except ValueError as error:
        raise ConfigError(f"failed to construct kubelet dependencies: {error}") from None
    try:
        _check(config, read)
    except (pem.PEMError, QuantityError) as error:
        raise ConfigError(f"failed to run Kubelet: {error}") from None


def _check(config: KubeletConfig, read: Read) -> None:
    if config.client_ca_file:
        _check_bundle(config.client_ca_file, read)
    if config.authorization_mode not in _MODES:
        raise ConfigError(f"failed to run Kubelet: unknown authorization mode {config.authorization_mode}")
    for thresholds in ("evictionHard", "evictionSoft"):
        for value in config.document.get(thresholds, {}).values():
            if not value.endswith("%"):
                quantity_value(value)
    if config.tls_cert_file:
        for path in (config.tls_cert_file, config.tls_private_key_file):
            try:
                read(path)
            except OSError as error:
                raise ConfigError(f"{_SERVING}: {pem.unreadable(path, error)}") from None


def _check_bundle(path: str, read: Read) -> None:
    """`dynamiccertificates.NewDynamicCAContentFromFile`."""
    try:
        data = read(path)
    except OSError as error:
        raise pem.PEMError(pem.unreadable(path, error)) from None
    name = f"client-ca-bundle::{path}"
    if not data:
        raise pem.PEMError(f'missing content for CA bundle "{name}"')
    if "CERTIFICATE" not in pem.blocks(data):
        why = "data does not contain any valid RSA or ECDSA certificates"
        raise pem.PEMError(f'error loading CA bundle for "{name}": {why}')
