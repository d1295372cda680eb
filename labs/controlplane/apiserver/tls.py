"""The server's TLS: its certificate, its clients' authority, what it shows to etcd and the kubelets."""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path

from labs.controlplane import pem
from labs.controlplane.flags import Flags
from labs.tls import request_client_certificate

from .options import InvalidOptions, Options

_VERSIONS = {
    "VersionTLS10": ssl.TLSVersion.TLSv1,
    "VersionTLS11": ssl.TLSVersion.TLSv1_1,
    "VersionTLS12": ssl.TLSVersion.TLSv1_2,
    "VersionTLS13": ssl.TLSVersion.TLSv1_3,
}
#: What `--tls-cipher-suites` may name: Go's suites of TLS 1.3, which cannot be chosen from, and of TLS 1.2.
_TLS13_SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
_TLS12_SUITES = {
    f"TLS_{exchange}_WITH_{go}": f"{prefix}{openssl}"
    for exchange, prefix in (
        ("ECDHE_ECDSA", "ECDHE-ECDSA-"), ("ECDHE_RSA", "ECDHE-RSA-"), ("RSA", ""),
    )
    for go, openssl in {
        "AES_128_CBC_SHA": "AES128-SHA", "AES_256_CBC_SHA": "AES256-SHA",
        "AES_128_CBC_SHA256": "AES128-SHA256", "AES_128_GCM_SHA256": "AES128-GCM-SHA256",
        "AES_256_GCM_SHA384": "AES256-GCM-SHA384", "3DES_EDE_CBC_SHA": "DES-CBC3-SHA",
        "RC4_128_SHA": "RC4-SHA", "CHACHA20_POLY1305": "CHACHA20-POLY1305",
        "CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305",
    }.items()
    if not (exchange == "RSA" and go.startswith("CHACHA20"))
    if not (exchange == "ECDHE_ECDSA" and go.startswith("3DES"))
}  # fmt: skip


def serving(options: Options) -> ssl.SSLContext:
    """For the API's port, with the server's own certificate. Raises `InvalidOptions`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate, key = options.tls_cert_file, options.tls_private_key_file
    if not certificate and not key:
        certificate, key = _self_signed(options)
    if not (certificate and key):
        raise InvalidOptions("missing filename for serving cert")
    try:
        pem.load_pair(context, certificate, key, "serving-cert")
    except pem.PEMError as error:
        raise InvalidOptions(str(error)) from None
    for pair in options.flags.words("tls-sni-cert-key"):
        _check_named(pair)
    _restrict(context, options.flags)
    return context


def ask_clients(serving: ssl.SSLContext, options: Options) -> None:
    """Have clients asked for a certificate, which is not needed, and judged after the handshake."""
    if options.client_ca_file:
        serving.load_verify_locations(options.client_ca_file)
        request_client_certificate(serving)


def _restrict(context: ssl.SSLContext, flags: Flags) -> None:
    """As `--tls-cipher-suites` and `--tls-min-version` have it."""
    suites = flags.words("tls-cipher-suites")
    for suite in suites:
        if suite not in _TLS12_SUITES and suite not in _TLS13_SUITES:
            raise InvalidOptions(f"Cipher suite {suite} not supported or doesn't exist")
    version = flags.text("tls-min-version") or "VersionTLS12"
    if version not in _VERSIONS:
        raise InvalidOptions(f'unknown tls version "{version}"')
    context.minimum_version = _VERSIONS[version]
    if chosen := [_TLS12_SUITES[suite] for suite in suites if suite in _TLS12_SUITES]:
        context.set_ciphers(":".join(chosen))


def _check_named(pair: str) -> None:
    """A further certificate, for the names in it or after its colon: only that there is one is asked."""
    certificate, _, key = pair.partition(":")[0].partition(",")
    try:
        pem.load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key)
    except pem.PEMError as error:
        raise InvalidOptions(f"failed to load SNI cert and key: {error}") from None


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


def kubelet(options: Options) -> ssl.SSLContext | None:
    """For the kubelets, whose serving certificates are their own and not verified, as kubeadm has it.

    Raises `InvalidOptions` for files that cannot be read; ones that hold nonsense fail when they are shown.
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
    if certificate and key:
        with suppress(pem.PEMError):  # kubelets will not know who asks, and say so
            pem.load_pair(context, certificate, key)
    if authority:
        context.check_hostname, context.verify_mode = True, ssl.CERT_REQUIRED
        context.load_verify_locations(authority)
    return context


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
