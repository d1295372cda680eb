"""Flags that all components have, and what of them the real ones refuse: gates, logs, metrics, versions, TLS.

Follows `k8s.io/component-base` (`featuregate`, `logs/api/v1`, `metrics`, `compatibility`) and
`SecureServingOptions` of `k8s.io/apiserver`.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Iterator

from . import pem
from .flags import Flags
from .flagvalues import boolean

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
#: Minor versions of Kubernetes 1 that this one can be told to be like.
_OLDEST, _NEWEST = 33, 36


class ServerFlagError(Exception):
    """A flag has a value that the component does not start with; the message is the real one's."""


def aggregate(faults: Iterable[str]) -> str:
    """Several errors as one; the same one is said once (`utilerrors.NewAggregate`)."""
    different = list(dict.fromkeys(faults))
    return different[0] if len(different) == 1 else f"[{', '.join(different)}]"


def logging_faults(flags: Flags) -> Iterator[str]:
    """What `logsapi.Validate` finds."""
    kind = flags.text("logging-format")
    if kind not in ("text", "json", ""):
        yield f'format: Invalid value: "{kind}": Unsupported log format'
    if flags.seconds("log-flush-frequency") < 0:
        text = flags.text("log-flush-frequency")
        yield f'flushFrequency: Invalid value: "{text}": Must be greater than zero'
    if flags.switch("log-text-split-stream"):
        yield "options.text.splitStream: Forbidden: Feature LoggingAlphaOptions is disabled"


def check_gates(text: str) -> None:
    """`--feature-gates`; one that nobody knows is only warned of. Raises `ServerFlagError`."""
    for pair in filter(None, text.split(",")):
        name, given, value = pair.partition("=")
        if not given:
            raise ServerFlagError(f"missing bool value for {name}")
        component, colon, name = name.rpartition(":")
        if colon and component != "kube":
            raise ServerFlagError(f"component not registered: {component}")
        try:
            boolean(value)
        except ValueError as error:
            raise ServerFlagError(f"invalid value of {name}={value}, err: {error}") from None


def metrics_faults(flags: Flags) -> Iterator[str]:
    """What `metrics.Validate` finds."""
    shown, previous = flags.text("show-hidden-metrics-for-version"), f"1.{_NEWEST - 1}"
    if shown not in ("", previous):
        yield (
            f'metrics.showHiddenMetricsForVersion: Invalid value: "{shown}": must be omitted or have the '
            f"value '{previous}'; only the previous minor version is allowed"
        )
    if path := flags.text("allow-metric-labels-manifest"):
        try:
            pem.read(path)
        except pem.PEMError as error:
            yield (
                f'metrics.allowListMappingManifest: Invalid value: "{path}": failed to read allow list '
                f"manifest: {error}"
            )


def version_faults(flags: Flags) -> Iterator[str]:
    """What is wrong with the versions to be like and to be compatible with. Raises `ServerFlagError`."""
    like, compatible = (_version(flags, f"{name}-version") for name in ("emulated", "min-compatibility"))
    if like and not _OLDEST <= like[1] <= _NEWEST:
        yield f"emulation version {_shown(like)} is not between [1.{_OLDEST}, 1.{_NEWEST}.0]"
    newest, least = like or (1, _NEWEST), compatible or (1, _OLDEST)
    if not (1, _OLDEST) <= least <= newest:
        span = f"[1.{_OLDEST}, {_shown(newest)}]"
        yield f"minCompatibilityVersion version {_shown(least)} is not between {span}"


def _version(flags: Flags, name: str) -> tuple[int, int] | None:
    found = None
    for word in flags.words(name):
        text = word.rpartition("=")[2]
        match = re.fullmatch(r"v?(\d+)\.(\d+)(?:\.\d+)?", text)
        if match is None:
            raise ServerFlagError(f'could not parse "{text}" as version')
        found = int(match[1]), int(match[2])
    return found


def _shown(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def restrict_tls(context: ssl.SSLContext, flags: Flags) -> None:
    """As `--tls-cipher-suites` and `--tls-min-version` have it. Raises `ServerFlagError`."""
    suites = flags.words("tls-cipher-suites")
    for suite in suites:
        if suite not in _TLS12_SUITES and suite not in _TLS13_SUITES:
            raise ServerFlagError(f"Cipher suite {suite} not supported or doesn't exist")
    version = flags.text("tls-min-version") or "VersionTLS12"
    if version not in _VERSIONS:
        raise ServerFlagError(f'unknown tls version "{version}"')
    context.minimum_version = _VERSIONS[version]
    if chosen := [_TLS12_SUITES[suite] for suite in suites if suite in _TLS12_SUITES]:
        context.set_ciphers(":".join(chosen))


def check_named_pairs(flags: Flags) -> None:
    """Further certificates, by names (`--tls-sni-cert-key`): only that they are there is asked.

    Raises `ServerFlagError`.
    """
    for pair in flags.words("tls-sni-cert-key"):
        certificate, _, key = pair.partition(":")[0].partition(",")
        try:
            pem.load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key)
        except pem.PEMError as error:
            raise ServerFlagError(f"failed to load SNI cert and key: {error}") from None
