"""The server's TLS: its certificate, its clients' authority, what it shows to etcd and the kubelets."""

from __future__ import annotations

import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from labs.controlplane.serverflags import ServerFlagError
from labs.controlplane.tlsflags import check_named_pairs, restrict_tls
from labs.golang import pem
from labs.tls import request_client_certificate

from .options import InvalidOptions, Options


def serving(options: Options) -> ssl.SSLContext:
    """For the API's port, with the server's own certificate. Raises `InvalidOptions`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0  # no client of Kubernetes resumes a session, and a probe a second would get two
    certificate, key = options.tls_cert_file, options.tls_private_key_file
    if not certificate and not key:
        certificate, key = _self_signed(options)
    if not (certificate and key):
        raise InvalidOptions("missing filename for serving cert")
    try:
        pem.load_pair(context, certificate, key, "serving-cert")
    except pem.PEMError as error:
        raise InvalidOptions(str(error)) from None
    try:
        check_named_pairs(options.flags)
        restrict_tls(context, options.flags)
    except ServerFlagError as error:
        raise InvalidOptions(str(error)) from None
    return context


def ask_clients(serving: ssl.SSLContext, options: Options) -> None:
    """Have clients asked for a certificate, which is not needed, and judged after the handshake."""
    if options.client_ca_file:
        serving.load_verify_locations(options.client_ca_file)
        request_client_certificate(serving)


def _self_signed(options: Options) -> tuple[str, str]:
    """A pair in `--cert-dir`, made where there is none (`MaybeDefaultWithSelfSignedCerts`)."""
    directory = Path(options.flags.text("cert-dir"))
    certificate, key = directory / "apiserver.crt", directory / "apiserver.key"
    if not (certificate.exists() and key.exists()):
        from .self_signed import write

        try:
            write(certificate, key, options.advertise_address)
        except OSError as error:
            why = f"mkdir {directory}: {(error.strerror or str(error)).lower()}"
            raise InvalidOptions(f"error creating self-signed certificates: {why}") from None
    return str(certificate), str(key)


def etcd(options: Options) -> ssl.SSLContext | None:
    """For etcd, when its servers are https. Raises `InvalidOptions`."""
    certificate, key = options.etcd_certfile, options.etcd_keyfile
    if bool(certificate) != bool(key):
        raise InvalidOptions(f"KeyFile and CertFile must both be present[key: {key}, cert: {certificate}]")
    if not options.etcd_cafile and not certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if certificate:
        _load_pair(context, certificate, key)
    if options.etcd_cafile:
        _read(options.etcd_cafile)
        with suppress(
            ssl.SSLError
        ):  # as Go's pool of certificates: none is found, so etcd's is refused later
            context.load_verify_locations(options.etcd_cafile)
    else:
        context.set_default_verify_paths()
    return context


@dataclass(frozen=True)
class KubeletTLS:
    """How connections to kubelets are encrypted."""

    context: ssl.SSLContext
    #: Why there is no certificate to show, of which every connection fails; empty when all is well.
    fault: str = ""


def kubelet(options: Options) -> KubeletTLS:
    """For the kubelets, whose serving certificates are their own and not verified, as kubeadm has it.

    Raises `InvalidOptions` for files that cannot be read.
    """
    certificate, key = options.kubelet_client_certificate, options.kubelet_client_key
    authority = options.flags.text("kubelet-certificate-authority")
    for path in filter(None, (certificate, key, authority)):
        try:
            pem.read(path)
        except pem.PEMError as error:
            raise InvalidOptions(f'problem initializing API group "": {error}') from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    fault = ""
    if certificate and key:
        try:
            pem.load_pair(context, certificate, key)
        except pem.PEMError as error:
            fault = str(error)
    if authority:
        context.check_hostname, context.verify_mode = True, ssl.CERT_REQUIRED
        context.load_verify_locations(authority)
    return KubeletTLS(context, fault)


def check_proxy_client(options: Options) -> None:
    """The pair that aggregated API servers would be shown. Raises `InvalidOptions`."""
    certificate, key = (options.flags.text(f"proxy-client-{part}-file") for part in ("cert", "key"))
    if certificate and key:
        _load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate, key)


def _read(path: str) -> None:
    try:
        pem.read(path)
    except pem.PEMError as error:
        raise InvalidOptions(str(error)) from None


def _load_pair(context: ssl.SSLContext, certificate: str, key: str) -> None:
    try:
        pem.load_pair(context, certificate, key)
    except pem.PEMError as error:
        raise InvalidOptions(str(error)) from None
