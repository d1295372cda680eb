"""The flags of `kube-apiserver`, read as strictly as the real one reads them (pflag's rules and wording)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from labs.controlplane.flags import Flag, FlagSet

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
#: Kubernetes' own flags, and those that its usage text does not mention.
_FLAGS = FlagSet.of(
    "kube-apiserver", Path(__file__).with_name("usage.txt"), hidden=[Flag("default-watch-cache-size", "int")]
)


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
    """Options from a command line. Raises `FlagError` or `HelpWanted` as pflag would."""
    given = _FLAGS.parse(arguments)
    options = Options()
    own = {f.name.replace("_", "-"): f.name for f in fields(Options) if f.name != "others"}
    for name in given.given:
        if name not in own:
            boolean = _FLAGS.flags[name].kind == "bool"
            options.others[name] = str(given.switch(name)).lower() if boolean else given.text(name)
            continue
        current = getattr(options, own[name])
        value: Any = given.text(name)
        if isinstance(current, list):
            value = given.words(name)
        elif isinstance(current, int):
            value = given.number(name)
        setattr(options, own[name], value)
    return options


def print_help() -> None:
    """What `--help` prints."""
    print(_FLAGS.usage, end="")


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
