"""The kubelet's configuration: flags over the KubeletConfiguration file over the defaults.

Defaults are `pkg/kubelet/apis/config/v1beta1/defaults.go`'s. Strict where the real one is: a file of another
kind or version, an unknown field or a bad duration is refused at start.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from labs.errors import LabsError
from labs.kubelet.access import Rules
from labs.kubelet.pod.decode import load_yaml
from labs.kubelet.pod.errors import ParseError
from labs.kubelet.pod.quantity import quantity_value

API_VERSION, KIND = "kubelet.config.k8s.io/v1beta1", "KubeletConfiguration"
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")


class ConfigError(LabsError):
    """The configuration file cannot be used; the kubelet exits."""


def duration(text: object) -> float:
    """Seconds of a Go duration such as `20s` or `1m30s`. Raises ConfigError."""
    if text in (0, "0"):
        return 0.0
    parts = _PART.findall(text) if isinstance(text, str) else []
    if not parts or "".join(a + b for a, b in parts) != text:
        raise ConfigError(f'time: invalid duration "{text}": write it like 20s or 1m30s')
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


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
            document = load_yaml(data)
        except ParseError as error:
            raise ConfigError(_failed(path, str(error))) from None
        if not isinstance(document, dict):
            raise ConfigError(_failed(path, "Object 'Kind' is missing in 'null'"))
        if not document.get("kind"):
            raise ConfigError(_failed(path, "Object 'Kind' is missing"))
        if (document.get("apiVersion"), document["kind"]) != (API_VERSION, KIND):
            raise ConfigError(
                _failed(
                    path,
                    f'no kind "{document["kind"]}" is registered for version "{document.get("apiVersion")}"',
                )
            )
        try:
            config = cls(**_settings(document), document=document)
            quantity_value(config.container_log_max_size)
            return config
        except (ConfigError, ParseError) as error:
            raise ConfigError(_failed(path, str(error))) from None

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


#: Fields of the file that this kubelet accepts and has no use for.
IGNORED = frozenset(
    """
    apiVersion authentication authorization cgroupsPerQOS
    configMapAndSecretChangeDetectionStrategy containerLogMaxWorkers contentType cpuCFSQuota cpuCFSQuotaPeriod
    cpuManagerPolicy cpuManagerPolicyOptions cpuManagerReconcilePeriod crashLoopBackOff
    enableControllerAttachDetach enableDebugFlagsHandler
    enableProfilingHandler enableSystemLogQuery
    enforceNodeAllocatable evictionHard evictionMaxPodGracePeriod
    evictionMinimumReclaim evictionPressureTransitionPeriod evictionSoft evictionSoftGracePeriod
    failCgroupV1 failSwapOn featureGates hairpinMode imageGCHighThresholdPercent
    imageGCLowThresholdPercent imageMaximumGCAge imageMinimumGCAge
    imagePullCredentialsVerificationPolicy iptablesDropBit iptablesMasqueradeBit
    kernelMemcgNotification kind kubeletCgroups kubeReserved
    kubeReservedCgroup localStorageCapacityIsolation logging makeIPTablesUtilChains maxOpenFiles
    maxParallelImagePulls memoryManagerPolicy memoryReservationPolicy memorySwap
    memoryThrottlingFactor mergeDefaultEvictionSettings nodeStatusMaxImages oomScoreAdj podCIDR
    podPidsLimit podsPerCore protectKernelDefaults providerID registerNodeWithTaints
    registryBurst registryPullQPS reservedMemory reservedSystemCPUs
    rotateCertificates serverTLSBootstrap showHiddenMetricsForVersion shutdownGracePeriod
    shutdownGracePeriodCriticalPods streamingConnectionIdleTimeout systemCgroups
    systemReserved systemReservedCgroup tlsCipherSuites tlsMinVersion topologyManagerPolicy
    topologyManagerPolicyOptions topologyManagerScope tracing volumePluginDir volumeStatsAggPeriod
    """.split()  # noqa: SIM905 - as a list literal it would be a page
)


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


def _settings(document: Mapping[str, Any]) -> dict[str, Any]:
    known = {camel_case(f.name): f for f in fields(KubeletConfig)[:_FLAG_FIELDS_FROM]}
    settings: dict[str, Any] = {}
    for key, value in document.items():
        if key in known:
            settings[known[key].name] = _typed(key, known[key].type, value)
        elif key not in IGNORED:
            raise ConfigError(f'strict decoding error: unknown field "{key}"')
    authentication = document.get("authentication") or {}
    settings["client_ca_file"] = (authentication.get("x509") or {}).get("clientCAFile", "")
    settings["anonymous_auth"] = bool((authentication.get("anonymous") or {}).get("enabled", False))
    review = authentication.get("webhook") or {}
    settings["webhook_auth"] = bool(review.get("enabled", True))
    authorization = document.get("authorization") or {}
    settings["authorization_mode"] = authorization.get("mode") or "Webhook"
    asked = authorization.get("webhook") or {}
    for name, given in (
        ("token_ttl", review.get("cacheTTL")),
        ("authorized_ttl", asked.get("cacheAuthorizedTTL")),
        ("unauthorized_ttl", asked.get("cacheUnauthorizedTTL")),
    ):
        settings[name] = duration(given or 0) or None
    restart = (document.get("crashLoopBackOff") or {}).get("maxContainerRestartPeriod")
    if restart:
        settings["max_container_restart_period"] = duration(restart)
    return {k: v for k, v in settings.items() if v is not None}


_FLAG_FIELDS_FROM = [f.name for f in fields(KubeletConfig)].index("kubernetes_version")


def _typed(key: str, kind: object, value: Any) -> Any:
    if kind is float:
        seconds = duration(value)
        return seconds or None
    if kind is str and isinstance(value, str):
        return value or None
    if kind is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind is bool and isinstance(value, bool):
        return value
    if kind in (tuple[str, ...], tuple[Mapping[str, str], ...]) and isinstance(value, list):
        return tuple(value)
    if key == "staticPodURLHeader" and isinstance(value, dict):
        return {name: tuple(values or ()) for name, values in value.items()}
    raise ConfigError(f"json: cannot unmarshal {value!r} into Go struct field KubeletConfiguration.{key}")
