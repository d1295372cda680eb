"""What a pod and a template of one must be (`ValidatePodCreate`, `ValidatePodSpec`)."""

from __future__ import annotations

from typing import Any

from labs.core import names
from labs.core.field import Findings
from labs.core.validation.annotations import check_pod_annotations, check_profiles_match
from labs.core.validation.containers import check_containers, check_image_spaces
from labs.core.validation.metadata import check_annotations, check_labels, check_metadata
from labs.core.validation.resources import check_overhead, check_pod_resources
from labs.core.validation.scheduling import check_affinity, check_spread, check_tolerations
from labs.core.validation.security import check_pod_security
from labs.core.validation.volumes import check_volumes
from labs.core.validation.windows import check_host_process, check_system

Object = dict[str, Any]
MAX_INT32 = 2147483647
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")
_LONGEST_HOST_NAME = 64
_MOST_SERVERS, _MOST_SEARCHES, _SEARCH_CHARACTERS = 3, 32, 2048


def validate_pod_create(pod: Object, *, stored: bool = True) -> Findings:
    """Everything wrong with a new pod; a kubelet's is not `stored`, and asked a little less of."""
    found = validate_pod(pod, stored=stored)
    spec = pod["spec"]
    if spec.get("ephemeralContainers"):
        found.forbidden("spec.ephemeralContainers", "cannot be set on create")
    if spec.get("nodeName") and spec.get("schedulingGates"):
        why = "cannot be set until all schedulingGates have been cleared"
        found.forbidden("spec.nodeName", why)
    check_profiles_match(found, "spec", pod["metadata"].get("annotations") or {}, spec)
    return found


def validate_pod(pod: Object, *, stored: bool = True) -> Findings:
    """Everything wrong with a pod, new or changed."""
    found, metadata, spec = Findings(), pod["metadata"], pod["spec"]
    check_metadata(found, metadata)
    check_pod_annotations(found, "metadata.annotations", metadata.get("annotations") or {}, spec)
    _check_spec(found, "spec", spec, metadata.get("name", ""), stored=stored)
    if not spec.get("serviceAccountName"):
        _tokens_of_nobody(found, spec)
    for part in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(part) or []):
            check_image_spaces(found, f"spec.{part}[{index}]", container)
    return found


def validate_pod_template(template: Object, path: str) -> Findings:
    """Everything wrong with what pods are made of."""
    found, metadata, spec = Findings(), template.get("metadata") or {}, template.get("spec") or {}
    annotations = metadata.get("annotations") or {}
    check_labels(found, f"{path}.labels", metadata.get("labels") or {})
    check_annotations(found, f"{path}.annotations", annotations)
    check_pod_annotations(found, f"{path}.annotations", annotations, spec)
    _check_spec(found, f"{path}.spec", spec, "", stored=False)
    check_profiles_match(found, f"{path}.spec", annotations, spec)
    if spec.get("ephemeralContainers"):
        why = "ephemeral containers not allowed in pod template"
        found.forbidden(f"{path}.spec.ephemeralContainers", why)
    return found


def _check_spec(found: Findings, path: str, spec: Object, name: str, *, stored: bool) -> None:
    volumes = check_volumes(found, f"{path}.volumes", spec.get("volumes") or [], name, stored=stored)
    _claims(found, f"{path}.resourceClaims", spec.get("resourceClaims") or [])
    check_containers(found, path, spec, volumes)
    if spec.get("resources") is not None:
        check_pod_resources(found, f"{path}.resources", spec)
    if spec.get("hostNetwork"):
        _host_network(found, path, spec, stored=stored)
    found.choice(f"{path}.restartPolicy", spec.get("restartPolicy", ""), _RESTART_POLICIES)
    found.choice(f"{path}.dnsPolicy", spec.get("dnsPolicy", ""), _DNS_POLICIES)
    check_labels(found, f"{path}.nodeSelector", spec.get("nodeSelector") or {})
    check_pod_security(found, path, spec)
    check_affinity(found, f"{path}.affinity", spec.get("affinity") or {})
    _dns(found, f"{path}.dnsConfig", spec.get("dnsPolicy"), spec.get("dnsConfig"))
    for index, gate in enumerate(spec.get("readinessGates") or []):
        here = f"{path}.readinessGates[{index}].conditionType"
        found.qualified_name(here, gate.get("conditionType", ""))
    _scheduling_gates(found, f"{path}.schedulingGates", spec.get("schedulingGates") or [])
    check_spread(found, f"{path}.topologySpreadConstraints", spec.get("topologySpreadConstraints") or [])
    check_host_process(found, path, spec)
    _host_users(found, path, spec)
    for field in ("serviceAccountName", "nodeName"):
        if spec.get(field):
            found.subdomain(f"{path}.{field}", spec[field])
    if (deadline := spec.get("activeDeadlineSeconds")) is not None:
        found.between(f"{path}.activeDeadlineSeconds", deadline, 1, MAX_INT32)
    if spec.get("hostnameOverride") is not None:
        _host_name(found, f"{path}.hostnameOverride", spec)
    for field in ("hostname", "subdomain"):
        if spec.get(field):
            found.label(f"{path}.{field}", spec[field])
    check_tolerations(found, f"{path}.tolerations", spec.get("tolerations") or [])
    _host_aliases(found, f"{path}.hostAliases", spec.get("hostAliases") or [])
    if spec.get("priorityClassName"):
        found.subdomain(f"{path}.priorityClassName", spec["priorityClassName"])
    if spec.get("runtimeClassName") is not None:
        found.subdomain(f"{path}.runtimeClassName", spec["runtimeClassName"])
    if spec.get("preemptionPolicy") is not None:
        found.choice(f"{path}.preemptionPolicy", spec["preemptionPolicy"], _PREEMPTION_POLICIES)
    if spec.get("overhead") is not None:
        check_overhead(found, f"{path}.overhead", spec["overhead"])
    check_system(found, path, spec)


def _claims(found: Findings, path: str, claims: list[Object]) -> None:
    taken: set[str] = set()
    for index, claim in enumerate(claims):
        here, name = f"{path}[{index}]", claim.get("name", "")
        if name in taken:
            found.duplicate(f"{here}.name", name)
        else:
            found.required_label(f"{here}.name", name)
        taken |= {name} - {""}
        own, template = claim.get("resourceClaimName"), claim.get("resourceClaimTemplateName")
        shown = {"Name": name, "ResourceClaimName": own, "ResourceClaimTemplateName": template}
        fields = "`resourceClaimName`{} `resourceClaimTemplateName`"
        if own is not None and template is not None:
            found.invalid(here, shown, f"at most one of {fields.format(' or')} may be specified")
        if own is None and template is None:
            found.invalid(here, shown, f"must specify one of: {fields.format(',')}")
        for field in ("resourceClaimName", "resourceClaimTemplateName"):
            if claim.get(field) is not None:
                found.subdomain(f"{here}.{field}", claim[field])


def _host_network(found: Findings, path: str, spec: Object, *, stored: bool) -> None:
    """Ports of the host's network are the host's; a template may yet leave them to the pod's defaults."""
    for index, container in enumerate(spec.get("containers") or []):
        for position, port in enumerate(container.get("ports") or []):
            host = port.get("hostPort", 0)
            if (stored or host) and host != port.get("containerPort", 0):
                here = f"{path}.containers[{index}].ports[{position}].hostPort"
                found.invalid(here, host, "must match `containerPort` when `hostNetwork` is true")


def _host_users(found: Findings, path: str, spec: Object) -> None:
    if spec.get("hostUsers") is not False:
        return
    for field, shown in (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
        if spec.get(field):
            found.forbidden(f"{path}.{shown}", "when `hostUsers` is false")


def _host_name(found: Findings, path: str, spec: Object) -> None:
    name = spec["hostnameOverride"]
    if len(name) > _LONGEST_HOST_NAME:
        found.too_long(path, _LONGEST_HOST_NAME)
    found.subdomain(path, name)
    for field in ("setHostnameAsFQDN", "hostNetwork"):
        if spec.get(field):
            found.forbidden(path, f"may not be specified when {field} is true")


def _dns(found: Findings, path: str, policy: str | None, config: Object | None) -> None:
    if policy == "None" and config is None:
        found.required(path, "must provide `dnsConfig` when `dnsPolicy` is None")
    servers = (config or {}).get("nameservers") or []
    if policy == "None" and config is not None and not servers:
        why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        found.required(f"{path}.nameservers", why)
        return
    if len(servers) > _MOST_SERVERS:
        found.invalid(f"{path}.nameservers", servers, f"must not have more than {_MOST_SERVERS} nameservers")
    for index, server in enumerate(servers):
        found.ip(f"{path}.nameservers[{index}]", server)
    searches = (config or {}).get("searches") or []
    if len(searches) > _MOST_SEARCHES:
        found.invalid(f"{path}.searches", searches, f"must not have more than {_MOST_SEARCHES} search paths")
    if len(" ".join(searches)) > _SEARCH_CHARACTERS:
        limit = f"{_SEARCH_CHARACTERS} characters (including spaces)"
        found.invalid(f"{path}.searches", searches, f"must not have more than {limit} in the search list")
    for index, search in enumerate(searches):
        if search != ".":
            plain = search.removesuffix(".")
            found.faults(f"{path}.searches[{index}]", plain, names.search_faults(plain))
    for index, option in enumerate((config or {}).get("options") or []):
        if not option.get("name"):
            found.required(f"{path}.options[{index}]", "must not be empty")


def _scheduling_gates(found: Findings, path: str, gates: list[Object]) -> None:
    seen: set[str] = set()
    for index, gate in enumerate(gates):
        name = gate.get("name", "")
        found.qualified_name(f"{path}[{index}]", name)
        if name in seen:
            found.duplicate(f"{path}[{index}]", name)
        seen.add(name)


def _host_aliases(found: Findings, path: str, aliases: list[Object]) -> None:
    for index, alias in enumerate(aliases):
        found.ip(f"{path}[{index}].ip", alias.get("ip", ""))
        for position, name in enumerate(alias.get("hostnames") or []):
            found.subdomain(f"{path}[{index}].hostnames[{position}]", name)


def _tokens_of_nobody(found: Findings, spec: Object) -> None:
    for index, volume in enumerate(spec.get("volumes") or []):
        for position, source in enumerate((volume.get("projected") or {}).get("sources") or []):
            if "serviceAccountToken" in source:
                here = f"spec.volumes[{index}].projected.sources[{position}].serviceAccountToken"
                found.forbidden(here, "must not be specified when serviceAccountName is not set")
