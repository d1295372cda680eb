"""Mirror pods as the API sees them: facts 41-49 and 56, with the real server's words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .plane import NODE, Plane, mirror, pod

NAME = f"web-{NODE}"
FROZEN = (
    "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
    "existing "
    "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously "
    "negative)"
)
MIRROR_ANNOTATION = "metadata.annotations[kubernetes.io/config.mirror]"


@pytest.fixture
def created(plane: Plane, namespace: str, node_uid: str) -> dict[str, Any]:
    """A mirror, made by the node."""
    return _create(plane, mirror("web", node_uid, namespace), expect=201)


def _create(plane: Plane, obj: dict[str, Any], *, expect: int, user: str = "node") -> dict[str, Any]:
    path = f"/api/v1/namespaces/{obj['metadata']['namespace']}/pods"
    status, answer = plane.request("POST", path, obj, user=user)
    assert status == expect, answer
    return dict(answer)


def test_a_mirror_is_stored_as_recorded(created: dict[str, Any]) -> None:
    expected_spec = {
        "containers": [
            {
                "command": ["sleep", "100000"],
                "image": "busybox:1.36",
                "imagePullPolicy": "IfNotPresent",
                "name": "main",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "nodeName": NODE,
        "preemptionPolicy": "PreemptLowerPriority",
        "priority": 0,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 1,
        "tolerations": [{"effect": "NoExecute", "operator": "Exists"}],
    }

    assert expected_spec == created["spec"]
    assert created["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert created["metadata"]["generation"] == 1


def test_fact_42_its_uid_is_not_the_hash(created: dict[str, Any]) -> None:
    assert created["metadata"]["uid"] != created["metadata"]["annotations"]["kubernetes.io/config.hash"]
    assert len(created["metadata"]["uid"]) == 36


def test_creating_it_again_is_already_exists(
    plane: Plane, namespace: str, node_uid: str, created: dict[str, Any]
) -> None:
    answer = _create(plane, mirror("web", node_uid, namespace), expect=409)

    assert answer["message"] == f'pods "{NAME}" already exists'
    assert answer["details"] == {"name": NAME, "kind": "pods"}


def test_a_priority_class_that_is_missing_refuses_the_mirror(
    plane: Plane, namespace: str, node_uid: str
) -> None:
    answer = _create(plane, mirror("web", node_uid, namespace, priorityClassName="not-yet-there"), expect=403)

    assert answer["message"] == (
        f'pods "{NAME}" is forbidden: no PriorityClass with name not-yet-there was found'
    )


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"runtimeClassName": "kata"}, 'RuntimeClass "kata" not found'),
        (
            {"overhead": {"cpu": "1m"}},
            "Pod Overhead set without corresponding RuntimeClass defined Overhead",
        ),
    ],
)
def test_a_runtime_class_that_is_missing_refuses_the_mirror(
    plane: Plane, namespace: str, node_uid: str, spec: dict[str, Any], why: str
) -> None:
    answer = _create(plane, mirror("web", node_uid, namespace, **spec), expect=403)

    assert answer["message"] == f'pods "{NAME}" is forbidden: pod rejected: {why}'


def test_critical_pods_get_their_priority(plane: Plane, namespace: str, node_uid: str) -> None:
    critical = mirror(
        "etcd", node_uid, namespace, priorityClassName="system-node-critical", priority=2000001000
    )

    assert _create(plane, critical, expect=201)["spec"]["priority"] == 2000001000


def test_fact_46_a_mirror_takes_no_ephemeral_containers(
    plane: Plane, namespace: str, created: dict[str, Any]
) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods/{NAME}"
    debug = {"spec": {"ephemeralContainers": [{"name": "debugger", "image": "busybox:1.36"}]}}
    headers = {"Content-Type": "application/strategic-merge-patch+json"}

    status, answer = plane.request("PATCH", f"{path}/ephemeralcontainers", debug, headers=headers)

    assert (status, answer["reason"]) == (422, "Invalid")
    assert answer["message"].endswith("Forbidden: static pods do not support ephemeral containers")
    assert plane.request("GET", path)[1]["spec"] == created["spec"]


def test_fact_47_a_missing_namespace_refuses_the_mirror(plane: Plane, node_uid: str) -> None:
    answer = _create(plane, mirror("web", node_uid, "nowhere"), expect=404)

    assert answer["message"] == 'namespaces "nowhere" not found'


def test_fact_45_an_image_may_be_edited_and_stays(
    plane: Plane, namespace: str, created: dict[str, Any]
) -> None:
    out = plane.ok("-n", namespace, "set", "image", f"pod/{NAME}", "main=busybox:1.37")
    stored = json.loads(plane.ok("-n", namespace, "get", "pod", NAME, "-o", "json"))

    assert out == f"pod/{NAME} image updated\n"
    assert stored["spec"]["containers"][0]["image"] == "busybox:1.37"
    assert stored["metadata"]["generation"] == 2
    assert stored["metadata"]["uid"] == created["metadata"]["uid"]


@pytest.mark.parametrize(
    ("arguments", "out"),
    [
        (("label", "pod", NAME, "tier=front"), f"pod/{NAME} labeled\n"),
        (("annotate", "pod", NAME, "note=hi"), f"pod/{NAME} annotated\n"),
        (("annotate", "--overwrite", "pod", NAME, "kubernetes.io/config.hash=x"), f"pod/{NAME} annotated\n"),
    ],
)
@pytest.mark.usefixtures("created")
def test_labels_and_other_annotations_may_change(
    plane: Plane, namespace: str, arguments: tuple[str, ...], out: str
) -> None:
    assert plane.ok("-n", namespace, *arguments) == out


@pytest.mark.usefixtures("created")
def test_the_environment_may_not_change(plane: Plane, namespace: str) -> None:
    patch = '{"spec":{"containers":[{"name":"main","env":[{"name":"X","value":"1"}]}]}}'

    result = plane.kubectl("-n", namespace, "patch", "pod", NAME, "-p", patch)

    assert result.returncode == 1
    assert result.stderr.splitlines()[0] == f'The Pod "{NAME}" is invalid: {FROZEN}'


@pytest.mark.parametrize("change", ["kubernetes.io/config.mirror-", "kubernetes.io/config.mirror=x"])
@pytest.mark.usefixtures("created")
def test_fact_45_the_mirror_annotation_may_not_change(plane: Plane, namespace: str, change: str) -> None:
    result = plane.kubectl("-n", namespace, "annotate", "--overwrite", "pod", NAME, change)

    why = f"{MIRROR_ANNOTATION}: Forbidden: may not remove or update mirror pod annotation"
    expected = f'The Pod "{NAME}" is invalid: {why}\n'
    assert expected == result.stderr


def test_an_ordinary_pod_cannot_become_a_mirror(plane: Plane, namespace: str) -> None:
    _create(plane, pod("usual", namespace), expect=201, user="admin")

    result = plane.kubectl("-n", namespace, "annotate", "pod", "usual", "kubernetes.io/config.mirror=x")

    expected = (
        'The Pod "usual" is invalid: \n'
        f'* {MIRROR_ANNOTATION}: Invalid value: "x": must set spec.nodeName if mirror pod annotation is set\n'
        f"* {MIRROR_ANNOTATION}: Forbidden: may not add mirror pod annotation\n"
    )
    assert expected == result.stderr


@pytest.mark.usefixtures("created")
def test_a_graceful_deletion_waits_for_the_node(plane: Plane, namespace: str) -> None:
    out = plane.ok("-n", namespace, "delete", "pod", NAME, "--wait=false")
    going = json.loads(plane.ok("-n", namespace, "get", "pod", NAME, "-o", "json"))

    assert out == f'pod "{NAME}" deleted from {namespace} namespace\n'
    assert going["metadata"]["deletionGracePeriodSeconds"] == 1
    assert going["metadata"]["generation"] == 2


@pytest.mark.usefixtures("created")
def test_a_forced_deletion_removes_it_at_once(plane: Plane, namespace: str) -> None:
    result = plane.kubectl("-n", namespace, "delete", "pod", NAME, "--force", "--grace-period=0")

    assert result.stdout == f'pod "{NAME}" force deleted from {namespace} namespace\n'
    assert result.stderr.startswith(
        "Warning: Immediate deletion does not wait for confirmation that the running resource has been "
        "terminated."
    )
    assert plane.kubectl("-n", namespace, "get", "pod", NAME).returncode == 1


def test_the_node_finishes_a_deletion_for_the_uid_it_means(
    plane: Plane, namespace: str, created: dict[str, Any]
) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods/{NAME}"
    uid = created["metadata"]["uid"]
    other = {"gracePeriodSeconds": 0, "preconditions": {"uid": "another"}}
    meant = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}

    refused, why = plane.request("DELETE", path, other, user="node")
    done, gone = plane.request("DELETE", path, meant, user="node")

    assert (refused, done) == (409, 200)
    assert why["message"] == (
        f'Operation cannot be fulfilled on Pod "{NAME}": the UID in the precondition (another) does not '
        "match the "
        f"UID in record ({uid}). The object might have been deleted and then recreated"
    )
    assert why["details"] == {"name": NAME, "kind": "Pod"}
    assert gone["metadata"]["deletionGracePeriodSeconds"] == 0


def test_the_node_writes_its_status(plane: Plane, namespace: str, created: dict[str, Any]) -> None:
    patch = {
        "metadata": {"uid": created["metadata"]["uid"]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "podIP": "10.244.0.116",
        },
    }

    status, answer = plane.request(
        "PATCH",
        f"/api/v1/namespaces/{namespace}/pods/{NAME}/status",
        patch,
        user="node",
        headers={"Content-Type": "application/strategic-merge-patch+json"},
    )

    assert status == 200
    assert answer["status"]["phase"] == "Running"
    assert answer["status"]["qosClass"] == "BestEffort"
    assert answer["metadata"]["generation"] == 1


def test_a_status_for_another_uid_is_refused(plane: Plane, namespace: str, created: dict[str, Any]) -> None:
    status, answer = plane.request(
        "PATCH",
        f"/api/v1/namespaces/{namespace}/pods/{NAME}/status",
        {"metadata": {"uid": "another"}, "status": {"phase": "Running"}},
        user="node",
        headers={"Content-Type": "application/strategic-merge-patch+json"},
    )

    assert status == 422
    assert 'metadata.uid: Invalid value: "another": field is immutable' in answer["message"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            {"metadata": {"annotations": None}},
            f'pod does not have "kubernetes.io/config.mirror" annotation, node "{NODE}" can only create '
            "mirror pods",
        ),
        (
            {"spec": {"nodeName": "worker"}},
            f'node "{NODE}" can only create pods with spec.nodeName set to itself',
        ),
        (
            {"metadata": {"ownerReferences": []}},
            f'node "{NODE}" can only create pods with an owner reference set to itself',
        ),
        (
            {"metadata": {"ownerReferences": [{"controller": False}]}},
            f'node "{NODE}" can only create pods with a controller owner reference set to itself',
        ),
        (
            {"metadata": {"ownerReferences": [{"blockOwnerDeletion": True}]}},
            f'node "{NODE}" must not set blockOwnerDeletion on an owner reference',
        ),
        (
            {"spec": {"serviceAccountName": "default"}},
            "a mirror pod may not reference service accounts",
        ),
    ],
)
def test_fact_56_a_node_creates_nothing_but_mirrors_of_its_own(
    plane: Plane, namespace: str, node_uid: str, change: dict[str, Any], why: str
) -> None:
    wanted = mirror("web", node_uid, namespace)
    for part, values in change.items():
        for name, value in values.items():
            if name == "ownerReferences" and value:
                wanted[part][name][0].update(value[0])
            else:
                wanted[part][name] = value

    answer = _create(plane, wanted, expect=403)

    assert answer["message"] == f'pods "{NAME}" is forbidden: {why}'


def test_fact_56_a_node_does_not_delete_other_nodes_pods(
    plane: Plane, namespace: str, created: dict[str, Any]
) -> None:
    status, answer = plane.request("DELETE", f"/api/v1/namespaces/{namespace}/pods/{NAME}", user="other-node")

    assert status == 403
    assert answer["message"] == (
        f'pods "{NAME}" is forbidden: node "worker" can only delete pods with spec.nodeName set to itself'
    )


def test_fact_58_a_node_creates_no_pod_with_resource_claims(
    plane: Plane, namespace: str, node_uid: str
) -> None:
    claims = [{"name": "a", "resourceClaimName": "b"}]

    answer = _create(plane, mirror("web", node_uid, namespace, resourceClaims=claims), expect=403)

    why = f'node "{NODE}" can not create pods that reference resourceclaims'
    assert answer["message"] == f'pods "{NAME}" is forbidden: {why}'
