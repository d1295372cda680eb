"""What a client is told of a pod that is taken all the same; mirrors `pkg/api/pod/warnings.go`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labs.core import names
from labs.core.quantity import quantity_value
from labs.core.validation.annotations import APPARMOR, SECCOMP_CONTAINER, SECCOMP_POD, containers_of

from .deprecations import node_term_warnings, old_label, volume_kind_warnings

Object = dict[str, Any]
_REQUIRED, _PREFERRED = (
    f"{rule}DuringSchedulingIgnoredDuringExecution" for rule in ("required", "preferred")
)
#: Since which version there is something else, and what.
_OLD_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": ("1.16", "priorityClassName"),
    "security.alpha.kubernetes.io/sysctls": ("1.11", "sysctls"),
    "security.alpha.kubernetes.io/unsafe-sysctls": ("1.11", "sysctls"),
}
_NO_SELECTOR = "a null labelSelector results in matching no pod"
_BYTES = ("memory", "ephemeral-storage")


def pod_warnings(pod: Object) -> Iterator[str]:
    """Of a pod by itself."""
    if faults := names.label_faults(pod["metadata"].get("name", "")):
        why = "this is used in the Pod's hostname, which can result in surprising behavior"
        yield f"metadata.name: {why}; a DNS label is recommended: [{' '.join(faults)}]"
    yield from _warnings("", pod.get("metadata") or {}, pod["spec"])


def template_warnings(template: Object, path: str) -> Iterator[str]:
    """Of what pods are made of."""
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    yield from _warnings(f"{path}.", metadata, spec)
    yield from apparmor_warnings(template, f"{path}.")


def apparmor_warnings(pod: Object, prefix: str = "") -> Iterator[str]:
    """Annotations that tell a profile where no field does."""
    annotations = (pod.get("metadata") or {}).get("annotations") or {}
    for key in apparmor_annotations(pod):
        if key in annotations:
            why = 'deprecated since v1.30; use the "appArmorProfile" field instead'
            yield f"{prefix}metadata.annotations[{key}]: {why}"


def apparmor_annotations(pod: Object) -> dict[str, Object]:
    """The annotations that may tell profiles, with the containers that have none in a field."""
    spec = pod.get("spec") or {}
    if (spec.get("securityContext") or {}).get("appArmorProfile") is not None:
        return {}
    return {
        APPARMOR + container.get("name", ""): container
        for _, container in containers_of(spec, "")
        if (container.get("securityContext") or {}).get("appArmorProfile") is None
    }


def _warnings(prefix: str, metadata: Object, spec: Object) -> Iterator[str]:
    path, annotations = f"{prefix}spec", metadata.get("annotations") or {}
    yield from _placement(path, spec)
    for key, (version, field) in _OLD_ANNOTATIONS.items():
        if key in annotations:
            why = f'non-functional in v{version}+; use the "{field}" field instead'
            yield f"{prefix}metadata.annotations[{key}]: {why}"
    for index, volume in enumerate(spec.get("volumes") or []):
        yield from volume_kind_warnings(f"{path}.volumes[{index}]", volume)
        yield from _overlaps(volume)
    yield from _repeated(f"{path}.hostAliases", spec.get("hostAliases") or [], "ip")
    yield from _repeated(f"{path}.imagePullSecrets", spec.get("imagePullSecrets") or [], "name")
    for index, secret in enumerate(spec.get("imagePullSecrets") or []):
        if not secret.get("name"):
            yield f'{path}.imagePullSecrets[{index}].name: invalid empty name ""'
    yield from _fractions(f"{path}.overhead", spec.get("overhead") or {})
    seccomp = 'non-functional in v1.27+; use the "seccompProfile" field instead'
    if SECCOMP_POD in annotations and "seccompProfile" not in (spec.get("securityContext") or {}):
        yield f"{prefix}metadata.annotations[{SECCOMP_POD}]: {seccomp}"
    for here, container in containers_of(spec, path):
        key = SECCOMP_CONTAINER + container.get("name", "")
        if key in annotations and "seccompProfile" not in (container.get("securityContext") or {}):
            yield f"{prefix}metadata.annotations[{key}]: {seccomp}"
        resources = container.get("resources") or {}
        for name in _BYTES:
            for part in ("limits", "requests"):
                amounts = {name: (resources.get(part) or {}).get(name, "0")}
                yield from _fractions(f"{here}.resources.{part}", amounts)
        yield from _hidden(f"{here}.env", container.get("env") or [])
    yield from _ports(path, spec)
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        why = "must be >= 0; negative values are invalid and will be treated as 1"
        yield f"{path}.terminationGracePeriodSeconds: {why}"


def _placement(path: str, spec: Object) -> Iterator[str]:
    for key in spec.get("nodeSelector") or {}:
        if why := old_label(key):
            yield f"{path}.nodeSelector[{key}]: {why}"
    affinity = spec.get("affinity") or {}
    nodes, here = affinity.get("nodeAffinity") or {}, f"{path}.affinity.nodeAffinity"
    for index, term in enumerate((nodes.get(_REQUIRED) or {}).get("nodeSelectorTerms") or []):
        yield from node_term_warnings(f"{here}.{_REQUIRED}.nodeSelectorTerms[{index}]", term)
    for index, term in enumerate(nodes.get(_PREFERRED) or []):
        yield from node_term_warnings(
            f"{here}.{_PREFERRED}[{index}].preference", term.get("preference") or {}
        )
    for index, constraint in enumerate(spec.get("topologySpreadConstraints") or []):
        here, key = f"{path}.topologySpreadConstraints[{index}]", constraint.get("topologyKey", "")
        if why := old_label(key):
            yield f"{here}.topologyKey: {key} is {why}"
        if constraint.get("labelSelector") is None:
            yield f"{here}.labelSelector: {_NO_SELECTOR}"
    for kind in ("podAffinity", "podAntiAffinity"):
        terms, here = affinity.get(kind) or {}, f"{path}.affinity.{kind}"
        for index, term in enumerate(terms.get(_REQUIRED) or []):
            if term.get("labelSelector") is None:
                yield f"{here}.{_REQUIRED}[{index}].labelSelector: {_NO_SELECTOR}"
        for index, weighted in enumerate(terms.get(_PREFERRED) or []):
            if (weighted.get("podAffinityTerm") or {}).get("labelSelector") is None:
                yield f"{here}.{_PREFERRED}[{index}].podAffinityTerm.labelSelector: {_NO_SELECTOR}"


def _overlaps(volume: Object) -> Iterator[str]:
    """Files of one volume that are in each other's place."""
    name = volume.get("name", "")
    for kind, word, key in (("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName")):
        if kind in volume:
            where = f'volume "{name}" ({word} "{volume[kind].get(key, "")}")'
            for one, other in _collisions([(path, "") for path in _items(volume[kind])]):
                yield f'{where}: overlapping paths: "{one[0]}" with "{other[0]}"'
    if "downwardAPI" in volume:
        for one, other in _collisions([(path, "") for path in _items(volume["downwardAPI"])]):
            yield f'volume "{name}" (DownwardAPI): overlapping paths: "{one[0]}" with "{other[0]}"'
    files: list[tuple[str, str]] = []
    for source in (volume.get("projected") or {}).get("sources") or []:
        if not source:
            yield f'volume "{name}" (Projected) has no sources provided'
        count = len(files)
        files += _projected_files(source)
        for one, other in _collisions(files, count):
            paths = f'"{one[0]}" ({one[1]}) with "{other[0]}" ({other[1]})'
            yield f'volume "{name}" (Projected): overlapping paths: {paths}'


def _projected_files(source: Object) -> Iterator[tuple[str, str]]:
    """Its paths, each with what it comes from."""
    for kind, word in (("configMap", "ConfigMap"), ("secret", "Secret")):
        if kind in source:
            for path in _items(source[kind]):
                yield path, f'{word} "{source[kind].get("name", "")}"'
    for path in _items(source.get("downwardAPI") or {}):
        yield path, "DownwardAPI"
    if "serviceAccountToken" in source:
        yield source["serviceAccountToken"].get("path", ""), "ServiceAccountToken"


def _items(source: Object) -> list[str]:
    return [item.get("path", "").rstrip("/") for item in source.get("items") or []]


def _collisions(
    files: list[tuple[str, str]], known: int = 0
) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """Each file after the `known` ones with those before it that are it, or one below the other."""
    for index, one in enumerate(files[known:], known):
        for other in files[:index]:
            here, there = f"{one[0]}/", f"{other[0]}/"
            if here.startswith(there) or there.startswith(here):
                yield one, other


def _repeated(path: str, entries: list[Object], field: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        value = entry.get(field, "")
        if value in seen:
            yield f'{path}[{index}].{field}: duplicate {field} "{value}"'
        seen.add(value)


def _fractions(path: str, amounts: Object) -> Iterator[str]:
    """Bytes come whole."""
    for name in _BYTES:
        if quantity_value(amounts.get(name, "0")) % 1:
            yield f'{path}[{name}]: fractional byte value "{amounts[name]}" is invalid, must be an integer'


def _hidden(path: str, variables: list[Object]) -> Iterator[str]:
    """A variable that is set twice, the second time not from the first."""
    seen: set[str] = set()
    for index, variable in enumerate(variables):
        name, value = variable.get("name", ""), variable.get("value", "")
        reference = f"$({name})"
        goes_on = "valueFrom" not in variable and reference in value and value != reference
        if name in seen and not goes_on:
            why = f'hides previous definition of "{name}", which may be dropped when using apply'
            yield f"{path}[{index}]: {why}"
        seen.add(name)


def _ports(path: str, spec: Object) -> Iterator[str]:
    known: dict[tuple[int, str], list[tuple[str, Object]]] = {}
    for where, container in containers_of(spec, path):
        for index, port in enumerate(container.get("ports") or []):
            here, host, ip = f"{where}.ports[{index}]", port.get("hostPort", 0), port.get("hostIP", "")
            if ip and not host:
                yield f"{here}: hostIP set without hostPort: {_go(port)}"
            others = known.setdefault((port.get("containerPort", 0), port.get("protocol", "")), [])
            for there, other in others:
                if word := _clash(host, ip, other.get("hostPort", 0), other.get("hostIP", "")):
                    yield f"{here}: {word} port definition with {there}"
            others.append((here, port))


def _clash(host: int, ip: str, other_host: int, other_ip: str) -> str:
    if (host, ip) == (other_host, other_ip):
        return "duplicate"
    if not host or not other_host:
        return "overlapping"
    return "dangerously ambiguous" if host == other_host and "" in (ip, other_ip) else ""


def _go(port: Object) -> str:
    """A port as Go prints the structure."""
    shown = {
        "Name": port.get("name", ""), "HostPort": port.get("hostPort", 0),
        "ContainerPort": port.get("containerPort", 0), "Protocol": port.get("protocol", ""),
        "HostIP": port.get("hostIP", ""),
    }  # fmt: skip
    return "{" + " ".join(f"{name}:{value}" for name, value in shown.items()) + "}"
