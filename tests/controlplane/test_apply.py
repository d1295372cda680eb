"""Server-side apply with real kubectl: who manages what, and the real server's words for conflicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .plane import Plane

#: Configurations that kube-apiserver 1.36.2 was asked to apply as the object `a`, which was not there.
RECORDED = [
    json.loads(line) for line in (Path(__file__).parent / "data/odd_applies.jsonl").read_text().splitlines()
]

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: s}
spec:
  replicas: 2
  selector: {matchLabels: {app: d}}
  template:
    metadata: {labels: {app: d}}
    spec: {containers: [{name: c, image: x, ports: [{containerPort: 80}]}]}
"""
MORE = DEPLOYMENT.replace("replicas: 2", "replicas: 4")
WITHOUT = DEPLOYMENT.replace("  replicas: 2\n", "")
CONTAINER = {
    'k:{"name":"c"}': {
        ".": {},
        "f:image": {},
        "f:name": {},
        "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
    }
}
TEMPLATE = {"f:metadata": {"f:labels": {"f:app": {}}}, "f:spec": {"f:containers": CONTAINER}}


def apply(plane: Plane, namespace: str, text: str, *options: str) -> tuple[int, str]:
    """The exit status of `kubectl apply --server-side` and the first line of what it says."""
    result = plane.kubectl("-n", namespace, "apply", "--server-side", "-f", "-", *options, stdin=text)
    return result.returncode, (result.stdout + result.stderr).partition("\nPlease review")[0].rstrip()


def managers(plane: Plane, namespace: str) -> list[dict[str, Any]]:
    """The managed fields, in their order and without times."""
    shown = plane.ok("-n", namespace, "get", "deploy", "s", "-o", "json", "--show-managed-fields")
    return [
        {part: value for part, value in entry.items() if part not in ("time", "fieldsType", "apiVersion")}
        for entry in json.loads(shown)["metadata"]["managedFields"]
    ]


def test_applying_creates_and_notes_only_what_was_applied(plane: Plane, namespace: str) -> None:
    first = apply(plane, namespace, DEPLOYMENT)
    second = apply(plane, namespace, DEPLOYMENT)

    assert first == second == (0, "deployment.apps/s serverside-applied")
    assert managers(plane, namespace) == [
        {
            "manager": "kubectl",
            "operation": "Apply",
            "fieldsV1": {"f:spec": {"f:replicas": {}, "f:selector": {}, "f:template": TEMPLATE}},
        }
    ]


def test_what_another_manages_is_a_conflict_until_it_is_forced(plane: Plane, namespace: str) -> None:
    apply(plane, namespace, DEPLOYMENT)
    plane.ok("-n", namespace, "scale", "deploy", "s", "--replicas=3")

    refused = apply(plane, namespace, MORE, "--field-manager=other")
    forced = apply(plane, namespace, MORE, "--field-manager=other", "--force-conflicts")

    assert refused == (
        1,
        'error: Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" '
        "using apps/v1: .spec.replicas",
    )
    assert forced == (0, "deployment.apps/s serverside-applied")
    assert plane.ok("-n", namespace, "get", "deploy", "s", "-o", "jsonpath={.spec.replicas}") == "4"


def test_conflicts_are_listed_by_manager(plane: Plane, namespace: str) -> None:
    apply(plane, namespace, DEPLOYMENT)
    plane.ok("-n", namespace, "scale", "deploy", "s", "--replicas=3")

    refused = apply(plane, namespace, MORE.replace("image: x", "image: z"), "--field-manager=other")

    assert refused[1] == (
        'error: Apply failed with 2 conflicts: conflicts with "kubectl":\n'
        '- .spec.template.spec.containers[name="c"].image\n'
        'conflicts with "kubectl" with subresource "scale" using apps/v1:\n'
        "- .spec.replicas"
    )


def test_what_is_applied_no_more_goes_unless_another_manages_it(plane: Plane, namespace: str) -> None:
    labelled = DEPLOYMENT.replace("{name: s}", "{name: s, labels: {a: b, c: d}}")
    apply(plane, namespace, labelled)
    apply(plane, namespace, labelled.replace("a: b, ", ""), "--field-manager=other")

    apply(plane, namespace, WITHOUT)

    assert plane.ok("-n", namespace, "get", "deploy", "s", "-o", "jsonpath={.metadata.labels}") == '{"c":"d"}'


def test_updates_are_noted_by_program_and_subresource(plane: Plane, namespace: str) -> None:
    apply(plane, namespace, WITHOUT)
    plane.ok("-n", namespace, "label", "deploy", "s", "x=y")
    patch = '{"status":{"replicas":1}}'
    plane.ok("-n", namespace, "patch", "deploy", "s", "--subresource=status", "--type=merge", "-p", patch)

    assert managers(plane, namespace)[1:] == [
        {
            "manager": "kubectl-label",
            "operation": "Update",
            "fieldsV1": {"f:metadata": {"f:labels": {".": {}, "f:x": {}}}},
        },
        {
            "manager": "kubectl-patch",
            "operation": "Update",
            "subresource": "status",
            "fieldsV1": {"f:status": {"f:replicas": {}}},
        },
    ]


def test_an_unknown_field_is_refused(plane: Plane, namespace: str) -> None:
    assert apply(plane, namespace, DEPLOYMENT.replace("replicas", "replicass")) == (
        1,
        f"Error from server: failed to create typed patch object ({namespace}/s; apps/v1, Kind=Deployment): "
        ".spec.replicass: field not declared in schema",
    )


def test_a_wrong_type_is_refused(plane: Plane, namespace: str) -> None:
    assert apply(plane, namespace, DEPLOYMENT.replace("replicas: 2", 'replicas: "2"'))[1] == (
        f"Error from server: failed to create typed patch object ({namespace}/s; apps/v1, Kind=Deployment): "
        ".spec.replicas: expected numeric (int or float), got string"
    )


def test_who_applies_must_say_its_name(plane: Plane, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/s"
    headers = {"Content-Type": "application/apply-patch+yaml"}

    status, answer = plane.request("PATCH", path, DEPLOYMENT.encode(), headers=headers)

    assert (status, answer["message"]) == (
        422,
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    )


def test_a_dry_run_applies_nothing(plane: Plane, namespace: str) -> None:
    assert apply(plane, namespace, DEPLOYMENT, "--dry-run=server") == (
        0,
        "deployment.apps/s serverside-applied (server dry run)",
    )
    assert plane.ok("-n", namespace, "get", "deploy", "-o", "name") == ""


def test_odd_configurations_are_answered_as_recorded(plane: Plane, namespace: str) -> None:
    connection = plane.connection()
    headers = {"Content-Type": "application/apply-patch+yaml"}
    answers = list[dict[str, Any]]()

    for case in RECORDED:
        group = "/apis/apps/v1" if case["resource"] == "deployments" else "/api/v1"
        path = f"{group}/namespaces/{namespace}/{case['resource']}/a"
        connection.request("PATCH", f"{path}?fieldManager=f&force=true", case["body"], headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        message = answer["message"] if answer["kind"] == "Status" else ""
        answers.append({**case, "code": response.status, "message": message})
        connection.request("DELETE", path)
        connection.getresponse().read()
    connection.close()

    assert answers == RECORDED
