"""The HTTPS port of a component: `/healthz` and the like for everybody, the rest for who may have it.

h11 over asyncio's streams, as the client has it; one request at a time on a connection.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote

import h11

from labs import tls
from labs.controlplane import klog
from labs.controlplane.flags import Flags
from labs.controlplane.listening import ListenError, listen
from labs.controlplane.serverflags import ServerFlagError
from labs.controlplane.tlsflags import check_named_pairs, restrict_tls
from labs.golang import hostport, pem
from labs.golang.tlsserver import TLSServer, streams

_READ = 1 << 16
TEXT = {"content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff"}
JSON = {"content-type": "application/json"}


class StartError(Exception):
    """The component cannot start; it ends with `command failed` and this message."""


@dataclass(frozen=True)
class Request:
    """A request, without its body: nobody sends one here."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    #: The client certificate's subject, if it was verified.
    subject: tuple[tuple[str, str], ...] = ()
    #: A client certificate came that none of the authorities has signed, or that has expired.
    foreign: bool = False


@dataclass(frozen=True)
class Response:
    """An answer."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: dict(TEXT))


Handler = Callable[[Request], Awaitable[Response]]


def not_found() -> Response:
    """What Go's mux says of an unknown path."""
    return Response(404, b"404 page not found\n")


def refusal(code: int, reason: str, message: str) -> Response:
    """A Status as the API machinery writes it."""
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    if reason == "Forbidden":
        body = {**status, "message": message, "reason": reason, "details": {}, "code": code}
    else:
        body = {**status, "message": message, "reason": reason, "code": code}
    return Response(code, json.dumps(body, indent=2).encode(), dict(JSON))


@dataclass(frozen=True)
class SecureServing:
    """The socket, bound, and its TLS."""

    listener: socket.socket
    context: ssl.SSLContext
    address: str

    @classmethod
    def of(cls, flags: Flags, own: bytes) -> SecureServing | None:
        """From the flags and `own_certificate`; None for port 0. Raises `StartError`."""
        port, host = flags.number("secure-port"), flags.text("bind-address") or "0.0.0.0"
        if port == 0:
            return None
        try:
            listener = listen(host, port)
        except ListenError as error:
            raise StartError(str(error)) from error
        try:
            return cls(listener, _context(flags, own), hostport.join(host, port))
        except StartError:
            listener.close()
            raise

    def trust(self, authorities: str) -> None:
        """Verify certificates of clients by these authorities, too (PEM), from the next connection on."""
        self.context.load_verify_locations(cadata=authorities)
        tls.request_client_certificate(self.context)

    def serve(self, handler: Handler) -> TLSServer:
        """Answer with `handler` what comes in; within a running loop."""

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await _converse(reader, writer, handler)
            except (OSError, h11.RemoteProtocolError):
                pass  # the client has gone, or speaks something else
            finally:
                writer.close()

        server = TLSServer(streams(connected, _READ), self.listener, self.context)
        klog.info("secure_serving.go:214", f"Serving securely on {self.address}")
        klog.info("tlsconfig.go:243", '"Starting DynamicServingCertificateController"')
        return server


def own_certificate(flags: Flags) -> bytes:
    """A certificate with its key, made now, where the flags name none and one is needed."""
    given = flags.text("tls-cert-file") or flags.text("tls-private-key-file")
    return b"" if given or not flags.number("secure-port") else _self_signed()


def _context(flags: Flags, own: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0  # no client of Kubernetes resumes a session, and a probe a second would get two
    certificate, key = flags.text("tls-cert-file"), flags.text("tls-private-key-file")
    try:
        if own:
            _load_pem(context, own)
        elif not (certificate and key):
            raise StartError("missing filename for serving cert")
        else:
            pem.load_pair(context, certificate, key, "serving-cert")
        check_named_pairs(flags)
        restrict_tls(context, flags)
    except (pem.PEMError, ServerFlagError) as error:
        raise StartError(str(error)) from None
    if path := flags.text("client-ca-file"):
        _check_bundle(path, "client-ca-bundle", "unable to load client CA provider")
        context.load_verify_locations(path)
        tls.request_client_certificate(context)
    if path := flags.text("requestheader-client-ca-file"):
        _check_bundle(path, "request-header", "unable to create request header authentication config")
    return context


def _check_bundle(path: str, name: str, wrong: str) -> None:
    try:
        pem.check_bundle(path, name)
    except pem.PEMError as error:
        raise StartError(f"{wrong}: {error}") from None


def _load_pem(context: ssl.SSLContext, text: bytes) -> None:
    """Python's ssl reads certificates from files only: from one that has no name."""
    with os.fdopen(os.memfd_create("serving"), "wb") as file:
        file.write(text)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")


def _self_signed() -> bytes:
    """A certificate of our own and its key, made by a child: the library for it is needed this once only."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.write(theirs, _make_pair())
            status = 0
        finally:
            os._exit(status)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        made = pipe.read()
    _, status = os.waitpid(child, 0)
    if status or not made:
        raise StartError("unable to generate self signed cert")
    klog.info("serving.go:411", "Generated self-signed cert in-memory")
    return made


def _make_pair() -> bytes:
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"localhost@{int(now.timestamp())}")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    text = certificate.public_bytes(serialization.Encoding.PEM)
    return text + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
    """The requests of one connection."""
    state = h11.Connection(h11.SERVER)
    subject, foreign = _peer(writer.get_extra_info("ssl_object"))
    while True:
        asked: h11.Request | None = None
        while not isinstance(event := await _event(state, reader), h11.EndOfMessage):
            if isinstance(event, h11.ConnectionClosed):
                return
            if isinstance(event, h11.Request):
                asked = event
        if asked is None:
            return
        response = await _answer(handler, asked, subject, foreign=foreign)
        headers = {
            "date": datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT"),
            "cache-control": "no-cache, private",
            **response.headers,
            "content-length": str(len(response.body)),
        }
        reason = HTTPStatus(response.status).phrase
        head = h11.Response(status_code=response.status, reason=reason, headers=list(headers.items()))
        body = b"" if asked.method == b"HEAD" else response.body
        out = [state.send(head), state.send(h11.Data(body)) if body else b"", state.send(h11.EndOfMessage())]
        writer.write(b"".join(part or b"" for part in out))
        await writer.drain()
        if state.our_state is not h11.DONE or state.their_state is not h11.DONE:
            return
        state.start_next_cycle()


async def _event(state: h11.Connection, reader: asyncio.StreamReader) -> Any:
    while (event := state.next_event()) is h11.NEED_DATA:
        state.receive_data(await reader.read(_READ))
    return event


async def _answer(
    handler: Handler, asked: h11.Request, subject: tuple[tuple[str, str], ...], *, foreign: bool
) -> Response:
    path, _, query = asked.target.decode("latin-1").partition("?")
    headers = {name.decode(): value.decode("latin-1") for name, value in asked.headers}
    request = Request(
        asked.method.decode(),
        unquote(path),
        parse_qs(query, keep_blank_values=True),
        headers,
        subject,
        foreign,
    )
    try:
        return await handler(request)
    except Exception as error:
        klog.error("errors.go:86", "Unhandled Error", err=repr(error), logger="UnhandledError")
        return Response(500, b"Internal Server Error\n")


def _peer(connection: ssl.SSLObject | None) -> tuple[tuple[tuple[str, str], ...], bool]:
    """The subject of a verified client certificate; whether there was one that is not good."""
    if connection is None or not connection.getpeercert(binary_form=True):
        return (), False
    if tls.verification_error(connection):
        return (), True
    certificate = connection.getpeercert() or {}
    names: Any = certificate.get("subject", ())
    return tuple(part[0] for part in names), False
