"""The file of `--admission-control-config-file`, and what the plug-ins that are on want of it at the start.

As `k8s.io/apiserver/pkg/admission/config.go` and the plug-ins' own `New` read it. What a plug-in does with
its configuration later is not the concern of this module.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from labs.golang import goyaml, pem
from labs.golang.configfile import ConfigError, Format, compact
from labs.golang.duration import spelled
from labs.golang.errors import aggregate

from .options import Fatal, InvalidOptions

_FORMAT = Format(
    "apiserver.config.k8s.io/v1",
    "AdmissionConfiguration",
    {
        "AdmissionConfiguration": {
            "apiVersion": "string", "kind": "string", "plugins": "[]AdmissionPluginConfiguration",
        },
        "AdmissionPluginConfiguration": {"name": "string", "path": "string", "configuration": "any"},
    },
    "k8s.io/apiserver/pkg/server/options/admission.go:51",
    {"AdmissionPluginConfiguration": "v1.AdmissionPluginConfiguration"},
)  # fmt: skip

_IMAGE_POLICY = Format(
    "imagepolicy.k8s.io/v1alpha1",
    "AdmissionConfig",
    {
        "AdmissionConfig": {"imagePolicy": "imagePolicyWebhookConfig"},
        "imagePolicyWebhookConfig": {
            "kubeConfigFile": "string", "allowTTL": "time.Duration", "denyTTL": "time.Duration",
            "retryBackoff": "time.Duration", "defaultAllow": "bool",
        },
    },
    "",
    kind_optional=True,
)  # fmt: skip
_SECOND, _MILLISECOND = 10**9, 10**6

_LEVELS = ("privileged", "baseline", "restricted")
_MODES = ("enforce", "audit", "warn")
_POD_SECURITY = Format(
    "pod-security.admission.config.k8s.io/v1",
    "PodSecurityConfiguration",
    {
        "PodSecurityConfiguration": {
            "apiVersion": "string", "kind": "string", "defaults": "PodSecurityDefaults",
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


def check(path: str, plugins: Collection[str]) -> None:
    """Raises `InvalidOptions`, or `Fatal`, where the real server would not start with `plugins`."""
    try:
        configurations = _read(path, plugins) if path else {}
        if "ImagePolicyWebhook" in plugins:
            try:
                _image_policy(configurations.get("ImagePolicyWebhook"))
            except ConfigError as error:
                raise ConfigError(f'couldn\'t init admission plugin "ImagePolicyWebhook": {error}') from None
        if "PodSecurity" in plugins:
            _pod_security(configurations.get("PodSecurity"))
    except ConfigError as error:
        raise InvalidOptions(f"failed to apply admission: {error}") from None


def _read(path: str, plugins: Collection[str]) -> Mapping[str, bytes]:
    """The configuration of each plug-in that is on, as it is written."""
    wrong = "failed to read plugin config"
    try:
        data = pem.read(path)
    except pem.PEMError as error:
        raise ConfigError(
            f'{wrong}: unable to read admission control configuration from "{path}" [{error}]'
        ) from None
    try:
        document = _FORMAT.strict(data)
    except ConfigError as error:
        raise ConfigError(f"{wrong}: {error}") from None
    found = {}
    for plugin in document.get("plugins") or []:
        name, file = plugin.get("name", ""), plugin.get("path", "")
        if name not in plugins:
            continue
        if "configuration" in plugin:
            found[name] = compact(plugin["configuration"]).encode()
        elif file:
            found[name] = _open(str(Path(path).parent / file))
    return found


def _open(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        failed = f'&fs.PathError{{Op:"open", Path:"{path}", Err:{error.errno or 0:#x}}}'
        message = f"Couldn't open admission plugin configuration {path}: {failed}"
        raise Fatal("config.go:145", message) from None


def _image_policy(data: bytes | None) -> None:
    """What `plugin/pkg/admission/imagepolicy` wants of its configuration."""
    if data is None:
        raise ConfigError("no config specified")
    document, _ = _IMAGE_POLICY.decode(data)
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
    wrong = 'couldn\'t init admission plugin "PodSecurity"'
    try:
        document = _POD_SECURITY.strict(data)
    except ConfigError as error:
        raise ConfigError(f"{wrong}: {error}") from None
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
        raise ConfigError(
            'failed to initialize admission plugin "PodSecurity": PodSecurity configuration error: '
            + aggregate(faults)
        )
