"""The file of `--tracing-config-file`: judged, and nothing is traced.

Follows `apiserver/pkg/server/options/tracing.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from labs.golang import pem, urls
from labs.golang.configfile import ConfigError, Format, invalid
from labs.golang.errors import aggregate

from .options import InvalidOptions

_MOST = 1_000_000
_FORMAT = Format(
    "apiserver.config.k8s.io/v1",
    "TracingConfiguration",
    {
        "TracingConfiguration": {
            "endpoint": "string", "samplingRatePerMillion": "int32",
        },
    },
    "k8s.io/apiserver/pkg/server/options/tracing.go:49",
    also=frozenset(
        (f"apiserver.config.k8s.io/{version}", "TracingConfiguration") for version in ("v1beta1", "v1alpha1")
    ),
    inlined=dict.fromkeys(("endpoint", "samplingRatePerMillion"), "TracingConfiguration"),
)  # fmt: skip


def check(path: str) -> None:
    """Raises `InvalidOptions` for a file that the server would not start with."""
    wrong = "failed to read tracing config: unable to"
    try:
        data = pem.read(path)
    except pem.PEMError as error:
        raise InvalidOptions(f'{wrong} read tracing configuration from "{path}": {error}') from None
    try:
        document = _FORMAT.strict(data) if data else {}
    except ConfigError as error:
        raise InvalidOptions(f"{wrong} decode tracing configuration data: {error}") from None
    if faults := [*_faults(document)]:
        raise InvalidOptions(f"failed to validate tracing configuration: {aggregate(faults)}")


def _faults(document: Mapping[str, Any]) -> Iterable[str]:
    """`ValidateTracingConfiguration` of component-base."""
    rate = document.get("samplingRatePerMillion", 0)
    if rate < 0:
        yield invalid("samplingRatePerMillion", rate, "sampling rate must be positive")
    elif rate > _MOST:
        why = "sampling rate per million must be less than or equal to one million"
        yield invalid("samplingRatePerMillion", rate, why)
    if endpoint := document.get("endpoint"):
        whole = endpoint if "//" in endpoint else f"dns://{endpoint}"
        scheme = whole.partition("://")[0]
        if why := urls.fault(whole):
            yield invalid("endpoint", endpoint, why)
        elif scheme not in ("dns", "unix", "unix-abstract"):
            why = f"unsupported scheme: {scheme}.  Options are none, dns, unix, or unix-abstract."
            see = "See https://github.com/grpc/grpc/blob/master/doc/naming.md"
            yield invalid("endpoint", endpoint, f"{why}  {see}")
