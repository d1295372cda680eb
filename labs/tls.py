"""Servers that look at a client's certificate after the handshake, as Go's `tls.RequestClientCert` has it.

Kubernetes' servers let everybody connect: a foreign or expired certificate is answered with 401 and a
sentence, not with a TLS alert. Python's `ssl` verifies within the handshake or not at all, so OpenSSL is told
here, by the library that `ssl` itself has loaded, to note what is wrong and go on.
"""

import ctypes
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
