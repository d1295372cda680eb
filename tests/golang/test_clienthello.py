"""What a client offers, read from the hellos that OpenSSL writes."""

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.golang import clienthello

TLS_1_2, TLS_1_3 = 0x0303, 0x0304
AES_128_GCM, ECDHE_ECDSA_AES_128_GCM = 0x1301, 0xC02B


def hello(lowest: ssl.TLSVersion, highest: ssl.TLSVersion, ciphers: str = "DEFAULT") -> bytes:
    """The first record of a client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version, context.maximum_version = lowest, highest
    context.set_ciphers(ciphers)
    sent = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost").do_handshake()
    return sent.read()


MODERN = hello(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


def test_a_modern_client_lists_its_versions() -> None:
    read = clienthello.read(MODERN)

    assert read.versions == (TLS_1_3, TLS_1_2)
    assert {AES_128_GCM, ECDHE_ECDSA_AES_128_GCM} < set(read.suites)


def test_an_older_client_means_its_version_and_those_before() -> None:
    record = hello(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-GCM-SHA256")

    read = clienthello.read(record)

    assert read.versions == (0x0303, 0x0302, 0x0301)
    assert read.suites[0] == ECDHE_ECDSA_AES_128_GCM


@given(st.integers(0, len(MODERN) - 1))
def test_part_of_a_hello_is_none(length: int) -> None:
    with pytest.raises(ValueError, match="not whole"):
        clienthello.read(MODERN[:length])


@given(st.binary(max_size=300))
def test_whatever_comes_is_read_or_refused(noise: bytes) -> None:
    record = b"\x16\x03\x01" + len(noise).to_bytes(2, "big") + noise
    try:
        read = clienthello.read(record)
    except ValueError:
        return
    assert all(0 <= number < 1 << 16 for number in (*read.versions, *read.suites))
