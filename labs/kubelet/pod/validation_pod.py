"""Checks of a pod's own fields, beside its containers and volumes (`ValidatePodSpec`)."""

import ipaddress
import re
from collections.abc import Iterable
from typing import Any

from labs.kubelet.pod.findings import SUBDOMAIN, SUBDOMAIN_TEXT, Findings

SEARCH = re.compile(r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*")
SEARCH_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and "
    "must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    f"'{SEARCH.pattern}')"
)
QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
KEY_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
KEY_PREFIX_TEXT = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and "
    "must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
    "validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
IP_TEXT = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
SYSCTL = re.compile(r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?")
MAX_ID = 2147483647
#: Finalizers without a domain that the API knows.
FINALIZERS = ("foregroundDeletion", "kubernetes", "orphan")
OWNER_FIELDS = (
    ("apiVersion", "version must not be empty"), ("kind", "must not be empty"), ("name", "must not be empty"),
    ("uid", "must not be empty"),
)  # fmt: skip


def check_metadata(found: Findings, metadata: dict[str, Any]) -> None:
    """`ValidateObjectMeta`."""
    if not SUBDOMAIN.fullmatch(metadata["name"]):
        found.invalid("metadata.name", metadata["name"], SUBDOMAIN_TEXT)
    elif len(metadata["name"]) > 253:
        found.invalid("metadata.name", metadata["name"], "must be no more than 253 characters")
    found.label("metadata.namespace", metadata["namespace"])
    check_labels(found, "metadata.labels", metadata.get("labels", {}))
    for key in metadata.get("annotations", {}):
        check_key(found, "metadata.annotations", key, any_case=True)
    if sum(len(k.encode()) + len(v.encode()) for k, v in metadata.get("annotations", {}).items()) > 262_144:
        found.append("metadata.annotations: Too long: may not be more than 262144 bytes")
    for owner in metadata.get("ownerReferences", []):
        for field, why in OWNER_FIELDS:
            if not owner.get(field):
                found.invalid(f"metadata.ownerReferences.{field}", "", why)
    finalizers = metadata.get("finalizers", [])
    if {"orphan", "foregroundDeletion"} <= set(finalizers):
        why = "finalizer orphan and foregroundDeletion cannot be both set"
        found.invalid("metadata.finalizers", finalizers, why)
    if metadata.get("generation", 0) < 0:
        found.invalid("metadata.generation", metadata["generation"], "must be greater than or equal to 0")
    for i, name in enumerate(finalizers):
        if "/" not in name and name not in FINALIZERS:
            why = "name is neither a standard finalizer name nor is it fully qualified"
            found.invalid(f"metadata.finalizers[{i}]", name, why)


def check_local_path(found: Findings, path: str, inside: str) -> None:
    """A path below something, that stays there (`validateLocalDescendingPath`)."""
    if inside.startswith("/"):
        found.invalid(path, inside, "must be a relative path")
    if ".." in inside.split("/"):
        found.invalid(path, inside, "must not contain '..'")


def check_key(found: Findings, path: str, key: str, *, any_case: bool = False) -> None:
    """A name that may have a domain before it (`IsQualifiedName`)."""
    if key.count("/") > 1:
        whole = KEY_TEXT.replace("name part must", "a valid label key must")
        found.invalid(path, key, whole + KEY_PREFIX_TEXT)
        return
    domain, slash, name = (key.lower() if any_case else key).rpartition("/")
    if slash and not domain:
        found.invalid(path, key, "prefix part must be non-empty")
    elif slash and not SUBDOMAIN.fullmatch(domain):
        found.invalid(path, key, f"prefix part {SUBDOMAIN_TEXT}")
    if not name:
        found.invalid(path, key, "name part must be non-empty")
    elif len(name) > 63:
        found.invalid(path, key, "name part must be no more than 63 bytes")
    if not QUALIFIED.fullmatch(name):
        found.invalid(path, key, KEY_TEXT)


def check_labels(found: Findings, path: str, labels: dict[str, str]) -> None:
    """Keys and values of labels or of a node selector."""
    for key, value in labels.items():
        check_key(found, path, key)
        if len(value) > 63:
            found.invalid(path, value, "must be no more than 63 bytes")
        if not LABEL_VALUE.fullmatch(value):
            found.invalid(path, value, VALUE_TEXT)


def check_profiles(found: Findings, path: str, security: dict[str, Any]) -> None:
    """seccompProfile and appArmorProfile."""
    for field, word in (("seccompProfile", "seccomp"), ("appArmorProfile", "AppArmor")):
        profile = security.get(field)
        if profile is None:
            continue
        kind, local = profile.get("type", ""), profile.get("localhostProfile")
        where = f"{path}.{field}"
        if not kind:
            found.required(f"{where}.type", f"type is required when {field} is set")
        elif kind not in PROFILES:
            found.unsupported(f"{where}.type", kind, PROFILES)
        elif kind == "Localhost" and (local is None or (word == "AppArmor" and not local)):
            found.required(f"{where}.localhostProfile", f"must be set when {word} type is Localhost")
        elif kind == "Localhost" and word == "seccomp":
            check_local_path(found, f"{where}.localhostProfile", local)
        elif kind == "Localhost" and len(local) > 4095:
            found.append(f"{where}.localhostProfile: Too long: may not be more than 4095 bytes")
        elif kind == "Localhost" and local != local.strip():
            found.invalid(f"{where}.localhostProfile", local, "must not be padded with whitespace")
        elif kind != "Localhost" and local is not None:
            shown = {"Type": kind, "LocalhostProfile": local} if word == "seccomp" else local
            found.invalid(
                f"{where}.localhostProfile", shown, f"can only be set when {word} type is Localhost"
            )


def check_ids(found: Findings, path: str, security: dict[str, Any], names: Iterable[str]) -> None:
    """Numbers of users and groups."""
    for name in names:
        if name in security:
            found.between(f"{path}.{name}", security[name], 0, MAX_ID)


def _security(found: Findings, spec: dict[str, Any]) -> None:
    path, security = "spec.securityContext", spec["securityContext"]
    check_ids(found, path, security, ("fsGroup", "runAsUser", "runAsGroup"))
    for i, group in enumerate(security.get("supplementalGroups", [])):
        found.between(f"{path}.supplementalGroups[{i}]", group, 0, MAX_ID)
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        why = "ShareProcessNamespace and HostPID cannot both be enabled"
        found.invalid(f"{path}.shareProcessNamespace", True, why)
    names: set[str] = set()
    for i, setting in enumerate(security.get("sysctls", [])):
        where, name = f"{path}.sysctls[{i}].name", setting.get("name")
        if not name:
            found.required(where)
        elif len(name) > 253 or not SYSCTL.fullmatch(name):
            why = f"must have at most 253 characters and match regex ^{SYSCTL.pattern}$"
            # Go prints the bytes of this value as they are
            found.append(f'{where}: Invalid value: "{name}": {why}')
        elif name in names:
            found.duplicate(where, name)
        names.add(name)
    check_profiles(found, path, security)
    for field, choices in (
        ("fsGroupChangePolicy", ("Always", "OnRootMismatch")),
        ("supplementalGroupsPolicy", ("Merge", "Strict")), ("seLinuxChangePolicy", ("Recursive",)),
    ):  # fmt: skip
        if (choice := security.get(field)) not in (None, *choices):
            found.unsupported(f"{path}.{field}", str(choice), choices)


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _dns(found: Findings, spec: dict[str, Any]) -> None:
    policy, config = spec["dnsPolicy"], spec.get("dnsConfig")
    if policy == "None" and not (config or {}).get("nameservers"):
        if config is None:
            found.required("spec.dnsConfig", "must provide `dnsConfig` when `dnsPolicy` is None")
        else:
            why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            found.required("spec.dnsConfig.nameservers", why)
    servers = (config or {}).get("nameservers", [])
    if len(servers) > 3:
        found.invalid("spec.dnsConfig.nameservers", servers, "must not have more than 3 nameservers")
    for i, server in enumerate(servers):
        if not _is_ip(server):
            found.invalid(f"spec.dnsConfig.nameservers[{i}]", server, IP_TEXT)
    for i, search in enumerate((config or {}).get("searches", [])):
        if len(search) > 253:
            found.invalid(f"spec.dnsConfig.searches[{i}]", search, "must be no more than 253 characters")
        elif search != "." and not SEARCH.fullmatch(search.removesuffix(".")):
            found.invalid(f"spec.dnsConfig.searches[{i}]", search, SEARCH_TEXT)
    for i, option in enumerate((config or {}).get("options", [])):
        if not option.get("name"):
            found.required(f"spec.dnsConfig.options[{i}]", "must not be empty")


def _affinity(found: Findings, spec: dict[str, Any]) -> None:
    """`validateNodeAffinity`: what must hold needs a term."""
    kind = "requiredDuringSchedulingIgnoredDuringExecution"
    required = spec.get("affinity", {}).get("nodeAffinity", {}).get(kind)
    if required is not None and not required.get("nodeSelectorTerms"):
        path = f"spec.affinity.nodeAffinity.{kind}.nodeSelectorTerms"
        found.required(path, "must have at least one node selector term")


def _spread(found: Findings, spec: dict[str, Any]) -> None:
    choices = ("DoNotSchedule", "ScheduleAnyway")
    for i, constraint in enumerate(spec.get("topologySpreadConstraints", [])):
        path = f"spec.topologySpreadConstraints[{i}]"
        if constraint.get("maxSkew", 0) <= 0:
            found.invalid(f"{path}.maxSkew", constraint.get("maxSkew", 0), "must be greater than zero")
        if not constraint.get("topologyKey"):
            found.required(f"{path}.topologyKey", "can not be empty")
        if constraint.get("whenUnsatisfiable") not in choices:
            found.unsupported(f"{path}.whenUnsatisfiable", constraint.get("whenUnsatisfiable", ""), choices)
        if constraint.get("minDomains", 1) <= 0:
            found.invalid(f"{path}.minDomains", constraint["minDomains"], "must be greater than zero")


def _tolerations(found: Findings, spec: dict[str, Any]) -> None:
    for i, toleration in enumerate(spec.get("tolerations", [])):
        path = f"spec.tolerations[{i}]"
        operator = toleration.get("operator", "")
        value, effect = toleration.get("value", ""), toleration.get("effect", "")
        if key := toleration.get("key"):
            check_key(found, f"{path}.key", key)
        elif operator != "Exists":
            why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            found.invalid(f"{path}.operator", operator, why)
        if "tolerationSeconds" in toleration and effect != "NoExecute":
            why = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            found.invalid(f"{path}.effect", effect, why)
        if operator in ("", "Equal"):
            if not LABEL_VALUE.fullmatch(value):
                found.invalid(f"{path}.operator", value, VALUE_TEXT)
        elif operator != "Exists":
            found.unsupported(f"{path}.operator", operator, ("Equal", "Exists"))
        elif value:
            why = "value must be empty when `operator` is 'Exists'"
            found.invalid(f"{path}.operator", value, why)
        if effect not in ("", *EFFECTS):
            found.unsupported(f"{path}.effect", effect, EFFECTS)


def check_pod(found: Findings, spec: dict[str, Any]) -> None:
    """Everything of the spec but volumes and containers."""
    if spec["restartPolicy"] not in ("Always", "OnFailure", "Never"):
        found.unsupported("spec.restartPolicy", spec["restartPolicy"], ("Always", "OnFailure", "Never"))
    if spec["dnsPolicy"] not in DNS_POLICIES:
        found.unsupported("spec.dnsPolicy", spec["dnsPolicy"], DNS_POLICIES)
    check_labels(found, "spec.nodeSelector", spec.get("nodeSelector", {}))
    _security(found, spec)
    _affinity(found, spec)
    _dns(found, spec)
    for i, gate in enumerate(spec.get("readinessGates", [])):
        check_key(found, f"spec.readinessGates[{i}].conditionType", gate.get("conditionType", ""))
    _spread(found, spec)
    if spec.get("activeDeadlineSeconds") is not None:
        found.between("spec.activeDeadlineSeconds", spec["activeDeadlineSeconds"], 1, 2147483647)
    for field in ("hostname", "subdomain"):
        if spec.get(field):
            found.label(f"spec.{field}", spec[field])
    _tolerations(found, spec)
    for i, alias in enumerate(spec.get("hostAliases", [])):
        if not _is_ip(alias.get("ip", "")):
            found.invalid(f"spec.hostAliases[{i}].ip", alias.get("ip", ""), IP_TEXT)
        for j, name in enumerate(alias.get("hostnames", [])):
            if not SUBDOMAIN.fullmatch(name):
                found.invalid(f"spec.hostAliases[{i}].hostnames[{j}]", name, SUBDOMAIN_TEXT)
    if spec.get("serviceAccountName"):
        found.subdomain("spec.serviceAccountName", spec["serviceAccountName"])
    if "runtimeClassName" in spec:
        found.subdomain("spec.runtimeClassName", spec["runtimeClassName"])
    if (name := spec.get("priorityClassName")) and not SUBDOMAIN.fullmatch(name):
        found.invalid("spec.priorityClassName", name, SUBDOMAIN_TEXT)
    policy = spec.get("preemptionPolicy", "Never")
    if policy not in ("PreemptLowerPriority", "Never"):
        found.unsupported("spec.preemptionPolicy", policy, ("PreemptLowerPriority", "Never"))
    system = spec.get("os", {"name": "linux"}).get("name")
    if not system:
        found.required("spec.os.name")
    elif system not in ("linux", "windows"):
        found.unsupported("spec.os", system, ("linux", "windows"))
    if spec.get("hostNetwork") and spec.get("hostUsers") is False:
        found.forbidden("spec.hostNetwork", "when `hostUsers` is false")
