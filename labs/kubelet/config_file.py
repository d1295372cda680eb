"""The KubeletConfiguration file: its fields, and what a kubelet does not start with.

Mirrors `pkg/kubelet/apis/config/v1beta1` and `pkg/kubelet/apis/config/validation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from labs.golang.configfile import Format

API_VERSION, KIND = "kubelet.config.k8s.io/v1beta1", "KubeletConfiguration"


def _of(kind: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), kind)


_FIELDS: Mapping[str, Mapping[str, str]] = {
    KIND: {
        **_of(
            "string",
            """apiVersion kind staticPodPath podLogsDir staticPodURL address tlsCertFile tlsPrivateKeyFile
            tlsMinVersion healthzBindAddress clusterDomain kubeletCgroups systemCgroups cgroupRoot
            cgroupDriver imagePullCredentialsVerificationPolicy cpuManagerPolicy memoryManagerPolicy
            topologyManagerPolicy topologyManagerScope hairpinMode podCIDR resolvConf contentType
            containerLogMaxSize configMapAndSecretChangeDetectionStrategy reservedSystemCPUs
            showHiddenMetricsForVersion systemReservedCgroup kubeReservedCgroup volumePluginDir providerID
            memoryReservationPolicy containerRuntimeEndpoint imageServiceEndpoint""",
        ),
        **_of(
            "bool",
            """enableServer rotateCertificates serverTLSBootstrap enableDebuggingHandlers
            enableContentionProfiling cgroupsPerQOS singleProcessOOMKill runOnce cpuCFSQuota
            serializeImagePulls mergeDefaultEvictionSettings enableControllerAttachDetach
            protectKernelDefaults makeIPTablesUtilChains failSwapOn kernelMemcgNotification
            enableSystemLogHandler enableSystemLogQuery enableProfilingHandler enableDebugFlagsHandler
            seccompDefault registerNode localStorageCapacityIsolation failCgroupV1""",
        ),
        **_of(
            "int32",
            """port readOnlyPort registryPullQPS registryBurst eventRecordQPS eventBurst healthzPort
            oomScoreAdj nodeLeaseDurationSeconds imageGCHighThresholdPercent imageGCLowThresholdPercent
            maxPods nodeStatusMaxImages kubeAPIQPS kubeAPIBurst maxParallelImagePulls
            evictionMaxPodGracePeriod podsPerCore iptablesMasqueradeBit iptablesDropBit containerLogMaxFiles
            containerLogMaxWorkers""",
        ),
        **_of("int64", "podPidsLimit maxOpenFiles"),
        "memoryThrottlingFactor": "float64",
        **_of(
            "duration",
            """syncFrequency fileCheckFrequency httpCheckFrequency streamingConnectionIdleTimeout
            nodeStatusUpdateFrequency nodeStatusReportFrequency imageMinimumGCAge imageMaximumGCAge
            volumeStatsAggPeriod cpuManagerReconcilePeriod runtimeRequestTimeout cpuCFSQuotaPeriod
            evictionPressureTransitionPeriod containerLogMonitorInterval shutdownGracePeriod
            shutdownGracePeriodCriticalPods""",
        ),
        **_of(
            "[]string",
            """tlsCipherSuites clusterDNS enforceNodeAllocatable allowedUnsafeSysctls
            preloadedImagesVerificationAllowlist""",
        ),
        **_of(
            "map[string]string",
            """evictionHard evictionSoft evictionSoftGracePeriod evictionMinimumReclaim qosReserved
            systemReserved kubeReserved cpuManagerPolicyOptions topologyManagerPolicyOptions""",
        ),
        "staticPodURLHeader": "map[string][]string",
        "featureGates": "map[string]bool",
        "authentication": "KubeletAuthentication",
        "authorization": "KubeletAuthorization",
        "memorySwap": "MemorySwapConfiguration",
        "crashLoopBackOff": "CrashLoopBackOffConfig",
        "registerWithTaints": "[]Taint",
        **_of(
            "any", "logging tracing reservedMemory shutdownGracePeriodByPodPriority userNamespaces attributes"
        ),
    },
    "KubeletAuthentication": {
        "x509": "KubeletX509Authentication",
        "webhook": "KubeletWebhookAuthentication",
        "anonymous": "KubeletAnonymousAuthentication",
    },
    "KubeletX509Authentication": {"clientCAFile": "string"},
    "KubeletWebhookAuthentication": {"enabled": "bool", "cacheTTL": "duration"},
    "KubeletAnonymousAuthentication": {"enabled": "bool"},
    "KubeletAuthorization": {"mode": "string", "webhook": "KubeletWebhookAuthorization"},
    "KubeletWebhookAuthorization": {"cacheAuthorizedTTL": "duration", "cacheUnauthorizedTTL": "duration"},
    "MemorySwapConfiguration": {"swapBehavior": "string"},
    "CrashLoopBackOffConfig": {"maxContainerRestartPeriod": "duration"},
    "Taint": {"key": "string", "value": "string", "effect": "string", "timeAdded": "any"},
}
FORMAT = Format(
    API_VERSION,
    KIND,
    _FIELDS,
    "k8s.io/kubernetes/pkg/kubelet/apis/config/scheme/scheme.go:33",
    {**{name: f"v1beta1.{name}" for name in _FIELDS}, "Taint": "v1.Taint"},
)
#: Files that are meant from the configuration's own directory on (`KubeletConfigurationPathRefs`).
PATHS = ("staticPodPath", "tlsCertFile", "tlsPrivateKeyFile", "resolvConf", "volumePluginDir", "podLogsDir")

#: Settings that may not be negative, with their flags.
_COUNTS = {
    "eventBurst": "event-burst",
    "eventRecordQPS": "event-qps",
    "kubeAPIBurst": "kube-api-burst",
    "kubeAPIQPS": "kube-api-qps",
    "maxOpenFiles": "max-open-files",
    "maxPods": "max-pods",
    "podsPerCore": "pods-per-core",
    "registryBurst": "registry-burst",
    "registryPullQPS": "registry-qps",
}
#: setting -> flag, least and most.
_RANGES = {
    "imageGCHighThresholdPercent": ("image-gc-high-threshold", 0, 100),
    "imageGCLowThresholdPercent": ("image-gc-low-threshold", 0, 100),
    "oomScoreAdj": ("oom-score-adj", -1000, 1000),
}
_HAIRPIN = ("none", "hairpin-veth", "promiscuous-bridge")
_HIGH, _LOW = 85, 80


def faults(document: Mapping[str, Any]) -> Iterator[str]:
    """What `ValidateKubeletConfiguration` has against a file, as far as this kubelet goes by it."""
    for each in _faults(document):
        yield f"invalid configuration: {each}"


def _faults(document: Mapping[str, Any]) -> Iterator[str]:
    lease = document.get("nodeLeaseDurationSeconds", 0)
    if lease < 0:
        yield "nodeLeaseDurationSeconds must be greater than 0"
    for name, flag in _COUNTS.items():
        if document.get(name, 0) < 0:
            yield f"{name} (--{flag}) {document[name]} must not be a negative number"
    for name, flag, least in (
        ("healthzPort", "healthz-port", 1),
        ("port", "port", 1),
        ("readOnlyPort", "read-only-port", 0),
    ):
        port = document.get(name, 0)
        if port and not 0 < port < 1 << 16:
            yield f"{name} (--{flag}) {port} must be between {least} and 65535, inclusive"
    for name, (flag, least, most) in _RANGES.items():
        if not least <= document.get(name, 0) <= most:
            yield f"{name} (--{flag}) {document[name]} must be between {least} and {most}, inclusive"
    high = document.get("imageGCHighThresholdPercent") or _HIGH
    low = document.get("imageGCLowThresholdPercent") or _LOW
    if low >= high:
        yield (
            f"imageGCLowThresholdPercent (--image-gc-low-threshold) {low} must be less than "
            f"imageGCHighThresholdPercent (--image-gc-high-threshold) {high}"
        )
    if document.get("nodeStatusMaxImages", 0) < -1:
        shown = document["nodeStatusMaxImages"]
        yield f"nodeStatusMaxImages (--node-status-max-images) {shown} must be -1 or greater"
    hairpin = document.get("hairpinMode") or _HAIRPIN[-1]
    if hairpin not in _HAIRPIN:
        yield (
            f'option "{hairpin}" specified for hairpinMode (--hairpin-mode). '
            'Valid options are "none", "hairpin-veth" or "promiscuous-bridge"'
        )
