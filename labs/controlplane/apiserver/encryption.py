"""The file of `--encryption-provider-config`, and why the server would not start with it.

Follows `k8s.io/apiserver/pkg/server/options/encryptionconfig`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Any

from labs.golang import pem
from labs.golang.configfile import ConfigError, Format, compact, invalid, required
from labs.golang.duration import duration
from labs.golang.errors import aggregate

from .options import InvalidOptions

_FORMAT = Format(
    "apiserver.config.k8s.io/v1",
    "EncryptionConfiguration",
    {
        "EncryptionConfiguration": {
            "resources": "[]ResourceConfiguration",
        },
        "ResourceConfiguration": {"resources": "[]string", "providers": "[]ProviderConfiguration"},
        "ProviderConfiguration": {
            "aesgcm": "AESConfiguration", "aescbc": "AESConfiguration", "secretbox": "SecretboxConfiguration",
            "identity": "IdentityConfiguration", "kms": "KMSConfiguration",
        },
        "AESConfiguration": {"keys": "[]Key"},
        "SecretboxConfiguration": {"keys": "[]Key"},
        "IdentityConfiguration": {},
        "KMSConfiguration": {
            "apiVersion": "string", "name": "string", "cachesize": "int", "endpoint": "string",
            "timeout": "duration",
        },
        "Key": {"name": "string", "secret": "string"},
    },
    "k8s.io/apiserver/pkg/server/options/encryptionconfig/config.go:142",
    {name: f"v1.{name}" for name in ("ResourceConfiguration", "ProviderConfiguration", "Key")},
    also=frozenset({("v1", "EncryptionConfig")}),
)  # fmt: skip

#: Lengths of a key in bytes, by provider.
_KEY_LENGTHS = {"aesgcm": (16, 24, 32), "aescbc": (16, 24, 32), "secretbox": (32,)}
#: Providers in the order in which Go prints their fields, and what those are called there.
_GO_NAMES = {
    "aesgcm": "AESGCM",
    "aescbc": "AESCBC",
    "secretbox": "Secretbox",
    "identity": "Identity",
    "kms": "KMS",
}
_GO_KMS = {
    "apiVersion": "APIVersion",
    "name": "Name",
    "cachesize": "CacheSize",
    "endpoint": "Endpoint",
    "timeout": "Timeout",
}


def check(path: str) -> None:
    """Raises `InvalidOptions` for a file that the server would not start with."""
    prefix = "error while parsing file: "
    try:
        data = pem.read(path)
    except pem.PEMError as error:
        raise InvalidOptions(
            f"{prefix}error while loading file: error reading encryption provider configuration file "
            f'"{path}": {error}'
        ) from None
    if not data:
        why = f'encryption provider configuration file "{path}" is empty'
        raise InvalidOptions(f"{prefix}error while loading file: {why}")
    try:
        document = _FORMAT.strict(data)
    except ConfigError as error:
        raise InvalidOptions(
            f'{prefix}error decoding encryption provider configuration file "{path}": {error}'
        ) from None
    if faults := list(_faults(document)):
        raise InvalidOptions(prefix + aggregate(faults))
    for group in document["resources"]:
        if any(each["kms"].get("apiVersion", "v1") == "v1" for each in group["providers"] if "kms" in each):
            raise InvalidOptions(
                "error while building transformers: KMSv1 is deprecated and will only receive security "
                "updates going forward. Use KMSv2 instead.  Set --feature-gates=KMSv1=true to use the "
                "deprecated KMSv1 feature."
            )


def _faults(document: dict[str, Any]) -> Iterable[str]:
    """`validation.ValidateEncryptionConfiguration`."""
    groups = document.get("resources") or []
    if not groups:
        yield required("resources", "at least one resources is required")
    for index, group in enumerate(groups):
        at = f"resources[{index}]"
        names, providers = group.get("resources") or [], group.get("providers") or []
        if not names:
            yield required(f"{at}.resources", f"at least one {at}.resources is required")
        yield from _name_faults(names, f"{at}.resources")
        if not providers:
            yield required(f"{at}.providers", f"at least one {at}.providers is required")
        for number, provider in enumerate(providers):
            yield from _provider_faults(provider, f"{at}.providers[{number}]")


def _name_faults(names: list[str], at: str) -> Iterable[str]:
    for index, name in enumerate(names):
        if name != name.lower():
            yield invalid(f"{at}[{index}]", name, "resource name should not contain capital letters")
    if len(set(names)) < len(names):
        yield invalid(at, names, "the same resource cannot be specified multiple times")
    groups = [name.partition(".")[2] for name in names]
    masked = "*.*" in names and len(names) > 1
    if masked or any(f"*.{group}" in names and groups.count(group) > 1 for group in groups):
        # whatever they are called
        why = (
            "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed"
        )
        yield invalid(at, names, f"{why} as they will be masked")


def _provider_faults(provider: dict[str, Any], at: str) -> Iterable[str]:
    kinds = list(provider)
    if not kinds:
        named = "KMS, AESGCM, AESCBC, Secretbox, Identity"
        why = f"provider does not contain any of the expected providers: {named}"
        yield f"{at}: Invalid value: {_go(provider)}: {why}"
        return
    if len(kinds) > 1:
        why = (
            "more than one provider specified in a single element, should split into different list elements"
        )
        yield f"{at}: Invalid value: {_go(provider)}: {why}"
        return
    kind = kinds[0]
    if kind in _KEY_LENGTHS:
        yield from _key_faults(provider[kind].get("keys") or [], f"{at}.{kind}.keys", _KEY_LENGTHS[kind])
    elif kind == "kms":
        yield from _kms_faults(provider[kind], f"{at}.kms")


def _key_faults(keys: list[dict[str, str]], at: str, lengths: tuple[int, ...]) -> Iterable[str]:
    if not keys:
        yield required(at, "at least one keys is required")
    for index, key in enumerate(keys):
        if not key.get("name"):
            yield required(f"{at}[{index}].name", "name is a mandatory field for a key")
        secret, where = key.get("secret", ""), f"{at}[{index}].secret"
        if not secret:
            yield required(where, "secret is a mandatory field for a key")
            continue
        try:
            length = len(base64.b64decode(secret, validate=True))
        except binascii.Error:
            yield invalid(where, "REDACTED", "secrets must be base64 encoded")
            continue
        if length not in lengths:
            expected = " ".join(map(str, lengths))
            why = f"secret is not of the expected length, got {length}, expected one of [{expected}]"
            yield invalid(where, "REDACTED", why)


def _kms_faults(kms: dict[str, Any], at: str) -> Iterable[str]:
    endpoint, version = kms.get("endpoint", ""), kms.get("apiVersion", "v1")
    scheme = endpoint.partition(":")[0] if ":" in endpoint else ""
    if not kms.get("name"):
        yield required(f"{at}.name", "name is a mandatory field for a provider")
    if kms.get("timeout") is not None and duration(kms["timeout"]) <= 0:
        yield invalid(f"{at}.timeout", kms["timeout"], "timeout should be a positive value")
    if not endpoint:
        yield invalid(f"{at}.endpoint", "", "endpoint is a mandatory field for a kms")
    elif scheme != "unix":
        why = f'unsupported scheme "{scheme}" for KMS provider, only unix is supported'
        yield invalid(f"{at}.endpoint", endpoint, why)
    if version == "v2" and "cachesize" in kms:
        yield invalid(f"{at}.cachesize", kms["cachesize"], "cachesize is not supported in v2")
    if version not in ("v1", "v2"):
        why = "unsupported apiVersion apiVersion for KMS provider, only v1 and v2 are supported"
        yield invalid(f"{at}.apiVersion", version, why)


def _go(provider: dict[str, Any]) -> str:
    """The provider as Go prints its structure."""
    shown: dict[str, Any] = {}
    for kind, name in _GO_NAMES.items():
        value = provider.get(kind)
        if value is not None and "keys" in value:
            value = {
                "Keys": [{"Name": k.get("name", ""), "Secret": k.get("secret", "")} for k in value["keys"]]
            }
        elif value is not None and kind == "kms":
            value = {go: value.get(own) for own, go in _GO_KMS.items()}
        shown[name] = value
    return compact(shown)
