"""Ordinary work with real kubectl: every verb, and the words for what goes wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .plane import Plane, pod

CONFIGMAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: app}
data: {a: "%s"}
"""


def test_what_is_created_can_be_read_changed_and_deleted(plane: Plane, namespace: str) -> None:
    work = ["-n", namespace]

    assert plane.ok(*work, "create", "configmap", "app", "--from-literal=a=1") == "configmap/app created\n"
    assert plane.ok(*work, "get", "configmap", "app", "-o", "jsonpath={.data.a}") == "1"
    assert plane.ok(*work, "label", "configmap", "app", "x=y") == "configmap/app labeled\n"
    assert plane.ok(*work, "get", "configmap", "-l", "x=y", "-o", "name") == "configmap/app\n"
    assert plane.ok(*work, "delete", "configmap", "app") == (
        f'configmap "app" deleted from {namespace} namespace\n'
    )
    assert plane.kubectl(*work, "get", "configmap", "app").stderr == (
        'Error from server (NotFound): configmaps "app" not found\n'
    )


@pytest.mark.parametrize(
    ("create", "out"),
    [
        (("namespace", "spare-namespace"), "namespace/spare-namespace created\n"),
        (("secret", "generic", "s", "--from-literal=a=b"), "secret/s created\n"),
        (("serviceaccount", "robot"), "serviceaccount/robot created\n"),
        (("service", "clusterip", "web", "--tcp=80:8080"), "service/web created\n"),
        (
            ("priorityclass", "spare-class", "--value=7"),
            "priorityclass.scheduling.k8s.io/spare-class created\n",
        ),
    ],
)
def test_typed_clients_may_send_protobuf(
    plane: Plane, namespace: str, create: tuple[str, ...], out: str
) -> None:
    name = create[2] if create[0] in ("secret", "service") else create[1]

    assert plane.ok("-n", namespace, "create", *create) == out
    assert plane.ok("-n", namespace, "delete", create[0], name, "--wait=false").startswith(create[0])


def test_secrets_sent_as_protobuf_are_what_was_sent(plane: Plane, namespace: str) -> None:
    plane.ok("-n", namespace, "create", "secret", "generic", "s", "--from-literal=key=väl")

    stored = json.loads(plane.ok("-n", namespace, "get", "secret", "s", "-o", "json"))

    assert (stored["data"], stored["type"]) == ({"key": "dsOkbA=="}, "Opaque")


def test_apply_creates_configures_and_leaves_alone(plane: Plane, namespace: str) -> None:
    words = [
        plane.ok("-n", namespace, "apply", "-f", "-", stdin=CONFIGMAP % value) for value in ("1", "2", "2")
    ]

    assert words == ["configmap/app created\n", "configmap/app configured\n", "configmap/app unchanged\n"]


def test_creating_twice_says_already_exists(plane: Plane, namespace: str) -> None:
    plane.ok("-n", namespace, "create", "-f", "-", stdin=CONFIGMAP % "1")

    result = plane.kubectl("-n", namespace, "create", "-f", "-", stdin=CONFIGMAP % "1")

    assert result.stderr == (
        'Error from server (AlreadyExists): error when creating "STDIN": configmaps "app" already exists\n'
    )


def test_replacing_an_old_version_is_a_conflict(plane: Plane, namespace: str) -> None:
    plane.ok("-n", namespace, "create", "-f", "-", stdin=CONFIGMAP % "1")
    old = plane.ok("-n", namespace, "get", "configmap", "app", "-o", "yaml")
    plane.ok("-n", namespace, "label", "configmap", "app", "x=y")

    result = plane.kubectl("-n", namespace, "replace", "-f", "-", stdin=old)

    assert result.stderr == (
        'Error from server (Conflict): error when replacing "STDIN": Operation cannot be fulfilled on '
        "configmaps "
        '"app": the object has been modified; please apply your changes to the latest version and try again\n'
    )


def test_an_editor_changes_an_object(plane: Plane, namespace: str, tmp_path: Path) -> None:
    plane.ok("-n", namespace, "create", "-f", "-", stdin=CONFIGMAP % "before")
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i s/before/after/ "$1"\n')
    editor.chmod(0o755)

    result = plane.kubectl("-n", namespace, "edit", "configmap", "app", env={"KUBE_EDITOR": str(editor)})

    assert result.stdout == "configmap/app edited\n"
    assert plane.ok("-n", namespace, "get", "configmap", "app", "-o", "jsonpath={.data.a}") == "after"


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("strategic", '{"data":{"b":"2"}}'),
        ("merge", '{"data":{"b":"2"}}'),
        ("json", '[{"op":"add","path":"/data/b","value":"2"}]'),
    ],
)
def test_all_kinds_of_patches(plane: Plane, namespace: str, kind: str, patch: str) -> None:
    plane.ok("-n", namespace, "create", "-f", "-", stdin=CONFIGMAP % "1")

    out = plane.ok("-n", namespace, "patch", "configmap", "app", f"--type={kind}", "-p", patch)

    assert out == "configmap/app patched\n"
    assert (
        plane.ok("-n", namespace, "get", "configmap", "app", "-o", "jsonpath={.data}") == '{"a":"1","b":"2"}'
    )


def test_a_patch_that_changes_nothing_writes_nothing(plane: Plane, namespace: str) -> None:
    plane.ok("-n", namespace, "create", "-f", "-", stdin=CONFIGMAP % "1")
    read = ("-n", namespace, "get", "configmap", "app", "-o", "jsonpath={.metadata.resourceVersion}")
    before = plane.ok(*read)

    out = plane.ok("-n", namespace, "patch", "configmap", "app", "-p", '{"data":{"a":"1"}}')

    assert out == "configmap/app patched (no change)\n"
    assert plane.ok(*read) == before


@pytest.mark.parametrize("mode", ["client", "server"])
def test_a_dry_run_stores_nothing(plane: Plane, namespace: str, mode: str) -> None:
    out = plane.ok("-n", namespace, "create", f"--dry-run={mode}", "-f", "-", stdin=CONFIGMAP % "1")

    assert out == (
        "configmap/app created (dry run)\n"
        if mode == "client"
        else "configmap/app created (server dry run)\n"
    )
    assert plane.kubectl("-n", namespace, "get", "configmap", "app").returncode == 1


def test_generated_names_differ(plane: Plane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"

    made = [plane.request("POST", path, {"metadata": {"generateName": "app-"}})[1] for _ in range(3)]

    names = {obj["metadata"]["name"] for obj in made}
    assert len(names) == 3
    assert all(name.startswith("app-") and len(name) == 9 for name in names)


def test_lists_come_in_pieces_of_one_revision(plane: Plane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    for name in ("a", "b", "c"):
        plane.request("POST", path, {"metadata": {"name": name}})

    _, first = plane.request("GET", f"{path}?limit=2")
    plane.request("POST", path, {"metadata": {"name": "d"}})
    _, rest = plane.request("GET", f"{path}?limit=2&continue={first['metadata']['continue']}")

    assert [item["metadata"]["name"] for item in first["items"] + rest["items"]] == ["a", "b", "c"]
    assert first["metadata"]["remainingItemCount"] == 1
    assert rest["metadata"] == {"resourceVersion": first["metadata"]["resourceVersion"]}


def test_a_list_of_any_version_comes_in_one_piece(plane: Plane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    for name in ("a", "b", "c"):
        plane.request("POST", path, {"metadata": {"name": name}})

    _, listed = plane.request("GET", f"{path}?limit=2&resourceVersion=0")

    assert [item["metadata"]["name"] for item in listed["items"]] == ["a", "b", "c"]
    assert listed["metadata"].keys() == {"resourceVersion"}


def test_unknown_fields_are_refused_when_validation_is_strict(plane: Plane, namespace: str) -> None:
    wrong = pod("bad", namespace, foo=1)
    wrong["spec"]["containers"][0]["imagepullpolicy"] = "Always"

    result = plane.kubectl("create", "-f", "-", stdin=json.dumps(wrong))

    assert result.stderr == (
        'Error from server (BadRequest): error when creating "STDIN": Pod in version "v1" cannot be '
        "handled as a "
        'Pod: strict decoding error: unknown field "spec.containers[0].imagepullpolicy", unknown field '
        '"spec.foo"\n'
    )


def test_unknown_fields_are_told_of_and_dropped_otherwise(plane: Plane, namespace: str) -> None:
    result = plane.kubectl(
        "create", "--validate=warn", "-f", "-", stdin=json.dumps(pod("bad", namespace, foo=1))
    )

    assert result.stderr == 'Warning: unknown field "spec.foo"\n'
    assert "foo" not in json.loads(plane.ok("-n", namespace, "get", "pod", "bad", "-o", "json"))["spec"]


def test_a_wrong_type_is_named(plane: Plane, namespace: str) -> None:
    status, answer = plane.request(
        "POST", f"/api/v1/namespaces/{namespace}/pods", pod("bad", namespace, hostNetwork="yes")
    )

    assert status == 400
    assert answer["message"] == (
        'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal string into Go struct field '
        "PodSpec.spec.hostNetwork of type bool"
    )


def test_what_is_missing_in_a_pod_is_named(plane: Plane, namespace: str) -> None:
    wrong = pod("bad", namespace)
    wrong["spec"]["containers"] = [{"name": "Main"}]

    result = plane.kubectl("create", "-f", "-", stdin=json.dumps(wrong))

    assert result.stderr.startswith('The Pod "bad" is invalid: ')
    assert "* spec.containers[0].image: Required value" in result.stderr
    assert (
        '* spec.containers[0].name: Invalid value: "Main": a lowercase RFC 1123 label must consist of'
        in result.stderr
    )


def test_ordinary_pods_get_the_recorded_defaults(plane: Plane, namespace: str) -> None:
    plane.ok("-n", namespace, "run", "usual", "--image=busybox:1.36", "--", "sleep", "100000")

    stored = json.loads(plane.ok("-n", namespace, "get", "pod", "usual", "-o", "json"))

    assert stored["spec"]["tolerations"] == [
        {"effect": "NoExecute", "key": key, "operator": "Exists", "tolerationSeconds": 300}
        for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
    ]
    assert stored["spec"]["terminationGracePeriodSeconds"] == 30
    assert stored["metadata"]["labels"] == {"run": "usual"}


def test_a_pod_without_a_node_is_deleted_at_once(plane: Plane, namespace: str) -> None:
    plane.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod("waiting", namespace))

    out = plane.ok("-n", namespace, "delete", "pod", "waiting")

    assert out == f'pod "waiting" deleted from {namespace} namespace\n'


def test_a_second_deletion_can_only_shorten_the_first(plane: Plane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    plane.request("POST", path, pod("web", namespace, nodeName="somewhere"))

    def grace_after(seconds: int) -> int:
        plane.request("DELETE", f"{path}/web?gracePeriodSeconds={seconds}")
        return int(plane.request("GET", f"{path}/web")[1]["metadata"]["deletionGracePeriodSeconds"])

    assert [grace_after(seconds) for seconds in (20, 30, 5)] == [20, 20, 5]
    plane.request("DELETE", f"{path}/web?gracePeriodSeconds=0")
    assert plane.request("GET", f"{path}/web")[0] == 404


def test_a_finalizer_keeps_an_object_until_it_is_taken_off(plane: Plane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    plane.request("POST", path, {"metadata": {"name": "kept", "finalizers": ["example.com/keep"]}})

    plane.request("DELETE", f"{path}/kept")
    going = plane.request("GET", f"{path}/kept")[1]
    plane.ok(
        "-n",
        namespace,
        "patch",
        "configmap",
        "kept",
        "--type=merge",
        "-p",
        '{"metadata":{"finalizers":null}}',
    )

    assert "deletionTimestamp" in going["metadata"]
    assert plane.request("GET", f"{path}/kept")[0] == 404


def test_nothing_is_created_in_a_namespace_that_is_missing_or_going(plane: Plane, namespace: str) -> None:
    missing = plane.kubectl("-n", "nowhere", "create", "configmap", "a")
    plane.request(
        "POST",
        f"/api/v1/namespaces/{namespace}/pods",
        {**pod("stays", namespace), "metadata": {"name": "stays", "finalizers": ["example.com/keep"]}},
    )
    plane.request("DELETE", f"/api/v1/namespaces/{namespace}")
    going = plane.kubectl("-n", namespace, "create", "configmap", "a")
    plane.ok(
        "-n", namespace, "patch", "pod", "stays", "--type=merge", "-p", '{"metadata":{"finalizers":null}}'
    )

    assert missing.stderr == 'error: failed to create configmap: namespaces "nowhere" not found\n'
    assert going.stderr == (
        f'error: failed to create configmap: configmaps "a" is forbidden: unable to create new content in '
        "namespace "
        f"{namespace} because it is being terminated\n"
    )


def test_system_namespaces_stay(plane: Plane) -> None:
    result = plane.kubectl("delete", "namespace", "kube-system")

    assert result.stderr == (
        'Error from server (Forbidden): namespaces "kube-system" is forbidden: this namespace may not be '
        "deleted\n"
    )


def test_events_are_shown_by_both_api_groups(plane: Plane, namespace: str) -> None:
    event = {
        "metadata": {"name": "web.1"},
        "involvedObject": {
            "kind": "Pod",
            "name": "web",
            "namespace": namespace,
            "fieldPath": "spec.containers{main}",
        },
        "reason": "Started",
        "message": "Container started",
        "source": {"component": "kubelet", "host": "cks-control-plane"},
        "type": "Normal",
        "count": 1,
    }
    plane.request("POST", f"/api/v1/namespaces/{namespace}/events", event)

    _, new = plane.request("GET", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events/web.1")
    selected = plane.ok(
        "-n", namespace, "get", "events", "--field-selector=involvedObject.name=web", "-o", "name"
    )

    assert (new["regarding"]["name"], new["note"]) == ("web", "Container started")
    assert new["deprecatedSource"] == event["source"]
    assert selected == "event/web.1\n"


def test_a_bound_pod_has_its_node(plane: Plane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    plane.request("POST", path, pod("web", namespace))
    binding = {"metadata": {"name": "web"}, "target": {"kind": "Node", "name": "worker"}}

    first, _ = plane.request("POST", f"{path}/web/binding", binding)
    second, why = plane.request("POST", f"{path}/web/binding", binding)

    assert (first, second) == (201, 409)
    assert 'pod web is already assigned to node "worker"' in why["message"]
    assert plane.request("GET", f"{path}/web")[1]["spec"]["nodeName"] == "worker"


def test_ephemeral_containers_are_put_beside_the_others_and_nothing_else_changes(
    plane: Plane, namespace: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    plane.request("POST", path, pod("web", namespace))
    debug = {"name": "debug", "image": "busybox:1.36"}
    patch = {"spec": {"nodeName": "stolen", "ephemeralContainers": [debug]}}
    headers = {"Content-Type": "application/strategic-merge-patch+json"}

    status, changed = plane.request("PATCH", f"{path}/web/ephemeralcontainers", patch, headers=headers)
    without = {"spec": {"ephemeralContainers": []}}
    merge = {"Content-Type": "application/merge-patch+json"}
    refused = plane.request("PATCH", f"{path}/web/ephemeralcontainers", without, headers=merge)[1]

    assert status == 200
    assert changed["spec"]["ephemeralContainers"][0]["name"] == "debug"
    assert "nodeName" not in changed["spec"]
    assert "spec.ephemeralContainers: Forbidden: existing ephemeral containers" in refused["message"]
