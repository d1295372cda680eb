"""The server's TLS: its certificate, its clients' authority, what it shows to etcd and the kubelets."""

from __future__ import annotations

import ssl

from labs.tls import request_client_certificate

from .options import InvalidOptions, Options


def serving(options: Options) -> ssl.SSLContext:
    """For the API's port: a client certificate is asked for, not needed, and judged after the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not (options.tls_cert_file and options.tls_private_key_file):
        raise InvalidOptions(
            "error creating self-signed certificates: none are made here, "
            "give --tls-cert-file and --tls-private-key-file"
        )
    _load_pair(context, options.tls_cert_file, options.tls_private_key_file)
    if options.client_ca_file:
        _load_authority(context, options.client_ca_file)
        request_client_certificate(context)
    return context


def etcd(options: Options) -> ssl.SSLContext | None:
    """For etcd, when its servers are https."""
    if not options.etcd_cafile:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _load_authority(context, options.etcd_cafile)
    if options.etcd_certfile:
        _load_pair(context, options.etcd_certfile, options.etcd_keyfile)
    return context


def kubelet(options: Options) -> ssl.SSLContext | None:
    """For the kubelets, whose serving certificates are their own and not verified, as kubeadm has it."""
    if not options.kubelet_client_certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _load_pair(context, options.kubelet_client_certificate, options.kubelet_client_key)
    return context


def _load_pair(context: ssl.SSLContext, certificate: str, key: str) -> None:
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise InvalidOptions("tls: private key does not match public key") from error
        raise InvalidOptions(
            f"tls: failed to find any PEM data in certificate input ({certificate})"
        ) from error


def _load_authority(context: ssl.SSLContext, path: str) -> None:
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as error:
        raise InvalidOptions(
            f"unable to load client CA provider: error loading certificate {path}"
        ) from error
