"""What the admission plug-ins that can be configured want of their configuration at the start.

As each plug-in's own `New` reads it. What it does with it later is not the concern of this module.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from labs.golang import goyaml, pem
from labs.golang.configfile import ConfigError, Format, invalid, required, unsupported
from labs.golang.duration import spelled
from labs.golang.errors import aggregate


class InitializationError(Exception):
    """A configuration that can be read, and that the plug-in cannot work by."""


_IMAGE_POLICY = Format(
    "",
    "AdmissionConfig",
    {
        "AdmissionConfig": {"imagePolicy": "imagePolicyWebhookConfig"},
        "imagePolicyWebhookConfig": {
            "kubeConfigFile": "string", "allowTTL": "time.Duration", "denyTTL": "time.Duration",
            "retryBackoff": "time.Duration", "defaultAllow": "bool",
        },
    },
    "",
    {"imagePolicyWebhookConfig": "imagepolicy.imagePolicyWebhookConfig"},
)  # fmt: skip
_SECOND, _MILLISECOND = 10**9, 10**6

_LEVELS = ("privileged", "baseline", "restricted")
_MODES = ("enforce", "audit", "warn")
_POD_SECURITY = Format(
    "pod-security.admission.config.k8s.io/v1",
    "PodSecurityConfiguration",
    {
        "PodSecurityConfiguration": {
            "defaults": "PodSecurityDefaults",
            "exemptions": "PodSecurityExemptions",
        },
        "PodSecurityDefaults": {
            name: "string"
            for mode in _MODES for name in (mode, f"{mode}-version")
        },
        "PodSecurityExemptions": dict.fromkeys(("usernames", "namespaces", "runtimeClasses"), "[]string"),
    },
    "k8s.io/pod-security-admission/admission/api/scheme/scheme.go:31",
)  # fmt: skip

_EVENT_RATE_LIMIT = Format(
    "eventratelimit.admission.k8s.io/v1alpha1",
    "Configuration",
    {
        "Configuration": {"limits": "[]Limit"},
        "Limit": {"type": "string", "qps": "int32", "burst": "int32", "cacheSize": "int32"},
    },
    "k8s.io/kubernetes/plugin/pkg/admission/eventratelimit/config.go:31",
    {"Limit": "v1alpha1.Limit", "type": "v1alpha1.LimitType"},
)
_LIMIT_TYPES = ("User", "SourceAndObject", "Server", "Namespace")

_POD_TOLERATION_RESTRICTION = Format(
    "podtolerationrestriction.admission.k8s.io/v1alpha1",
    "Configuration",
    {
        "Configuration": {
            "default": "[]Toleration", "whitelist": "[]Toleration",
        },
        "Toleration": {
            "key": "string", "operator": "string", "value": "string", "effect": "string",
            "tolerationSeconds": "int64",
        },
    },
    "k8s.io/kubernetes/plugin/pkg/admission/podtolerationrestriction/config.go:32",
    {"Toleration": "v1.Toleration", "operator": "v1.TolerationOperator", "effect": "v1.TaintEffect"},
)  # fmt: skip

_WEBHOOK = Format(
    "apiserver.config.k8s.io/v1",
    "WebhookAdmissionConfiguration",
    {
        "WebhookAdmissionConfiguration": {
            "kubeConfigFile": "string",
        },
    },
    "k8s.io/apiserver/pkg/admission/plugin/webhook/config/kubeconfig.go:34",
)  # fmt: skip

_RESOURCE_QUOTA = Format(
    "apiserver.config.k8s.io/v1",
    "ResourceQuotaConfiguration",
    {
        "ResourceQuotaConfiguration": {
            "limitedResources": "[]LimitedResource",
        },
        "LimitedResource": {
            "apiGroup": "string", "resource": "string", "matchContains": "[]string", "matchScopes": "any",
        },
    },
    "k8s.io/apiserver/pkg/admission/plugin/resourcequota/config.go:31",
    {"LimitedResource": "v1.LimitedResource"},
    also=frozenset({("resourcequota.admission.k8s.io/v1beta1", "Configuration")}),
)  # fmt: skip


def _image_policy(data: bytes | None) -> None:
    """What `plugin/pkg/admission/imagepolicy` wants of its configuration."""
    if data is None:
        raise ConfigError("no config specified")
    document = _IMAGE_POLICY.bare(data, "imagepolicy.AdmissionConfig")
    policy = document.get("imagePolicy", {})
    _check_span(policy.get("retryBackoff", 0), _MILLISECOND, 1, 300 * _SECOND)
    for field in ("allowTTL", "denyTTL"):
        _check_span(policy.get(field, 0), _SECOND, _SECOND, 1800 * _SECOND)
    file = policy.get("kubeConfigFile")
    config = _kubeconfig(file) if file else {}
    if not config.get("clusters"):
        raise ConfigError(
            "invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER "
            "environment variable"
        )
    for cluster in config["clusters"]:
        if authority := (cluster.get("cluster") or {}).get("certificate-authority"):
            try:
                pem.read(str(Path(file).parent / authority))
            except pem.PEMError as error:
                raise ConfigError(
                    f"invalid configuration: unable to read certificate-authority {authority} for "
                    f"{cluster.get('name')} due to {error}"
                ) from None


def _check_span(given: int, unit: int, low: int, high: int) -> None:
    """An amount of `unit`s that is not left to the default is at least `low` and at most `high` (ns)."""
    amount = given * unit
    if given and not low <= amount <= high:
        span = f"{spelled(low)} and {spelled(high)}"
        raise ConfigError(f"valid value is between {span}, got {spelled(amount)}")


def _kubeconfig(path: str) -> dict[str, Any]:
    try:
        Path(path).stat()
    except OSError as error:
        raise ConfigError(f"stat {path}: {(error.strerror or str(error)).lower()}") from None
    try:
        document = goyaml.load(pem.read(path))
    except (pem.PEMError, goyaml.YAMLError) as error:
        raise ConfigError(f'error loading config file "{path}": {error}') from None
    return document if isinstance(document, dict) else {}


def _pod_security(data: bytes | None) -> None:
    if data is None:
        return
    document = _POD_SECURITY.strict(data)
    defaults = document.get("defaults", {})
    faults = [
        f"{mode}: must be one of {', '.join(_LEVELS)}"
        for mode in _MODES
        if defaults.get(mode, "privileged") not in _LEVELS
    ]
    faults += [
        f'{mode}-version: must be "latest" or "v1.x"'
        for mode in _MODES
        if not re.fullmatch(r"latest|v1\.\d+", defaults.get(f"{mode}-version", "latest"))
    ]
    if faults:
        raise InitializationError(f"PodSecurity configuration error: {aggregate(faults)}")


def _pod_toleration_restriction(data: bytes | None) -> None:
    document: Mapping[str, Any] = _POD_TOLERATION_RESTRICTION.decode(data)[0] if data else {}
    faults = [
        unsupported(f"podtolerationrestriction.{name}[{number}].operator", operator, ("Equal", "Exists"))
        for name in ("default", "whitelist")
        for number, toleration in enumerate(document.get(name, []))
        if (operator := toleration.get("operator", "Equal")) not in ("Equal", "Exists", "")
    ]
    if faults:
        raise ConfigError(f"invalid config: [{', '.join(faults)}]")


def _event_rate_limit(data: bytes | None) -> None:
    limits = (_EVENT_RATE_LIMIT.decode(data)[0] if data else {}).get("limits")
    faults = [] if limits else [invalid("limits", limits, "must not be empty")]
    for number, limit in enumerate(limits or []):
        at, kind = f"limits[{number}]", limit.get("type", "")
        if kind not in _LIMIT_TYPES:
            faults.append(unsupported(f"{at}.type", kind, _LIMIT_TYPES))
        faults += [
            invalid(f"{at}.{name}", limit.get(name, 0), "must be positive")
            for name in ("burst", "qps")
            if limit.get(name, 0) <= 0
        ]
        if limit.get("cacheSize", 0) < 0:
            faults.append(invalid(f"{at}.cacheSize", limit["cacheSize"], "must not be negative"))
    if faults:
        raise ConfigError(aggregate(faults))


def _webhook(data: bytes | None) -> None:
    file = (_WEBHOOK.strict(data) if data else {}).get("kubeConfigFile")
    if file and not file.startswith("/"):
        raise ConfigError(invalid("kubeConfigFile", file, "must be an absolute file path"))
    if file:
        _kubeconfig(file)


def _resource_quota(data: bytes | None) -> None:
    limited = (_RESOURCE_QUOTA.strict(data) if data else {}).get("limitedResources", [])
    faults = [
        required(f"limitedResources[{number}].resource")
        for number, each in enumerate(limited)
        if not each.get("resource")
    ]
    if faults:
        raise ConfigError(aggregate(faults))


#: What looks at the configuration of each, None when it has none, and raises `ConfigError`; in their order.
CHECKS: Mapping[str, Callable[[bytes | None], None]] = {
    "ImagePolicyWebhook": _image_policy,
    "PodSecurity": _pod_security,
    "PodTolerationRestriction": _pod_toleration_restriction,
    "EventRateLimit": _event_rate_limit,
    "MutatingAdmissionWebhook": _webhook,
    "ValidatingAdmissionWebhook": _webhook,
    "ResourceQuota": _resource_quota,
}
#: Those of them that are on unless they are switched off.
DEFAULT = frozenset(
    {"PodSecurity", "MutatingAdmissionWebhook", "ValidatingAdmissionWebhook", "ResourceQuota"}
)
