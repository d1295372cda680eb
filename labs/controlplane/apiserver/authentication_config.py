"""The file of `--authentication-config`: who may come without credentials, and which tokens of others count.

Follows `pkg/kubeapiserver/options/authentication.go` and `apiserver/pkg/apis/apiserver/validation`. What it
says of anonymous requests is obeyed. Tokens of other issuers are described and judged, but not served:
nobody here asks an issuer for its keys, and the server refuses such a token. Expressions (CEL) are not read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from labs.golang import pem, urls
from labs.golang.configfile import ConfigError, Format, duplicate, invalid, required
from labs.golang.errors import aggregate

from .options import InvalidOptions

_VERSIONS = ("apiserver.config.k8s.io/v1beta1", "apiserver.config.k8s.io/v1alpha1")
_PREFIXED = {"claim": "string", "prefix": "string", "expression": "string"}
_RULE = {"expression": "string", "message": "string"}
_FORMAT = Format(
    "apiserver.config.k8s.io/v1",
    "AuthenticationConfiguration",
    {
        "AuthenticationConfiguration": {
            "jwt": "[]JWTAuthenticator",
            "anonymous": "AnonymousAuthConfig",
        },
        "AnonymousAuthConfig": {"enabled": "bool", "conditions": "[]AnonymousAuthCondition"},
        "AnonymousAuthCondition": {"path": "string"},
        "JWTAuthenticator": {
            "issuer": "Issuer", "claimValidationRules": "[]ClaimValidationRule",
            "claimMappings": "ClaimMappings", "userValidationRules": "[]UserValidationRule",
        },
        "Issuer": {
            "url": "string", "discoveryURL": "string", "certificateAuthority": "string",
            "audiences": "[]string", "audienceMatchPolicy": "string", "egressSelectorType": "string",
        },
        "ClaimMappings": {
            "username": "PrefixedClaimOrExpression", "groups": "PrefixedClaimOrExpression",
            "uid": "ClaimOrExpression", "extra": "[]ExtraMapping",
        },
        "PrefixedClaimOrExpression": _PREFIXED,
        "ClaimOrExpression": {"claim": "string", "expression": "string"},
        "ExtraMapping": {"key": "string", "valueExpression": "string"},
        "ClaimValidationRule": {"claim": "string", "requiredValue": "string", **_RULE},
        "UserValidationRule": _RULE,
    },
    "k8s.io/kubernetes/pkg/kubeapiserver/options/authentication.go:879",
    {
        "anonymous": "v1.AnonymousAuthConfig",
        **{
            name: f"v1.{name}"
            for name in (
                "JWTAuthenticator", "AnonymousAuthCondition", "Issuer", "ClaimMappings", "ClaimOrExpression",
                "PrefixedClaimOrExpression", "ExtraMapping", "ClaimValidationRule", "UserValidationRule",
            )
        },
    },
    also=frozenset((version, "AuthenticationConfiguration") for version in _VERSIONS),
)  # fmt: skip


@dataclass(frozen=True)
class Anonymous:
    """Whether clients without credentials are let in as system:anonymous."""

    enabled: bool = True
    #: Only with these paths; with all when there are none.
    paths: frozenset[str] = frozenset()

    def allows(self, path: str) -> bool:
        """Whether a request without credentials for this path goes on."""
        return self.enabled and (not self.paths or path in self.paths)


def read(path: str, *, service_account_issuers: Collection[str] = ()) -> Anonymous | None:
    """What the file says of anonymous requests, None when it leaves that to the flag.

    Raises `InvalidOptions` for a file that the server would not start with.
    """
    wrong = f'failed to load authentication configuration from file "{path}"'
    try:
        data = pem.read(path)
        if not data:
            raise ConfigError("empty config data")
        document = _FORMAT.strict(data)
    except (pem.PEMError, ConfigError) as error:
        raise InvalidOptions(f"{wrong}: {error}") from None
    if faults := [*_faults(document)]:
        raise InvalidOptions(f"invalid authentication configuration: {aggregate(faults)}")
    for authenticator in document.get("jwt", []):
        if (url := authenticator["issuer"]["url"]) in service_account_issuers:
            issuers = " ".join(service_account_issuers)
            raise InvalidOptions(
                invalid("issuer.url", url, f"URL must not overlap with disallowed issuers: [{issuers}]")
            )
    if (anonymous := document.get("anonymous")) is None:
        return None
    conditions = anonymous.get("conditions", [])
    return Anonymous(anonymous.get("enabled", False), frozenset(each.get("path", "") for each in conditions))


def _faults(document: Mapping[str, Any]) -> Iterable[str]:
    """`ValidateAuthenticationConfiguration`."""
    issuers: set[str] = set()
    for number, authenticator in enumerate(document.get("jwt", [])):
        at, issuer = f"jwt[{number}]", authenticator.get("issuer", {})
        yield from _issuer_faults(issuer, f"{at}.issuer")
        for index, rule in enumerate(authenticator.get("claimValidationRules", [])):
            yield from _either_faults(rule, f"{at}.claimValidationRules[{index}]")
        yield from _mapping_faults(authenticator.get("claimMappings", {}), f"{at}.claimMappings")
        for index, rule in enumerate(authenticator.get("userValidationRules", [])):
            if not rule.get("expression"):
                yield required(f"{at}.userValidationRules[{index}].expression", "expression is required")
        if (url := issuer.get("url", "")) and url in issuers:
            yield duplicate(f"{at}.issuer.url", url)
        issuers.add(url)
    anonymous = document.get("anonymous", {})
    if (conditions := anonymous.get("conditions")) and not anonymous.get("enabled"):
        shown = [{"Path": each.get("path", "")} for each in conditions]
        yield invalid(
            "anonymous.conditions", shown, "enabled should be set to true when conditions are defined"
        )


def _issuer_faults(issuer: Mapping[str, Any], at: str) -> Iterable[str]:
    url, discovery = issuer.get("url", ""), issuer.get("discoveryURL", "")
    yield from _url_faults(url, f"{at}.url") if url else [required(f"{at}.url")]
    if discovery and discovery == url:
        yield invalid(f"{at}.discoveryURL", discovery, "discoveryURL must be different from URL")
    elif discovery:
        yield from _url_faults(discovery, f"{at}.discoveryURL")
    audiences, policy = issuer.get("audiences", []), issuer.get("audienceMatchPolicy", "")
    if not audiences:
        yield required(f"{at}.audiences", f"at least one {at}.audiences is required")
    for index, audience in enumerate(audiences):
        if not audience:
            yield required(f"{at}.audiences[{index}]")
        elif audience in audiences[:index]:
            yield duplicate(f"{at}.audiences[{index}]", audience)
    if len(audiences) > 1 and policy != "MatchAny":
        why = "audienceMatchPolicy must be MatchAny for multiple audiences"
        yield invalid(f"{at}.audienceMatchPolicy", policy, why)
    elif len(audiences) == 1 and policy not in ("", "MatchAny"):
        why = "audienceMatchPolicy must be empty or MatchAny for single audience"
        yield invalid(f"{at}.audienceMatchPolicy", policy, why)
    if (authority := issuer.get("certificateAuthority", "")) and not pem.certificates(authority):
        why = "data does not contain any valid RSA or ECDSA certificates"
        yield invalid(f"{at}.certificateAuthority", "<omitted>", why)


def _url_faults(text: str, at: str) -> Iterable[str]:
    if why := urls.fault(text):
        yield invalid(at, text, why)
        return
    rest, _, fragment = text.partition("#")
    rest, _, query = rest.partition("?")
    if not rest.startswith("https://"):
        yield invalid(at, text, "URL scheme must be https")
    if "@" in rest.partition("//")[2].partition("/")[0]:
        yield invalid(at, text, "URL must not contain a username or password")
    if query:
        yield invalid(at, text, "URL must not contain a query")
    if fragment:
        yield invalid(at, text, "URL must not contain a fragment")


def _mapping_faults(mappings: Mapping[str, Any], at: str) -> Iterable[str]:
    """`validateClaimMappings`; of the user's name a claim or an expression is needed."""
    yield from _either_faults(mappings.get("username", {}), f"{at}.username")
    for name in ("username", "groups"):
        mapping = mappings.get(name, {})
        if mapping.get("claim") and not mapping.get("expression") and "prefix" not in mapping:
            why = (
                "prefix is required when claim is set. It can be set to an empty string to disable prefixing"
            )
            yield required(f"{at}.{name}.prefix", why)
    for name in ("groups", "uid"):
        if mappings.get(name, {}).get("claim") and mappings[name].get("expression"):
            yield invalid(f"{at}.{name}", "", "claim and expression can't both be set")
    for index, extra in enumerate(mappings.get("extra", [])):
        for name in ("key", "valueExpression"):
            if not extra.get(name):
                yield required(f"{at}.extra[{index}].{name}")


def _either_faults(given: Mapping[str, Any], at: str) -> Iterable[str]:
    claim, expression = given.get("claim"), given.get("expression")
    if claim and expression:
        yield invalid(at, claim if "requiredValue" in given else "", "claim and expression can't both be set")
    elif not claim and not expression:
        yield required(at, "claim or expression is required")
