"""What Go's decoder knows of the core group's structures that their JSON does not show."""

from __future__ import annotations

_REFERENCES = frozenset(
    (
        *("ConfigMapEnvSource", "ConfigMapKeySelector", "ConfigMapProjection", "ConfigMapVolumeSource"),
        *("SecretEnvSource", "SecretKeySelector", "SecretProjection"),
    )
)
_HANDLERS = frozenset(("exec", "grpc", "httpGet", "tcpSocket"))
#: Types that have a name where JSON has plain text or a map; of a list, the name is that of an item. By
#: the structure that has the field, as Go and OpenAPI call it, and the field's name in JSON.
NAMED_TYPES = {
    ("AppArmorProfile", "type"): "v1.AppArmorProfileType",
    ("AzureDiskVolumeSource", "cachingMode"): "v1.AzureDataDiskCachingMode",
    ("AzureDiskVolumeSource", "kind"): "v1.AzureDataDiskKind",
    ("Capabilities", "add"): "v1.Capability",
    ("Capabilities", "drop"): "v1.Capability",
    ("Container", "imagePullPolicy"): "v1.PullPolicy",
    ("Container", "restartPolicy"): "v1.ContainerRestartPolicy",
    ("Container", "terminationMessagePolicy"): "v1.TerminationMessagePolicy",
    ("ContainerPort", "protocol"): "v1.Protocol",
    ("ContainerResizePolicy", "resourceName"): "v1.ResourceName",
    ("ContainerResizePolicy", "restartPolicy"): "v1.ResourceResizeRestartPolicy",
    ("ContainerRestartRule", "action"): "v1.ContainerRestartRuleAction",
    ("ContainerRestartRuleOnExitCodes", "operator"): "v1.ContainerRestartRuleOnExitCodesOperator",
    ("EmptyDirVolumeSource", "medium"): "v1.StorageMedium",
    ("HTTPGetAction", "scheme"): "v1.URIScheme",
    ("HostPathVolumeSource", "type"): "v1.HostPathType",
    ("ImageVolumeSource", "pullPolicy"): "v1.PullPolicy",
    ("LabelSelectorRequirement", "operator"): "v1.LabelSelectorOperator",
    ("Lifecycle", "stopSignal"): "v1.Signal",
    ("ManagedFieldsEntry", "operation"): "v1.ManagedFieldsOperationType",
    ("NodeSelectorRequirement", "operator"): "v1.NodeSelectorOperator",
    ("ObjectMeta", "uid"): "types.UID",
    ("OwnerReference", "uid"): "types.UID",
    ("PersistentVolumeClaimSpec", "accessModes"): "v1.PersistentVolumeAccessMode",
    ("PersistentVolumeClaimSpec", "volumeMode"): "v1.PersistentVolumeMode",
    ("PodOS", "name"): "v1.OSName",
    ("PodReadinessGate", "conditionType"): "v1.PodConditionType",
    ("PodSecurityContext", "fsGroupChangePolicy"): "v1.PodFSGroupChangePolicy",
    ("PodSecurityContext", "seLinuxChangePolicy"): "v1.PodSELinuxChangePolicy",
    ("PodSecurityContext", "supplementalGroupsPolicy"): "v1.SupplementalGroupsPolicy",
    ("PodSpec", "dnsPolicy"): "v1.DNSPolicy",
    ("PodSpec", "overhead"): "v1.ResourceList",
    ("PodSpec", "preemptionPolicy"): "v1.PreemptionPolicy",
    ("PodSpec", "restartPolicy"): "v1.RestartPolicy",
    ("ResourceRequirements", "limits"): "v1.ResourceList",
    ("ResourceRequirements", "requests"): "v1.ResourceList",
    ("SeccompProfile", "type"): "v1.SeccompProfileType",
    ("SecurityContext", "procMount"): "v1.ProcMountType",
    ("Toleration", "effect"): "v1.TaintEffect",
    ("Toleration", "operator"): "v1.TolerationOperator",
    ("TopologySpreadConstraint", "nodeAffinityPolicy"): "v1.NodeInclusionPolicy",
    ("TopologySpreadConstraint", "nodeTaintsPolicy"): "v1.NodeInclusionPolicy",
    ("TopologySpreadConstraint", "whenUnsatisfiable"): "v1.UnsatisfiableConstraintAction",
    ("VolumeMount", "mountPropagation"): "v1.MountPropagationMode",
    ("VolumeMount", "recursiveReadOnly"): "v1.RecursiveReadOnlyMode",
}
# What an ephemeral container has it has in common with others.
NAMED_TYPES |= {
    ("EphemeralContainer", field): name
    for (owner, field), name in NAMED_TYPES.items()
    if owner == "Container"
}


def inlined(owner: str, field: str) -> tuple[str, ...]:
    """The structure within `owner` that has the field and no name of its own in JSON; Go's paths name it."""
    if owner in _REFERENCES and field == "name":
        return ("LocalObjectReference",)
    if owner == "Probe" and field in _HANDLERS:
        return ("ProbeHandler",)
    if owner == "Volume" and field != "name":
        return ("VolumeSource",)
    if owner == "EphemeralContainer" and field != "targetContainerName":
        return ("EphemeralContainerCommon",)
    return ()
