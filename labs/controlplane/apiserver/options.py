"""The flags of `kube-apiserver`, read as strictly as the real one reads them (pflag's rules and wording)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from labs.controlplane.flags import Flag, Flags, FlagSet

ADMISSION_PLUGINS = (
    *("AlwaysAdmit", "AlwaysDeny", "AlwaysPullImages", "CertificateApproval", "CertificateSigning"),
    *("CertificateSubjectRestriction", "ClusterTrustBundleAttest", "DefaultIngressClass"),
    *("DefaultStorageClass", "DefaultTolerationSeconds", "DenyServiceExternalIPs", "EventRateLimit"),
    *("ExtendedResourceToleration", "ImagePolicyWebhook", "JobValidation"),
    *("LimitPodHardAntiAffinityTopology", "LimitRanger", "MutatingAdmissionPolicy"),
    *("MutatingAdmissionWebhook", "NamespaceAutoProvision", "NamespaceExists", "NamespaceLifecycle"),
    *("NodeDeclaredFeatureValidator", "NodeRestriction", "OwnerReferencesPermissionEnforcement"),
    *("PersistentVolumeClaimResize", "PodGroupProtection", "PodGroupWorkloadExists", "PodNodeSelector"),
    *("PodResizeValidator", "PodSecurity", "PodTolerationRestriction", "PodTopologyLabels", "Priority"),
    *("ResourceQuota", "RuntimeClass", "ServiceAccount", "StorageObjectInUseProtection"),
    *("TaintNodesByCondition", "ValidatingAdmissionPolicy", "ValidatingAdmissionWebhook"),
)
#: Kubernetes' own flags, and those that its usage text does not mention.
FLAGS = FlagSet.of(
    "kube-apiserver",
    Path(__file__).with_name("usage.txt"),
    hidden=[
        Flag("apiserver-count", "int", "1"),
        Flag("audit-webhook-batch-initial-backoff", "duration", "10s"),
        Flag("default-watch-cache-size", "int", "100"),
        Flag("kubelet-port", "uint", "10250"),
        Flag("kubelet-read-only-port", "uint", "10255"),
    ],
    deprecated={
        "admission-control": "Use --enable-admission-plugins or --disable-admission-plugins instead. Will be "
        "removed in a future version.",
        "apiserver-count": "apiserver-count is deprecated and will be removed in a future version.",
        "audit-webhook-batch-initial-backoff": "Deprecated, use --audit-webhook-initial-backoff instead.",
        "default-watch-cache-size": "watch caches are sized automatically and this flag will be removed in a "
        "future version",
        "enable-logs-handler": "Log handler functionality is deprecated",
        "kubelet-port": "kubelet-port is deprecated and will be removed.",
        "kubelet-read-only-port": "kubelet-read-only-port is deprecated and will be removed.",
    },
)

#: Kinds that the real server keeps in no cache.
_NOT_CACHED = ("events#0", "events.events.k8s.io#0")


class InvalidOptions(Exception):
    """The flags can be read and make no sense together; the process ends with `command failed`."""


class Fatal(Exception):
    """The process ends at once with status 255 (`klog.Fatalf`); `place` is where the real one says so."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(message)
        self.place = place


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
    #: The command line itself: every flag, given or not.
    flags: Flags = field(default_factory=lambda: Flags(FLAGS.flags))

    @property
    def service_network(self) -> str:
        """The primary of the service ranges."""
        primary = self.service_cluster_ip_range.partition(",")[0]
        return str(ipaddress.ip_network(primary, strict=False))

    def written(self) -> dict[str, str]:
        """The value of every flag as pflag writes it, and as it was settled at the start where not given."""
        settled = {"advertise-address": self.advertise_address}
        if not self.flags.text("external-hostname"):
            settled["external-hostname"] = self.advertise_address
        sizes = [*self.flags.words("watch-cache-sizes"), *_NOT_CACHED]
        return self.flags.written() | settled | {"watch-cache-sizes": f"[{','.join(sizes)}]"}


def parse(arguments: Sequence[str]) -> Options:
    """Options from a command line. Raises `FlagError` or `HelpWanted` as pflag would."""
    given = FLAGS.parse(arguments)
    options = Options(flags=given)
    own = {f.name.replace("_", "-"): f.name for f in fields(Options) if f.name != "flags"}
    for name in given.given:
        if name in own:
            current = getattr(options, own[name])
            value: Any = given.text(name)
            if isinstance(current, list):
                value = given.every(name)
            elif isinstance(current, int):
                value = given.number(name)
            setattr(options, own[name], value)
    return options


def print_help() -> None:
    """What `--help` prints."""
    print(FLAGS.usage, end="")
