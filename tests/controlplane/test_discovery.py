"""What kubectl learns of the server: kinds, names, fields."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .plane import Plane

PROBE = """\
KIND:       Pod
VERSION:    v1

FIELD: livenessProbe <Probe>


DESCRIPTION:
    Periodic probe of container liveness. Container will be restarted if the
    probe fails. Cannot be updated. More info:
    https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle#container-probes
    Probe describes a health check to be performed against a container to
    determine whether it is alive or ready to receive traffic.

FIELDS:
  exec	<ExecAction>
    Exec specifies a command to execute in the container.

  failureThreshold	<integer>
    Minimum consecutive failures for the probe to be considered failed after
    having succeeded. Defaults to 3. Minimum value is 1.
"""


def test_kinds_are_listed_with_their_short_names(plane: Plane) -> None:
    lines = [line.split() for line in plane.ok("api-resources").splitlines()[1:]]

    assert ["pods", "po", "v1", "true", "Pod"] in lines
    assert ["nodes", "no", "v1", "false", "Node"] in lines
    assert ["leases", "coordination.k8s.io/v1", "true", "Lease"] in lines
    assert ["events", "ev", "events.k8s.io/v1", "true", "Event"] in lines


#: What the real server has and this one has not: custom resources and older forms.
NOT_SERVED = {"apiextensions.k8s.io/v1", "autoscaling/v1"}
#: What reaches into nodes has its own tests.
OTHER_KINDS = {"bindings"}
OTHER_SUBRESOURCES = {"proxy", "resize"}
RECORDED = json.loads((Path(__file__).parent / "data/discovery.json").read_text())
COMPARED = [
    pytest.param(group_version, plural, id=f"{group_version}/{plural}")
    for group_version, kinds in RECORDED.items()
    if group_version not in NOT_SERVED
    for plural in kinds
    if plural not in OTHER_KINDS
]


def test_versions_are_listed_as_recorded(plane: Plane) -> None:
    recorded = {version.removeprefix("/") for version in RECORDED} - NOT_SERVED

    assert set(plane.ok("api-versions").split()) == recorded


@pytest.fixture(scope="module")
def discovered(plane: Plane) -> dict[tuple[str, str], Any]:
    """What the server says of each kind, by group and version, and plural."""
    aggregated = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}
    documents = [plane.request("GET", root, headers=aggregated)[1] for root in ("/api", "/apis")]
    return {
        (f"{group['metadata'].get('name', '')}/{version['version']}", resource["resource"]): resource
        for document in documents
        for group in document["items"]
        for version in group["versions"]
        for resource in version["resources"]
    }


@pytest.mark.parametrize(("group_version", "plural"), COMPARED)
def test_a_kind_is_told_of_as_recorded(
    discovered: dict[tuple[str, str], Any], group_version: str, plural: str
) -> None:
    found, recorded = discovered[group_version, plural], RECORDED[group_version][plural]
    for resource in (found, recorded):
        parts = [s for s in resource.get("subresources", ()) if s["subresource"] not in OTHER_SUBRESOURCES]
        resource["subresources"] = [{**part, "verbs": sorted(part["verbs"])} for part in parts]

    assert found == recorded


def test_both_forms_of_discovery_tell_the_same(plane: Plane) -> None:
    aggregated = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}
    documents = [plane.request("GET", root, headers=aggregated)[1] for root in ("/api", "/apis")]
    new = {
        (group["metadata"].get("name", ""), resource["resource"])
        for document in documents
        for group in document["items"]
        for version in group["versions"]
        for resource in version["resources"]
    }

    groups = {g["name"]: g["preferredVersion"]["version"] for g in plane.request("GET", "/apis")[1]["groups"]}
    old = set()
    for group, version in {"": "v1", **groups}.items():
        path = f"/apis/{group}/{version}" if group else "/api/v1"
        resources = plane.request("GET", path)[1]["resources"]
        old |= {(group, resource["name"]) for resource in resources if "/" not in resource["name"]}

    assert new == old


def test_fields_are_explained_as_recorded(plane: Plane) -> None:
    lines = plane.ok("explain", "pod.spec.containers.livenessProbe").splitlines()

    assert "\n".join(line.rstrip() for line in lines).startswith(PROBE)


def test_no_warning_disturbs_ordinary_work(plane: Plane) -> None:
    for arguments in (("get", "all", "-A"), ("version",), ("cluster-info",), ("api-resources",)):
        result = plane.kubectl(*arguments)
        assert (result.returncode, result.stderr) == (0, "")


def test_the_server_says_its_version(plane: Plane) -> None:
    assert "Server Version: v1.36.2\n" in plane.ok("version")


def test_the_older_openapi_document_has_every_kind(plane: Plane) -> None:
    status, document = plane.request("GET", "/openapi/v2")

    assert status == 200
    assert "io.k8s.api.core.v1.Pod" in document["definitions"]
    number_or_name = document["definitions"]["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]
    assert (number_or_name["type"], number_or_name["format"]) == ("string", "int-or-string")
    assert "/api/v1/namespaces/{namespace}/pods/{name}" in document["paths"]


def test_the_root_lists_the_paths_that_can_be_asked_for(plane: Plane) -> None:
    status, document = plane.request("GET", "/")

    paths = document["paths"]
    assert (status, paths) == (200, sorted(paths))
    answers = {path: plane.request("GET", path)[0] for path in paths if not path.startswith("/api")}
    assert set(answers.values()) == {200}
    assert {"/flagz", "/healthz/etcd", "/readyz/poststarthook/rbac/bootstrap-roles"} <= answers.keys()


def test_a_path_nobody_serves_is_not_found(plane: Plane) -> None:
    assert plane.request("GET", "/apis/nope.example.com/v1")[0] == 404
    assert plane.request("GET", "/api/v1/nonsense")[1]["message"] == (
        "the server could not find the requested resource"
    )


def test_a_method_nobody_serves_is_refused(plane: Plane) -> None:
    status, answer = plane.request("POST", "/api/v1/namespaces/default/pods/web", {})

    assert (status, answer["reason"]) == (405, "MethodNotAllowed")


def test_a_node_can_be_described(plane: Plane, node_uid: str) -> None:
    result = plane.kubectl("describe", "node", "cks-control-plane")

    assert node_uid
    assert (result.returncode, result.stderr) == (0, "")
    assert "Roles:              control-plane\n" in result.stdout
