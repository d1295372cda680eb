"""What is wrong with an Ingress or an IngressClass, in the words of `pkg/apis/networking/validation`."""

from __future__ import annotations

import re
from typing import Any

from labs.core import names
from labs.core.field import Findings

Object = dict[str, Any]
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_SCOPES = ("Cluster", "Namespace")
_BAD_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
_BAD_ENDINGS = ("/..", "/.")
_CONTROLLER_LIMIT = 250
_WILDCARD = r"\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_WILDCARD_RULE = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must "
    "consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. "
    f"'*.example.com', regex used for validation is '{_WILDCARD}')"
)
_NOT_A_NAME = "must be a DNS name, not an IP address"


def validate_ingress(spec: Object) -> Findings:
    """Everything wrong with an Ingress's spec."""
    found = Findings()
    backend, rules = spec.get("defaultBackend"), spec.get("rules")
    if not rules and backend is None:
        found.invalid("spec", rules, "either `defaultBackend` or `rules` must be specified")
    if backend is not None:
        _backend(found, "spec.defaultBackend", backend)
    for index, rule in enumerate(rules or []):
        _rule(found, f"spec.rules[{index}]", rule)
    for index, entry in enumerate(spec.get("tls") or []):
        for position, host in enumerate(entry.get("hosts") or []):
            _domain(found, f"spec.tls[{index}].hosts[{position}]", host)
        if entry.get("secretName"):
            found.subdomain(f"spec.tls[{index}].secretName", entry["secretName"])
    if (name := spec.get("ingressClassName")) is not None:
        found.subdomain("spec.ingressClassName", name)
    return found


def validate_class_annotation(ingress: Object) -> Findings:
    """The older way to name a class may not contradict the newer one."""
    found = Findings()
    annotated = (ingress["metadata"].get("annotations") or {}).get(CLASS_ANNOTATION)
    named = (ingress.get("spec") or {}).get("ingressClassName")
    if annotated is not None and named is not None and annotated != named:
        why = "must match `ingressClassName` when both are specified"
        found.invalid(f"annotations.{CLASS_ANNOTATION}", annotated, why)
    return found


def validate_ingress_class(spec: Object) -> Findings:
    """Everything wrong with an IngressClass's spec."""
    found = Findings()
    controller = spec.get("controller", "")
    if len(controller.encode()) > _CONTROLLER_LIMIT:
        found.too_long("spec.controller", _CONTROLLER_LIMIT)
    found.prefixed_path("spec.controller", controller)
    if spec.get("parameters") is not None:
        _reference(found, "spec.parameters", spec["parameters"])
        _scope(found, "spec.parameters", spec["parameters"])
    return found


def validate_load_balancer(status: Object) -> Findings:
    """Everything wrong with where an Ingress is said to be reached."""
    found = Findings()
    for index, point in enumerate((status.get("loadBalancer") or {}).get("ingress") or []):
        path = f"status.loadBalancer.ingress[{index}]"
        if point.get("ip"):
            found.ip(f"{path}.ip", point["ip"])
        if host := point.get("hostname"):
            found.subdomain(f"{path}.hostname", host)
            if names.parse_ip(host):
                found.invalid(f"{path}.hostname", host, _NOT_A_NAME)
    return found


def _rule(found: Findings, path: str, rule: Object) -> None:
    if host := rule.get("host"):
        if names.parse_ip(host):
            found.invalid(f"{path}.host", host, _NOT_A_NAME)
        _domain(found, f"{path}.host", host)
    if (http := rule.get("http")) is None:
        return
    paths = http.get("paths") or []
    if not paths:
        found.required(f"{path}.http.paths")
    for index, each in enumerate(paths):
        _http_path(found, f"{path}.http.paths[{index}]", each)


def _domain(found: Findings, path: str, host: str) -> None:
    """A domain, or all in one."""
    if "*" not in host:
        found.subdomain(path, host)
        return
    if len(host) > 253:
        found.invalid(path, host, "must be no more than 253 characters")
    if not re.fullmatch(_WILDCARD, host):
        found.invalid(path, host, _WILDCARD_RULE)


def _http_path(found: Findings, path: str, given: Object) -> None:
    kind, text = given.get("pathType"), given.get("path", "")
    if kind is None:
        found.required(f"{path}.pathType", "pathType must be specified")
        return
    if kind not in _PATH_TYPES:
        found.not_supported(f"{path}.pathType", kind, _PATH_TYPES)
    elif kind == "ImplementationSpecific":
        if text:
            _absolute(found, f"{path}.path", text)
    else:
        _absolute(found, f"{path}.path", text)
        for part in _BAD_SEQUENCES:
            if part in text:
                found.invalid(f"{path}.path", text, f"must not contain '{part}'")
        for ending in _BAD_ENDINGS:
            if text.endswith(ending):
                found.invalid(f"{path}.path", text, f"cannot end with '{ending}'")
    _backend(found, f"{path}.backend", given.get("backend") or {})


def _absolute(found: Findings, path: str, text: str) -> None:
    if not text.startswith("/"):
        found.invalid(path, text, "must be an absolute path")


def _backend(found: Findings, path: str, backend: Object) -> None:
    """Where requests go: a Service's port, or any object of the namespace."""
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        found.invalid(path, "", "cannot set both resource and service backends")
    elif resource is not None:
        _reference(found, f"{path}.resource", resource)
    elif service is not None:
        found.required_label(f"{path}.service.name", service.get("name", ""))
        _service_port(found, path, service.get("port") or {})
    else:
        found.invalid(path, "", "resource or service backend is required")


def _service_port(found: Findings, path: str, port: Object) -> None:
    name, number = port.get("name", ""), port.get("number", 0)
    if name and number:
        found.invalid(path, "", "cannot set both port name & port number")
    elif name:
        found.faults(f"{path}.service.port.name", name, names.port_name_faults(name))
    elif number:
        found.between(f"{path}.service.port.number", number, 1, 65535)
    else:
        found.required(path, "port name or number is required")


def _reference(found: Findings, path: str, reference: Object) -> None:
    """Another object, by group, kind and name."""
    if reference.get("apiGroup") is not None:
        found.subdomain(f"{path}.apiGroup", reference["apiGroup"])
    for part in ("kind", "name"):
        if value := reference.get(part):
            found.faults(f"{path}.{part}", value, names.path_faults(value))
        else:
            found.required(f"{path}.{part}")


def _scope(found: Findings, path: str, reference: Object) -> None:
    """Of a namespace or of the cluster, the object of parameters is where it says."""
    scope, namespace = reference.get("scope"), reference.get("namespace")
    if scope not in _SCOPES:
        found.not_supported(f"{path}.scope", scope, _SCOPES)
    elif scope == "Cluster":
        if namespace is not None:
            found.forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'")
    elif namespace is None:
        found.required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'")
    else:
        found.label(f"{path}.namespace", namespace)
