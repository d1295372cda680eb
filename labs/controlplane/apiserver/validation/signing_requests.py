"""Requests for certificates (`pkg/apis/certificates/validation/validation.go`)."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from labs.core import names
from labs.core.field import Findings
from labs.golang.x509 import RequestError, read_request

Object = dict[str, Any]
_SHORTEST_SECONDS = 600
_USAGES = (
    *("any", "cert sign", "client auth", "code signing", "content commitment", "crl sign"),
    *("data encipherment", "decipher only", "digital signature", "email protection", "encipher only"),
    *("ipsec end system", "ipsec tunnel", "ipsec user", "key agreement", "key encipherment"),
    *("microsoft sgc", "netscape sgc", "ocsp signing", "s/mime", "server auth", "signing", "timestamping"),
)


def check_signing_request(found: Findings, spec: Object) -> None:
    """Everything wrong with what is asked for."""
    request = spec.get("request")
    try:
        read_request(b64decode(request or ""))
    except RequestError as error:
        found.invalid("spec.request", request, str(error))
    if not (usages := spec.get("usages") or []):
        found.required("spec.usages")
    for index, usage in enumerate(usages):
        if usage not in _USAGES:
            found.not_supported(f"spec.usages[{index}]", usage, _USAGES)
    for index, usage in enumerate(usages):
        if usage in usages[:index]:
            found.duplicate(f"spec.usages[{index}]", usage)
    _signer(found, "spec.signerName", spec.get("signerName", ""))
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < _SHORTEST_SECONDS:
        why = f"may not specify a duration less than {_SHORTEST_SECONDS} seconds (10 minutes)"
        found.invalid("spec.expirationSeconds", seconds, why)


def _signer(found: Findings, path: str, name: str) -> None:
    if not name:
        found.required(path)
        return
    if name == "kubernetes.io/legacy-unknown":
        found.invalid(path, name, "the legacy signerName is not allowed via this API version")
        return
    domain, slash, end = name.partition("/")
    if not slash or "/" in end:
        why = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        found.invalid(path, name, why)
        return
    labels = domain.split(".")
    for label in labels:
        shown = [f'validating label "{label}": {fault}' for fault in names.label_faults(label)]
        found.faults(path, domain, shown)
    if len(labels) < 2:
        found.invalid(path, domain, "should be a domain with at least two segments separated by dots")
    for label in end.split("."):
        shown = [f'validating label "{label}": {fault}' for fault in names.subdomain_faults(label)]
        found.faults(path, end, shown)
