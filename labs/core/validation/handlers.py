"""What probes and hooks do (`validateHandler`)."""

from __future__ import annotations

from typing import Any

from labs.core import names
from labs.core.field import Findings

Object = dict[str, Any]
_PROBED = ("exec", "httpGet", "tcpSocket", "grpc")
_HOOKED = ("exec", "httpGet", "tcpSocket", "sleep")
_SCHEMES = ("HTTP", "HTTPS")
_COUNTS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def check_probe(found: Findings, path: str, kind: str, probe: Object) -> None:
    """Whether and when a container is asked how it is."""
    _handler(found, path, probe, _PROBED, None)
    for field in _COUNTS:
        found.not_negative(f"{path}.{field}", probe.get(field, 0))
    grace, field = probe.get("terminationGracePeriodSeconds"), f"{path}.terminationGracePeriodSeconds"
    if grace is not None and grace <= 0:
        found.invalid(field, grace, "must be greater than 0")
    if grace is not None and kind == "readinessProbe":
        found.invalid(field, grace, "must not be set for readinessProbes")
    if kind != "readinessProbe" and (successes := probe.get("successThreshold", 0)) != 1:
        found.invalid(f"{path}.successThreshold", successes, "must be 1")


def check_lifecycle(found: Findings, path: str, hooks: Object, spec: Object) -> None:
    """What is done after a container's start and before its end, and how it is told to end."""
    for kind in ("postStart", "preStop"):
        if kind in hooks:
            grace = spec.get("terminationGracePeriodSeconds")
            _handler(found, f"{path}.{kind}", hooks[kind], _HOOKED, grace)
    if "stopSignal" in hooks and not (spec.get("os") or {}).get("name"):
        found.forbidden(f"{path}.stopSignal", "may not be set for containers with empty `spec.os.name`")


def _handler(found: Findings, path: str, action: Object, kinds: tuple[str, ...], grace: int | None) -> None:
    """Exactly one thing that is done."""
    given = [kind for kind in kinds if kind in action]
    if not given:
        found.required(path, "must specify a handler type")
        return
    kind, settings = given[0], action[given[0]]
    here = f"{path}.{kind}"
    match kind:
        case "exec" if not settings.get("command"):
            found.required(f"{here}.command")
        case "httpGet":
            _http_get(found, here, settings)
        case "tcpSocket" | "grpc":
            _port(found, f"{here}.port", settings.get("port", 0))
        case "sleep":
            _sleep(found, here, settings.get("seconds", 0), grace)
    for other in given[1:]:
        found.forbidden(f"{path}.{other}", "may not specify more than 1 handler type")


def _http_get(found: Findings, path: str, settings: Object) -> None:
    if not settings.get("path"):
        found.required(f"{path}.path")
    _port(found, f"{path}.port", settings.get("port", 0))
    if (scheme := settings.get("scheme", "HTTP")) not in _SCHEMES:
        found.not_supported(f"{path}.scheme", scheme, _SCHEMES)
    for header in settings.get("httpHeaders") or []:
        name = header.get("name", "")
        found.faults(f"{path}.httpHeaders", name, names.header_faults(name))


def _port(found: Findings, path: str, port: int | str) -> None:
    if isinstance(port, int):
        found.between(path, port, 1, 65535)
    else:
        found.faults(path, port, names.port_name_faults(port))


def _sleep(found: Findings, path: str, seconds: int, grace: int | None) -> None:
    if grace is not None and not 0 <= seconds <= grace:
        why = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
        found.invalid(path, seconds, why)
