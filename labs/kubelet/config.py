"""The kubelet's configuration: flags over the KubeletConfiguration file over the defaults.

Defaults are `pkg/kubelet/apis/config/v1beta1/defaults.go`'s. A file of another kind or version, or with a
value that its field cannot have, is refused at start; a field that nobody knows is told, and left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from labs.core.quantity import QuantityError, quantity_value
from labs.errors import LabsError
from labs.golang.configfile import ConfigError as FileError
from labs.golang.configfile import strict_faults
from labs.golang.duration import duration
from labs.golang.errors import aggregate
from labs.kubelet import klog
from labs.kubelet.access import Rules
from labs.kubelet.config_file import FORMAT, PATHS, faults


class ConfigError(LabsError):
    """The configuration file cannot be used; the kubelet exits."""


@dataclass(frozen=True)
class LogLimits:
    """`containerLogMaxSize` in bytes, `containerLogMaxFiles`, `containerLogMonitorInterval` in seconds."""

    size: int = 10 << 20
    files: int = 5
    period: float = 10.0


@dataclass(frozen=True)
class KubeletConfig:
    """The settings this kubelet acts on; durations in seconds."""

    static_pod_path: str = ""
    static_pod_url: str = ""
    static_pod_url_header: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sync_frequency: float = 60.0
    file_check_frequency: float = 20.0
    http_check_frequency: float = 20.0
    address: str = "0.0.0.0"
    port: int = 10250
    read_only_port: int = 0
    enable_server: bool = True
    enable_debugging_handlers: bool = True
    enable_system_log_handler: bool = True
    tls_cert_file: str = ""
    tls_private_key_file: str = ""
    tls_cipher_suites: tuple[str, ...] = ()
    tls_min_version: str = ""
    client_ca_file: str = ""
    anonymous_auth: bool = False
    webhook_auth: bool = True
    authorization_mode: str = "Webhook"
    token_ttl: float = 120.0
    authorized_ttl: float = 300.0
    unauthorized_ttl: float = 30.0
    healthz_port: int = 10248
    healthz_bind_address: str = "127.0.0.1"
    node_status_update_frequency: float = 10.0
    node_status_report_frequency: float = 300.0
    node_lease_duration_seconds: int = 40
    container_runtime_endpoint: str = "unix:///run/containerd/containerd.sock"
    image_service_endpoint: str = ""
    cluster_domain: str = ""
    cluster_dns: tuple[str, ...] = ()
    resolv_conf: str = "/etc/resolv.conf"
    pod_logs_dir: str = "/var/log/pods"
    max_pods: int = 110
    register_node: bool = True
    cgroup_root: str = "/"
    cgroup_driver: str = "cgroupfs"
    max_container_restart_period: float = 300.0
    runtime_request_timeout: float = 120.0
    seccomp_default: bool = False
    container_log_max_size: str = "10Mi"
    container_log_max_files: int = 5
    container_log_monitor_interval: float = 10.0
    allowed_unsafe_sysctls: tuple[str, ...] = ()
    serialize_image_pulls: bool = True
    kube_api_qps: int = 50
    kube_api_burst: int = 100
    event_record_qps: int = 50
    event_burst: int = 100
    register_with_taints: tuple[Mapping[str, str], ...] = ()
    # What no file holds: flags only.
    kubernetes_version: tuple[int, int] = (1, 36)
    root_dir: str = "/var/lib/kubelet"
    kubeconfig: str = ""
    bootstrap_kubeconfig: str = ""
    hostname_override: str = ""
    node_ip: str = ""
    node_labels: Mapping[str, str] = field(default_factory=dict)
    #: The file as it is, for `/configz`.
    document: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def without_file(cls) -> Self:
        """What holds when there is no file, as before there were files (`applyLegacyDefaults`)."""
        return cls(
            anonymous_auth=True, webhook_auth=False, authorization_mode="AlwaysAllow", read_only_port=10255
        )

    @classmethod
    def from_file(cls, data: bytes, path: str) -> Self:
        """The settings of a KubeletConfiguration file. Raises ConfigError."""
        try:
            document, unknown = FORMAT.decode(data)
        except FileError as error:
            raise ConfigError(_failed(path, f"failed to decode: {error}")) from None
        if ignored := strict_faults(data, unknown):
            klog.info("codec.go:102", "Using lenient decoding as strict decoding failed", err=ignored)
        if found := [*faults(document)]:
            why = f"{aggregate(found)}, path: &TypeMeta{{Kind:,APIVersion:,}}"
            raise ConfigError(f"failed to validate kubelet configuration, error: {why}")
        config = cls(**_settings(document, Path(path).parent), document=document)
        try:
            quantity_value(config.container_log_max_size)
        except QuantityError as error:
            raise ConfigError(f"failed to run Kubelet: {error}") from None
        return config

    @property
    def rules(self) -> Rules:
        """Who may use the kubelet's own API."""
        ttls = (self.token_ttl, self.authorized_ttl, self.unauthorized_ttl)
        return Rules(self.anonymous_auth, self.webhook_auth, self.authorization_mode, *ttls)

    @property
    def log_limits(self) -> LogLimits:
        """When container logs are rotated."""
        size = int(quantity_value(self.container_log_max_size))
        return LogLimits(size, self.container_log_max_files, self.container_log_monitor_interval)

    def with_flags(self, settings: Mapping[str, Any]) -> Self:
        """The same with flags on top; None means the flag was not given."""
        return replace(self, **{k: v for k, v in settings.items() if v is not None})


def _failed(path: str, why: str) -> str:
    twice = f"path: {path}, error: failed to load Kubelet config file {path}"
    return f"failed to load kubelet config file, {twice}, error {why}"


def camel_case(name: str) -> str:
    """A setting's name in the file."""
    special = {
        "static_pod_url": "staticPodURL",
        "static_pod_url_header": "staticPodURLHeader",
        "cluster_dns": "clusterDNS",
        "kube_api_qps": "kubeAPIQPS",
        "kube_api_burst": "kubeAPIBurst",
        "event_record_qps": "eventRecordQPS",
    }
    head, *rest = name.split("_")
    return special.get(name, head + "".join(word.capitalize() for word in rest))


def _settings(document: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """Those that are given; a zero means the default where Go's defaults cannot tell it from nothing."""
    known = {camel_case(f.name): f for f in fields(KubeletConfig)[:_FLAG_FIELDS_FROM]}
    settings: dict[str, Any] = {
        known[key].name: _typed(known[key].type, value) for key, value in document.items() if key in known
    }
    authentication = document.get("authentication", {})
    settings["client_ca_file"] = authentication.get("x509", {}).get("clientCAFile", "")
    settings["anonymous_auth"] = authentication.get("anonymous", {}).get("enabled", False)
    review = authentication.get("webhook", {})
    settings["webhook_auth"] = review.get("enabled", True)
    authorization = document.get("authorization", {})
    settings["authorization_mode"] = authorization.get("mode") or "Webhook"
    asked = authorization.get("webhook", {})
    for name, given in (
        ("token_ttl", review.get("cacheTTL")),
        ("authorized_ttl", asked.get("cacheAuthorizedTTL")),
        ("unauthorized_ttl", asked.get("cacheUnauthorizedTTL")),
        (
            "max_container_restart_period",
            document.get("crashLoopBackOff", {}).get("maxContainerRestartPeriod"),
        ),
    ):
        settings[name] = duration(given or "0") or None
    for name in ("client_ca_file", *(f.name for key, f in known.items() if key in PATHS)):
        if settings.get(name):
            settings[name] = str(directory / settings[name])
    return {k: v for k, v in settings.items() if v is not None}


_FLAG_FIELDS_FROM = [f.name for f in fields(KubeletConfig)].index("kubernetes_version")


def _typed(kind: object, value: Any) -> Any:
    if kind is float:
        return duration(value) or None
    if kind is str:
        return value or None
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, dict):  # the headers of the static pods' URL
        return {name: tuple(values) for name, values in value.items()}
    return value
