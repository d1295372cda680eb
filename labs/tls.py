"""What Go's `crypto/tls` does and Python's `ssl` with asyncio does not.

Servers look at a client's certificate after the handshake, as `tls.RequestClientCert` has it: Kubernetes'
let everybody connect, and a foreign or expired certificate is answered with 401 and a sentence, not with a
TLS alert. Python's `ssl` verifies within the handshake or not at all, so OpenSSL is told here, by the library
that `ssl` itself has loaded, to note what is wrong and go on.

Clients tell a server why they go when they do not believe it, and say in their log what is wrong with its
certificate, of which `ssl` would tell a number.
"""

import asyncio
import ctypes
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

from labs.golang import alerts, dialerrors, x509

_LIMIT = 1 << 16
#: SSL_VERIFY_PEER and SSL_VERIFY_FAIL_IF_NO_PEER_CERT: what CERT_REQUIRED is to OpenSSL.
_PEER_WITH_CERTIFICATE = 3

#: `ok`, and the store's context: to go on whatever is found.
_Verify = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p)


_GO_ON = _Verify(lambda _ok, _store: 1)


def _openssl() -> ctypes.PyDLL | None:
    """The OpenSSL of `ssl`; None where it is built in and cannot be reached."""
    import _ssl

    library = ctypes.PyDLL(getattr(_ssl, "__file__", None))
    try:
        library.SSL_CTX_set_verify.argtypes = (ctypes.c_void_p, ctypes.c_int, _Verify)
        library.SSL_CTX_set_verify.restype = None
        library.SSL_get_verify_result.argtypes = (ctypes.c_void_p,)
        library.SSL_get_verify_result.restype = ctypes.c_long
        library.X509_STORE_CTX_get0_cert.argtypes = (ctypes.c_void_p,)
        library.X509_STORE_CTX_get0_cert.restype = ctypes.c_void_p
        library.i2d_X509.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
        library.i2d_X509.restype = ctypes.c_int
    except AttributeError:
        return None
    return library


def _pointer(owner: Any, index: int) -> int | None:
    """The `index`th pointer of an extension object's own fields."""
    address = id(owner) + object.__basicsize__ + index * ctypes.sizeof(ctypes.c_void_p)
    return ctypes.c_void_p.from_address(address).value


def request_client_certificate(context: ssl.SSLContext) -> None:
    """Ask clients for a certificate and let them connect with any, or none.

    Whether it is one of the authorities' in `context`, `verified` tells. Where OpenSSL cannot be reached, the
    handshake fails for others'.
    """
    context.verify_mode = ssl.CERT_OPTIONAL
    library = _openssl()
    if library is not None:
        # the first field of a _ssl._SSLContext is its SSL_CTX; CERT_OPTIONAL is SSL_VERIFY_PEER
        library.SSL_CTX_set_verify(_pointer(context, 0), int(ssl.CERT_OPTIONAL), _GO_ON)


def verification_error(connection: ssl.SSLObject) -> int:
    """What is wrong with the client's certificate, as OpenSSL's X509_V_ERR number; 0 is nothing."""
    library = _openssl()
    # the second field of a _ssl._SSLSocket is its SSL, after the socket that it may have
    inner = connection._sslobj  # type: ignore[attr-defined]
    return int(library.SSL_get_verify_result(_pointer(inner, 1))) if library is not None else 0


class _Refused:
    """The server's certificate that a client's context did not believe last."""

    def __init__(self, library: ctypes.PyDLL) -> None:
        self._library = library
        self.certificate = b""
        self.callback = _Verify(self._look)

    def _look(self, good: int, store: int) -> int:
        if not good:
            certificate = self._library.X509_STORE_CTX_get0_cert(store)
            written = ctypes.create_string_buffer(self._library.i2d_X509(certificate, None))
            self._library.i2d_X509(certificate, ctypes.byref(ctypes.c_void_p(ctypes.addressof(written))))
            self.certificate = written.raw
        return good


_REFUSED: WeakKeyDictionary[ssl.SSLContext, _Refused] = WeakKeyDictionary()


def note_refused(context: ssl.SSLContext) -> None:
    """Have `explain` know what certificate it was that a client with this context refused."""
    library = _openssl()
    if library is None or context in _REFUSED or context.verify_mode is not ssl.CERT_REQUIRED:
        return
    context.hostname_checks_common_name = False  # nor does Go
    _REFUSED[context] = refused = _Refused(library)
    library.SSL_CTX_set_verify(_pointer(context, 0), _PEER_WITH_CERTIFICATE, refused.callback)


def explain(error: ssl.SSLError, context: ssl.SSLContext | None, host: str) -> str:
    """Why a handshake with `host` failed, as Go says it."""
    refused = _REFUSED.get(context) if context is not None else None
    if context is None or refused is None or not isinstance(error, ssl.SSLCertVerificationError):
        return dialerrors.handshake(error)
    authorities, now = context.get_ca_certs(binary_form=True), datetime.now(UTC)
    try:
        why = x509.server_fault(refused.certificate, authorities, host, error.verify_code, now)
    except ValueError:  # a certificate that OpenSSL can read, and `cryptography` cannot
        return dialerrors.handshake(error)
    return f"tls: failed to verify certificate: {why}"


async def connect(
    host: str, port: int, context: ssl.SSLContext | None, *, limit: int = _LIMIT
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection, plain when `context` is None; `limit` is of bytes in a line. Raises OSError.

    A server whose certificate is not believed is told so by an alert, as Go does; asyncio would only go.
    """
    if context is None:
        return await asyncio.open_connection(host, port, limit=limit)
    note_refused(context)
    connection = await _dial(host, port)
    with connection.dup() as twin:
        try:
            return await asyncio.open_connection(
                sock=connection, ssl=context, server_hostname=host, limit=limit
            )
        except ssl.SSLCertVerificationError:
            with suppress(OSError):  # the server has gone before
                twin.send(alerts.fatal(alerts.BAD_CERTIFICATE, alerts.AGREED))
            raise
        except BaseException:
            connection.close()
            raise


async def _dial(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:  # it is a name
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for number, (family, kind, protocol, _, address) in enumerate(found, 1):
        connection = socket.socket(family, kind, protocol)
        connection.setblocking(False)
        try:
            await loop.sock_connect(connection, address)
        except OSError:
            connection.close()
            if number == len(found):
                raise
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@contextmanager
def no_default_authorities() -> Iterator[None]:
    """While this lasts, contexts with the default authorities are made without reading the machine's.

    aiohttp makes one as it is imported, of which nothing here has a use, and parsing a machine's authorities
    takes a fifth of a component's start.
    """
    before = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = os.devnull
    try:
        yield
    finally:
        if before is None:
            del os.environ["SSL_CERT_FILE"]
        else:
            os.environ["SSL_CERT_FILE"] = before
