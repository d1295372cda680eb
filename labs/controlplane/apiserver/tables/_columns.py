"""Tables of any kind: the real server's columns, rows, and the object's metadata with each row."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources as files
from typing import Any

from ..resources import Resource
from . import _others, _pods, _records, _workloads

Object = dict[str, Any]
Cells = Callable[[Object], list[Any]]

_CELLS: dict[str, Cells] = {
    "/componentstatuses": _records.component_status,
    "/configmaps": _records.configmap,
    "/endpoints": _records.endpoints,
    "/events": _records.event,
    "/namespaces": _records.namespace,
    "/nodes": _records.node,
    "/persistentvolumeclaims": _others.claim,
    "/persistentvolumes": _others.volume,
    "/pods": _pods.cells,
    "/podtemplates": _workloads.pod_template,
    "/replicationcontrollers": _workloads.replica_set,
    "/resourcequotas": _others.quota,
    "/secrets": _records.secret,
    "/services": _records.service,
    "admissionregistration.k8s.io/mutatingadmissionpolicies": _others.admission_policy,
    "admissionregistration.k8s.io/mutatingadmissionpolicybindings": _others.admission_binding,
    "admissionregistration.k8s.io/mutatingwebhookconfigurations": _others.webhooks,
    "admissionregistration.k8s.io/validatingadmissionpolicies": _others.admission_policy,
    "admissionregistration.k8s.io/validatingadmissionpolicybindings": _others.admission_binding,
    "admissionregistration.k8s.io/validatingwebhookconfigurations": _others.webhooks,
    "apiregistration.k8s.io/apiservices": _others.api_service,
    "apps/controllerrevisions": _workloads.controller_revision,
    "apps/daemonsets": _workloads.daemon_set,
    "apps/deployments": _workloads.deployment,
    "apps/replicasets": _workloads.replica_set,
    "apps/statefulsets": _workloads.stateful_set,
    "autoscaling/horizontalpodautoscalers": _others.autoscaler,
    "batch/cronjobs": _workloads.cron_job,
    "batch/jobs": _workloads.job,
    "certificates.k8s.io/certificatesigningrequests": _others.signing_request,
    "coordination.k8s.io/leases": _records.lease,
    "discovery.k8s.io/endpointslices": _others.endpoint_slice,
    "events.k8s.io/events": _records.event,
    "flowcontrol.apiserver.k8s.io/flowschemas": _others.flow_schema,
    "flowcontrol.apiserver.k8s.io/prioritylevelconfigurations": _others.priority_level,
    "networking.k8s.io/ingressclasses": _others.ingress_class,
    "networking.k8s.io/ingresses": _others.ingress,
    "networking.k8s.io/ipaddresses": _others.ip_address,
    "networking.k8s.io/networkpolicies": _others.network_policy,
    "networking.k8s.io/servicecidrs": _others.service_cidr,
    "node.k8s.io/runtimeclasses": _others.runtime_class,
    "policy/poddisruptionbudgets": _others.disruption_budget,
    "rbac.authorization.k8s.io/clusterrolebindings": _others.binding,
    "rbac.authorization.k8s.io/rolebindings": _others.binding,
    "resource.k8s.io/resourceclaims": _others.resource_claim,
    "resource.k8s.io/resourceslices": _others.resource_slice,
    "scheduling.k8s.io/priorityclasses": _records.priority_class,
    "storage.k8s.io/csidrivers": _others.csi_driver,
    "storage.k8s.io/csinodes": _others.csi_node,
    "storage.k8s.io/storageclasses": _others.storage_class,
    "storage.k8s.io/volumeattachments": _others.volume_attachment,
    "storage.k8s.io/volumeattributesclasses": _others.volume_attributes_class,
}
#: Kinds without columns of their own: their name and when they were made.
_DATED = [["Name", "string", "name", "", 0], ["Created At", "date", "", "", 0]]


@cache
def _headings() -> dict[str, list[list[Any]]]:
    text = files.files("labs.controlplane.schemas").joinpath("columns.json").read_bytes()
    found: dict[str, list[list[Any]]] = json.loads(text)
    return found


def _definitions(kind: str) -> list[Object]:
    parts = ("name", "type", "format", "description", "priority")
    return [dict(zip(parts, column, strict=True)) for column in _headings().get(kind, _DATED)]


def _cells(kind: str) -> Cells:
    if kind in _CELLS:
        return _CELLS[kind]
    dated = _headings().get(kind, _DATED)[-1][0] == "Created At"
    return _records.dated if dated else _records.plain


def table(
    resource: Resource, objects: Sequence[Object], include: str, metadata: Object, *, headings: bool = True
) -> Object:
    """Objects as a `meta.k8s.io/v1` Table; `include` says how much of each object goes along."""
    kind = f"{resource.group}/{resource.plural}"
    cells = _cells(kind)
    result: Object = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
    result["columnDefinitions"] = _definitions(kind) if headings else None
    result["rows"] = [table_row(cells(obj), obj, include) for obj in objects]
    return result


def table_row(cells: list[Any], obj: Object, include: str) -> Object:
    """One row."""
    row: Object = {"cells": cells}
    if include == "Object":
        row["object"] = obj
    elif include != "None":
        row["object"] = {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": obj["metadata"],
        }
    return row
