"""What kubectl learns of the server: kinds, names, fields."""

from __future__ import annotations

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


def test_versions_are_listed(plane: Plane) -> None:
    assert plane.ok("api-versions").split() == [
        "coordination.k8s.io/v1",
        "events.k8s.io/v1",
        "scheduling.k8s.io/v1",
        "v1",
    ]


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

    groups = [group["name"] for group in plane.request("GET", "/apis")[1]["groups"]]
    old = set()
    for group in ("", *groups):
        path = f"/apis/{group}/v1" if group else "/api/v1"
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
    assert document["definitions"]["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] == {
        "type": "string",
        "format": "int-or-string",
    }
    assert "/api/v1/namespaces/{namespace}/pods/{name}" in document["paths"]


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
