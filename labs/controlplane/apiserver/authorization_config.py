"""The file of `--authorization-config`: which authorizers are asked, in which order.

Follows `apiserver/pkg/apis/apiserver/load` and `validation`. An authorizer of type Webhook is judged here,
and refused where it would be asked (`authorizing`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from labs.core.names import SUBDOMAIN_RULE, is_subdomain
from labs.golang import pem
from labs.golang.configfile import ConfigError, Format, duplicate, invalid, required, unsupported
from labs.golang.duration import duration
from labs.golang.errors import aggregate

from .options import InvalidOptions

TYPES = ("ABAC", "AlwaysAllow", "AlwaysDeny", "Node", "RBAC", "Webhook")
_VERSIONS = ("apiserver.config.k8s.io/v1beta1", "apiserver.config.k8s.io/v1alpha1")
_REVIEWS = ("v1", "v1beta1")
_LONGEST = 30.0
_FORMAT = Format(
    "apiserver.config.k8s.io/v1",
    "AuthorizationConfiguration",
    {
        "AuthorizationConfiguration": {
            "authorizers": "[]AuthorizerConfiguration",
        },
        "AuthorizerConfiguration": {"type": "string", "name": "string", "webhook": "WebhookConfiguration"},
        "WebhookConfiguration": {
            "authorizedTTL": "duration", "cacheAuthorizedRequests": "bool", "unauthorizedTTL": "duration",
            "cacheUnauthorizedRequests": "bool", "timeout": "duration",
            "subjectAccessReviewVersion": "string", "matchConditionSubjectAccessReviewVersion": "string",
            "failurePolicy": "string", "connectionInfo": "WebhookConnectionInfo",
            "matchConditions": "[]WebhookMatchCondition",
        },
        "WebhookConnectionInfo": {"type": "string", "kubeConfigFile": "string"},
        "WebhookMatchCondition": {"expression": "string"},
    },
    "k8s.io/apiserver/pkg/apis/apiserver/load/load.go:32",
    {
        name: f"v1.{name}"
        for name in (
            "AuthorizerConfiguration", "WebhookConfiguration", "WebhookConnectionInfo",
            "WebhookMatchCondition",
        )
    },
    also=frozenset((version, "AuthorizationConfiguration") for version in _VERSIONS),
)  # fmt: skip


def read(path: str) -> list[str]:
    """The types of the authorizers, in their order. Raises `InvalidOptions`."""
    try:
        data = pem.read(path)
    except pem.PEMError as error:
        raise InvalidOptions(str(error)) from None
    try:
        document = _FORMAT.strict(data) if data else {}
    except ConfigError as error:
        raise InvalidOptions(f"failed to load AuthorizationConfiguration from file: {error}") from None
    authorizers = document.get("authorizers", [])
    if faults := [*_faults(authorizers)]:
        raise InvalidOptions(aggregate(faults))
    for each in authorizers:
        kind, name = each["type"], each["name"]
        if kind != "Webhook" and name != kind.lower():
            raise InvalidOptions(f"expected name {kind.lower()} for authorizer {kind} instead of {name}")
    return [each["type"] for each in authorizers]


def _faults(authorizers: list[Mapping[str, Any]]) -> Iterable[str]:
    """`ValidateAuthorizationConfiguration`."""
    if not authorizers:
        yield required("authorizers", "at least one authorization mode must be defined")
    types, names = set(), set()
    for number, each in enumerate(authorizers):
        at, kind, name = f"authorizers[{number}]", each.get("type", ""), each.get("name", "")
        if not kind:
            yield required(f"{at}.type")
            continue
        if kind not in TYPES:
            yield unsupported(f"{at}.type", kind, TYPES)
            continue
        if kind in types and kind != "Webhook":
            yield duplicate(f"{at}.type", kind)
            continue
        types.add(kind)
        if not name:
            yield required(f"{at}.name")
        elif name in names:
            yield duplicate(f"{at}.name", name)
        elif not is_subdomain(name):
            yield invalid(f"{at}.name", name, f"authorizer name is invalid: {SUBDOMAIN_RULE}")
        names.add(name)
        if kind != "Webhook" and "webhook" in each:
            yield invalid(f"{at}.webhook", "non-null", "may only be specified when type=Webhook")
        elif kind == "Webhook" and "webhook" not in each:
            yield required(f"{at}.webhook", "required when type=Webhook")
        elif kind == "Webhook":
            yield from _webhook_faults(each["webhook"], at)


def _webhook_faults(webhook: Mapping[str, Any], at: str) -> Iterable[str]:
    """`ValidateWebhookConfiguration`."""
    if not (seconds := duration(webhook.get("timeout", "0s"))):
        yield required(f"{at}.timeout")
    elif not 0 < seconds <= _LONGEST:
        yield invalid(f"{at}.timeout", webhook["timeout"], "must be > 0s and <= 30s")
    if not (version := webhook.get("subjectAccessReviewVersion", "")):
        yield required(f"{at}.subjectAccessReviewVersion")
    elif version not in _REVIEWS:
        yield unsupported(f"{at}.subjectAccessReviewVersion", version, _REVIEWS)
    if not (policy := webhook.get("failurePolicy", "")):
        yield required(f"{at}.failurePolicy")
    elif policy not in ("NoOpinion", "Deny"):
        yield unsupported(f"{at}.failurePolicy", policy, ("NoOpinion", "Deny"))
    yield from _connection_faults(webhook.get("connectionInfo", {}), f"{at}.connectionInfo")


def _connection_faults(connection: Mapping[str, Any], at: str) -> Iterable[str]:
    file = connection.get("kubeConfigFile", "")
    match connection.get("type", ""):
        case "":
            yield required(f"{at}.type")
        case "KubeConfigFile":
            if not file:
                yield required(f"{at}.kubeConfigFile")
            elif not file.startswith("/"):
                yield invalid(f"{at}.kubeConfigFile", file, "must be an absolute path")
            elif not Path(file).exists():
                why = f"error loading file: stat {file}: no such file or directory"
                yield invalid(f"{at}.kubeConfigFile", file, why)
        case "InClusterConfig":
            if file:
                yield invalid(f"{at}.kubeConfigFile", file, "can only be set when type=KubeConfigFile")
        case kind:
            yield unsupported(f"{at}.type", kind, ("InClusterConfig", "KubeConfigFile"))
