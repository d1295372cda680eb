"""`/configz`: the configuration that holds, defaults and flags included, in the fields' order of upstream.

Settings that this kubelet acts on are shown as it acts on them, all others as the file has them. Defaults are
`pkg/kubelet/apis/config/v1beta1/defaults.go`'s; what may be secret is masked (`cmd/kubelet/app/server.go`).
"""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from labs.golang.duration import duration, go_duration
from labs.kubelet.config import KubeletConfig, camel_case
from labs.kubelet.config_file import API_VERSION, KIND
from labs.kubelet.server.web import JSON, Response

Json = dict[str, Any]

_ORDER = """
kind apiVersion enableServer staticPodPath podLogsDir syncFrequency fileCheckFrequency httpCheckFrequency
staticPodURL staticPodURLHeader address port readOnlyPort tlsCertFile tlsPrivateKeyFile tlsCipherSuites
tlsMinVersion rotateCertificates serverTLSBootstrap authentication authorization registryPullQPS
registryBurst imagePullCredentialsVerificationPolicy preloadedImagesVerificationAllowlist eventRecordQPS
eventBurst enableDebuggingHandlers enableContentionProfiling healthzPort healthzBindAddress oomScoreAdj
clusterDomain clusterDNS streamingConnectionIdleTimeout nodeStatusUpdateFrequency nodeStatusReportFrequency
nodeLeaseDurationSeconds imageMinimumGCAge imageMaximumGCAge imageGCHighThresholdPercent
imageGCLowThresholdPercent volumeStatsAggPeriod kubeletCgroups systemCgroups cgroupRoot cgroupsPerQOS
cgroupDriver cpuManagerPolicy singleProcessOOMKill cpuManagerPolicyOptions cpuManagerReconcilePeriod
memoryManagerPolicy topologyManagerPolicy topologyManagerScope topologyManagerPolicyOptions qosReserved
runtimeRequestTimeout hairpinMode maxPods podCIDR podPidsLimit resolvConf runOnce cpuCFSQuota
cpuCFSQuotaPeriod nodeStatusMaxImages maxOpenFiles contentType kubeAPIQPS kubeAPIBurst serializeImagePulls
maxParallelImagePulls evictionHard evictionSoft evictionSoftGracePeriod evictionPressureTransitionPeriod
evictionMaxPodGracePeriod evictionMinimumReclaim mergeDefaultEvictionSettings podsPerCore
enableControllerAttachDetach protectKernelDefaults makeIPTablesUtilChains iptablesMasqueradeBit
iptablesDropBit featureGates failSwapOn memorySwap containerLogMaxSize containerLogMaxFiles
containerLogMaxWorkers containerLogMonitorInterval configMapAndSecretChangeDetectionStrategy systemReserved
kubeReserved reservedSystemCPUs showHiddenMetricsForVersion systemReservedCgroup kubeReservedCgroup
enforceNodeAllocatable allowedUnsafeSysctls volumePluginDir providerID kernelMemcgNotification logging
enableSystemLogHandler enableSystemLogQuery shutdownGracePeriod shutdownGracePeriodCriticalPods
reservedMemory crashLoopBackOff enableProfilingHandler enableDebugFlagsHandler seccompDefault
memoryThrottlingFactor memoryReservationPolicy registerWithTaints registerNode tracing
localStorageCapacityIsolation containerRuntimeEndpoint imageServiceEndpoint failCgroupV1
""".split()  # noqa: SIM905 - as a list literal it would be a page

#: Of the fields that only the file decides on.
_DEFAULTS: Json = {
    "registryPullQPS": 5, "registryBurst": 10,
    "imagePullCredentialsVerificationPolicy": "NeverVerifyPreloadedImages", "eventRecordQPS": 50,
    "eventBurst": 100, "oomScoreAdj": -999, "streamingConnectionIdleTimeout": "4h0m0s",
    "imageMinimumGCAge": "2m0s", "imageMaximumGCAge": "0s", "imageGCHighThresholdPercent": 85,
    "imageGCLowThresholdPercent": 80, "volumeStatsAggPeriod": "1m0s", "cgroupsPerQOS": True,
    "cpuManagerPolicy": "none", "cpuManagerReconcilePeriod": "10s", "memoryManagerPolicy": "None",
    "topologyManagerPolicy": "none", "topologyManagerScope": "container", "hairpinMode": "promiscuous-bridge",
    "podPidsLimit": -1, "cpuCFSQuota": True, "cpuCFSQuotaPeriod": "100ms", "nodeStatusMaxImages": 50,
    "maxOpenFiles": 1000000, "contentType": "application/vnd.kubernetes.protobuf", "kubeAPIQPS": 50,
    "kubeAPIBurst": 100,
    "evictionHard": {
        "imagefs.available": "15%", "imagefs.inodesFree": "5%", "memory.available": "100Mi",
        "nodefs.available": "10%", "nodefs.inodesFree": "5%",
    },
    "evictionPressureTransitionPeriod": "5m0s", "mergeDefaultEvictionSettings": False,
    "enableControllerAttachDetach": True, "makeIPTablesUtilChains": True, "iptablesMasqueradeBit": 14,
    "iptablesDropBit": 15, "failSwapOn": True, "memorySwap": {}, "containerLogMaxWorkers": 1,
    "configMapAndSecretChangeDetectionStrategy": "Watch", "enforceNodeAllocatable": ["pods"],
    "volumePluginDir": "/usr/libexec/kubernetes/kubelet-plugins/volume/exec/",
    "logging": {
        "format": "text", "flushFrequency": "5s", "verbosity": 0,
        "options": {"text": {"infoBufferSize": "0"}, "json": {"infoBufferSize": "0"}},
    },
    "enableSystemLogQuery": False, "shutdownGracePeriod": "0s", "shutdownGracePeriodCriticalPods": "0s",
    "enableProfilingHandler": True, "enableDebugFlagsHandler": True, "memoryThrottlingFactor": 0.9,
    "memoryReservationPolicy": "None", "localStorageCapacityIsolation": True, "failCgroupV1": True,
}  # fmt: skip
#: Shown even when they are false, 0 or empty: pointers and structs upstream.
_ALWAYS = frozenset(
    _DEFAULTS.keys()
    | {"enableServer", "authentication", "authorization", "enableDebuggingHandlers", "healthzPort"}
    | {"serializeImagePulls", "enableSystemLogHandler", "seccompDefault", "registerNode", "crashLoopBackOff"}
)


def answer(config: KubeletConfig) -> Response:
    """The whole configuration."""
    body = {"kubeletconfig": effective(config)}
    return Response(200, json.dumps(body, separators=(",", ":")).encode(), JSON)


def effective(config: KubeletConfig) -> Json:
    """What holds, by the names of a KubeletConfiguration."""
    shown: Json = {
        name: _from_file(config.document.get(name), default) for name, default in _DEFAULTS.items()
    }
    shown |= {name: value for name, value in config.document.items() if name not in _DEFAULTS}
    shown |= _acted_on(config)
    shown |= {"kind": KIND, "apiVersion": API_VERSION}
    shown["authentication"] = {
        "x509": {"clientCAFile": config.client_ca_file} if config.client_ca_file else {},
        "webhook": {"enabled": config.webhook_auth, "cacheTTL": go_duration(config.token_ttl)},
        "anonymous": {"enabled": config.anonymous_auth},
    }
    shown["authorization"] = {
        "mode": config.authorization_mode,
        "webhook": {
            "cacheAuthorizedTTL": go_duration(config.authorized_ttl),
            "cacheUnauthorizedTTL": go_duration(config.unauthorized_ttl),
        },
    }
    period = go_duration(config.max_container_restart_period)
    shown["crashLoopBackOff"] = {"maxContainerRestartPeriod": period}
    if config.static_pod_url_header:
        shown["staticPodURLHeader"] = {name: ["<masked>"] for name in config.static_pod_url_header}
    return {name: shown[name] for name in _ORDER if name in shown and (shown[name] or name in _ALWAYS)}


def _acted_on(config: KubeletConfig) -> Json:
    """The fields that this kubelet has settings for."""
    settings: Json = {}
    for field in fields(config):
        value = getattr(config, field.name)
        name = camel_case(field.name)
        if name in _ORDER:
            if isinstance(value, float):
                value = go_duration(value)
            elif isinstance(value, tuple):
                value = list(value)
            settings[name] = value
    return settings


def _from_file(given: Any, default: Any) -> Any:
    """What the file says, a zero duration meaning the default."""
    if given is None:
        return default
    if isinstance(given, Mapping) and isinstance(default, Mapping) and "flushFrequency" in default:
        inner = {key: _from_file(given.get(key), value) for key, value in default.items()}
        return {**inner, **{key: value for key, value in given.items() if key not in inner}}
    if given == 0 and isinstance(default, str):
        return default
    if isinstance(given, str) and isinstance(default, str) and default[:1].isdigit():
        try:
            seconds = duration(given)
        except ValueError:
            return given
        return go_duration(seconds) if seconds else default
    return given or default if isinstance(default, int) and not isinstance(default, bool) else given
