"""The flags of `kube-apiserver`, read as strictly as the real one reads them (pflag's rules and wording)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

ADMISSION_PLUGINS = (
    *("AlwaysAdmit", "AlwaysDeny", "AlwaysPullImages", "CertificateApproval", "CertificateSigning"),
    *("CertificateSubjectRestriction", "ClusterTrustBundleAttest", "DefaultIngressClass"),
    *("DefaultStorageClass", "DefaultTolerationSeconds", "DenyServiceExternalIPs", "EventRateLimit"),
    *("ExtendedResourceToleration", "ImagePolicyWebhook", "LimitPodHardAntiAffinityTopology", "LimitRanger"),
    *("MutatingAdmissionPolicy", "MutatingAdmissionWebhook", "NamespaceAutoProvision", "NamespaceExists"),
    *("NamespaceLifecycle", "NodeRestriction", "OwnerReferencesPermissionEnforcement"),
    *("PersistentVolumeClaimResize", "PodNodeSelector", "PodSecurity", "PodTolerationRestriction"),
    *("PodTopologyLabels", "Priority", "ResourceQuota", "RuntimeClass", "ServiceAccount"),
    *("StorageObjectInUseProtection", "TaintNodesByCondition", "ValidatingAdmissionPolicy"),
    "ValidatingAdmissionWebhook",
)
_TLS_VERSIONS = ("VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13")
_AUDIT_MODES = ("batch", "blocking", "blocking-strict")
_AUTHORIZATION_MODES = ("ABAC", "AlwaysAllow", "AlwaysDeny", "Node", "RBAC", "Webhook")
#: Flags of the real server that change nothing here yet, by the type of their value.
_ACCEPTED_STRINGS = (
    *("audit-log-format", "audit-log-mode", "audit-log-path", "audit-log-version", "audit-policy-file"),
    *("audit-webhook-config-file", "audit-webhook-mode", "audit-webhook-version"),
    *("admission-control-config-file", "authentication-config", "authorization-config", "bind-address"),
    *("cert-dir", "cloud-provider", "encryption-provider-config", "endpoint-reconciler-type", "etcd-prefix"),
    *("external-hostname", "feature-gates", "goaway-chance", "kubelet-certificate-authority"),
    *("log-text-info-buffer-size", "logging-format", "oidc-issuer-url", "oidc-client-id", "profiling"),
    *("proxy-client-cert-file", "proxy-client-key-file", "requestheader-allowed-names"),
    *("requestheader-client-ca-file", "requestheader-extra-headers-prefix", "requestheader-group-headers"),
    *(
        "requestheader-username-headers",
        "runtime-config",
        "service-account-issuer",
        "service-account-jwks-uri",
    ),
    *("service-account-key-file", "service-account-signing-key-file", "service-node-port-range"),
    *("storage-backend", "storage-media-type", "tls-cipher-suites", "tls-min-version", "token-auth-file"),
    *("tls-sni-cert-key", "vmodule", "api-audiences", "disable-admission-plugins", "kubelet-timeout"),
    *("etcd-compaction-interval", "request-timeout", "event-ttl", "shutdown-delay-duration"),
    *("audit-log-batch-max-wait", "audit-webhook-initial-backoff"),
    *("default-watch-cache-size", "etcd-count-metric-poll-period", "service-account-max-token-expiration"),
)
_ACCEPTED_NUMBERS = (
    *("audit-log-maxage", "audit-log-maxbackup", "audit-log-maxsize", "max-mutating-requests-inflight"),
    *("audit-log-batch-buffer-size", "audit-log-batch-max-size", "audit-log-truncate-max-event-size"),
    "audit-log-truncate-max-batch-size",
    *("max-requests-inflight", "min-request-timeout", "v", "default-not-ready-toleration-seconds"),
    "default-unreachable-toleration-seconds",
)
_ACCEPTED_SWITCHES = (
    *("allow-privileged", "anonymous-auth", "enable-bootstrap-token-auth", "enable-aggregator-routing"),
    *("enable-garbage-collector", "enable-priority-and-fairness", "service-account-lookup", "watch-cache"),
    *("contention-profiling", "permit-port-sharing", "permit-address-sharing"),
    *("audit-log-compress", "audit-log-truncate-enabled", "audit-log-batch-throttle-enable"),
)


class FlagError(Exception):
    """The command line cannot be used; printed after `Error: `."""


class InvalidOptions(Exception):
    """The flags can be read and make no sense together; the process ends with `command failed`."""


@dataclass
class Options:
    """What the server goes by."""

    advertise_address: str = ""
    authorization_mode: list[str] = field(default_factory=lambda: ["AlwaysAllow"])
    client_ca_file: str = ""
    enable_admission_plugins: list[str] = field(default_factory=list)
    etcd_cafile: str = ""
    etcd_certfile: str = ""
    etcd_keyfile: str = ""
    etcd_servers: list[str] = field(default_factory=list)
    kubelet_client_certificate: str = ""
    kubelet_client_key: str = ""
    kubelet_preferred_address_types: list[str] = field(
        default_factory=lambda: ["Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP"]
    )
    secure_port: int = 6443
    service_cluster_ip_range: str = "10.0.0.0/24"
    tls_cert_file: str = ""
    tls_private_key_file: str = ""
    #: Everything else that was given, by flag name.
    others: dict[str, str] = field(default_factory=dict)


def parse(arguments: Sequence[str]) -> Options:
    """Options from a command line. Raises `FlagError` as pflag would."""
    options = Options()
    known = {f.name.replace("_", "-"): f for f in fields(Options) if f.name != "others"}
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if not argument.startswith("-"):
            raise FlagError(f'unknown command "{argument}" for "kube-apiserver"')
        if not argument.startswith("--"):
            raise FlagError(f"unknown shorthand flag: {argument[1:2]!r} in {argument}")
        name, given, value = argument[2:].partition("=")
        if name in _ACCEPTED_SWITCHES:
            options.others[name] = _switch(name, value if given else "true")
            continue
        if name not in known and name not in _ACCEPTED_STRINGS and name not in _ACCEPTED_NUMBERS:
            raise FlagError(f"unknown flag: --{name}")
        if not given:
            if not rest:
                raise FlagError(f"flag needs an argument: --{name}")
            value = rest.pop(0)
        if name in known:
            _set(options, known[name].name, name, value)
        elif name in _ACCEPTED_NUMBERS:
            options.others[name] = str(_number(name, value))
        else:
            options.others[name] = value
    return options


def _set(options: Options, attribute: str, name: str, value: str) -> None:
    current: Any = getattr(options, attribute)
    if isinstance(current, list):
        setattr(options, attribute, [part for part in value.split(",") if part])
    elif isinstance(current, int):
        setattr(options, attribute, _number(name, value))
    else:
        setattr(options, attribute, value)


def _switch(name: str, value: str) -> str:
    if value.lower() not in ("true", "false", "1", "0", "t", "f"):
        raise FlagError(
            f'invalid argument "{value}" for "--{name}" flag: strconv.ParseBool: parsing "{value}": '
            "invalid syntax"
        )
    return "true" if value.lower() in ("true", "1", "t") else "false"


def _number(name: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise FlagError(
            f'invalid argument "{value}" for "--{name}" flag: strconv.ParseInt: parsing "{value}": '
            "invalid syntax"
        ) from None


def validate(options: Options) -> None:
    """What the real server checks before its first log line. Raises `InvalidOptions`."""
    faults = []
    if not options.etcd_servers:
        faults.append("--etcd-servers must be specified")
    if not 1 <= options.secure_port <= 65535:
        rule = "must be between 1 and 65535, inclusive. It cannot be turned off with 0"
        faults.append(f"--secure-port {options.secure_port} {rule}")
    for index, text in enumerate(options.service_cluster_ip_range.split(",")):
        if not _is_network(text):
            faults.append(f"service-cluster-ip-range[{index}] is not a valid cidr")
    faults += [
        f'enable-admission-plugins plugin "{plugin}" is unknown'
        for plugin in options.enable_admission_plugins
        if plugin not in ADMISSION_PLUGINS
    ]
    faults += [
        f'authorization-mode "{mode}" is not a valid mode'
        for mode in options.authorization_mode
        if mode not in _AUTHORIZATION_MODES
    ]
    faults += _audit_faults(options.others)
    if faults:
        raise InvalidOptions(faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]")
    for flag in ("service-account-signing-key-file", "service-account-key-file"):
        if path := options.others.get(flag):
            _readable(path, "failed to parse service-account-issuer-key-file: ")


def _audit_faults(given: dict[str, str]) -> list[str]:
    """Checked only where an audit log is wanted."""
    if not given.get("audit-log-path"):
        return []
    faults = []
    mode, kind = given.get("audit-log-mode", "blocking"), given.get("audit-log-format", "json")
    if mode not in _AUDIT_MODES:
        faults.append(f'invalid audit log mode {mode}, allowed modes are "{",".join(_AUDIT_MODES)}"')
    if given.get("audit-log-version", "audit.k8s.io/v1") != "audit.k8s.io/v1":
        faults.append('invalid group version, allowed versions are ["audit.k8s.io/v1"]')
    if kind not in ("legacy", "json"):
        faults.append(f'invalid audit log format {kind}, allowed formats are "legacy,json"')
    numbers = ("audit-log-maxage", "audit-log-maxbackup", "audit-log-maxsize")
    negative = [name for name in numbers if int(given.get(name, 0)) < 0]
    return faults + [f"--{name} {given[name]} can't be a negative number" for name in negative]


def validate_files(options: Options) -> None:
    """What the real server reads next, after it has said its version. Raises `InvalidOptions`."""
    version = options.others.get("tls-min-version", "")
    if version not in ("", *_TLS_VERSIONS):
        raise InvalidOptions(f'unknown tls version "{version}"')
    for path in (
        *(options.tls_cert_file, options.tls_private_key_file, options.client_ca_file),
        *(options.etcd_cafile, options.etcd_certfile, options.etcd_keyfile),
        *(options.kubelet_client_certificate, options.kubelet_client_key),
        options.others.get("requestheader-client-ca-file", ""),
    ):
        if path:
            _readable(path)


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def _readable(path: str, prefix: str = "") -> None:
    try:
        Path(path).read_bytes()
    except OSError as error:
        raise InvalidOptions(f"{prefix}open {path}: {(error.strerror or str(error)).lower()}") from None
