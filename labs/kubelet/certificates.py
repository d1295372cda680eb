"""What little the kubelet reads of certificates itself: a library costs more than its whole start."""

import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime

_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
#: The validity's DER: a sequence of two times of the years from 1950 to 2049.
_VALIDITY = re.compile(rb"\x30\x1e\x17\x0d\d{12}Z\x17\x0d(\d{12})Z")


def ends(data: bytes) -> Iterator[datetime]:
    """When the certificates of a PEM text are over."""
    for block in _BLOCK.findall(data):
        if found := _VALIDITY.search(ssl.PEM_cert_to_DER_cert(block.decode())):
            yield datetime.strptime(found[1].decode(), "%y%m%d%H%M%S").replace(tzinfo=UTC)
