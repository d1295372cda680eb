"""What a pod is told of itself in variables and files, and what of objects of the API."""

from typing import Any

import pytest

from labs.kubelet.api_objects import CONFIG_MAP, SECRET, ObjectError, Objects, Reference
from labs.kubelet.downward import downward_files, environment, field_value
from labs.kubelet.payload import File
from labs.kubelet.pod.model import Pod
from labs.kubelet.sources.api import pod_from_api
from tests.kubelet.node import api_pod

ALLOCATABLE = {"cpu": "2", "memory": "4000Mi", "ephemeral-storage": "10Gi", "pods": "110"}
RESOURCES = {"limits": {"cpu": "1500m", "memory": "3Mi"}, "requests": {"cpu": "250m", "memory": "1"}}


def pod_of(**container: Any) -> Pod:
    pod = api_pod(container=container, serviceAccountName="me")
    pod["metadata"] |= {"uid": "7", "labels": {"b": "2", "a": "1"}, "annotations": {"x": "y z"}}
    return pod_from_api(pod)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web"), ("metadata.namespace", "default"), ("metadata.uid", "7"),
        ("metadata.labels", 'a="1"\nb="2"'), ("metadata.annotations", 'x="y z"'),
        ("metadata.labels['a']", "1"), ("metadata.annotations['x']", "y z"), ("metadata.labels['c']", ""),
        ("metadata.annotations['a']", ""), ("spec.nodeName", "node-1"), ("spec.host", "node-1"),
        ("spec.serviceAccountName", "me"), ("status.podIP", "10.244.0.5"), ("status.hostIP", ""),
    ],
)  # fmt: skip
def test_a_field_is_what_the_pod_is_or_has_been_given(path: str, value: str) -> None:
    assert field_value(pod_of(), path, {"status.podIP": "10.244.0.5"}) == value


@pytest.mark.parametrize(
    ("resource", "divisor", "value"),
    [
        ("limits.cpu", None, "2"), ("limits.cpu", "1m", "1500"), ("limits.cpu", "1", "2"),
        ("requests.cpu", "1m", "250"), ("requests.cpu", "0", "1"), ("limits.memory", "1Mi", "3"),
        ("limits.memory", "2Mi", "2"), ("requests.memory", None, "1"), ("requests.memory", "1Mi", "1"),
        ("limits.ephemeral-storage", "1Gi", "10"), ("requests.ephemeral-storage", None, "0"),
    ],
)  # fmt: skip
def test_a_resource_is_told_in_the_unit_asked_for_and_rounded_up(
    resource: str, divisor: str | None, value: str
) -> None:
    reference = {"resource": resource, **({"divisor": divisor} if divisor else {})}
    pod = pod_of(resources=RESOURCES, env=[{"name": "A", "valueFrom": {"resourceFieldRef": reference}}])

    assert environment(pod, pod.containers[0], {}, {}, allocatable=ALLOCATABLE) == {"A": value}


def test_without_a_limit_the_nodes_is_told() -> None:
    reference = {"resource": "limits.memory", "divisor": "1Mi"}
    pod = pod_of(env=[{"name": "A", "valueFrom": {"resourceFieldRef": reference}}])

    assert environment(pod, pod.containers[0], {}, {}, allocatable=ALLOCATABLE) == {"A": "4000"}
    assert environment(pod, pod.containers[0], {}, {}) == {"A": "0"}


def test_another_containers_resources_may_be_asked_for() -> None:
    pod = api_pod(initContainers=[{"name": "i", "image": "b:1", "resources": {"limits": {"cpu": "7"}}}])
    asked = {"resourceFieldRef": {"resource": "limits.cpu", "containerName": "i"}}
    pod["spec"]["containers"][0]["env"] = [{"name": "A", "valueFrom": asked}]
    pod["metadata"]["uid"] = "7"
    made = pod_from_api(pod)

    assert environment(made, made.containers[0], {}, {}) == {"A": "7"}


def test_files_have_a_mode_of_their_own_or_the_volumes() -> None:
    pod = pod_of(resources=RESOURCES)
    reference = {"resource": "limits.cpu", "containerName": "main", "divisor": "1m"}
    items: list[dict[str, Any]] = [
        {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}},
        {"path": "cpu", "resourceFieldRef": reference, "mode": 0o400},
        {"path": "none", "resourceFieldRef": {**reference, "containerName": "gone"}},
    ]

    assert downward_files(pod, items, 0o644, ALLOCATABLE) == {
        "name": File(b"web", 0o644),
        "cpu": File(b"1500", 0o400),
    }


OBJECTS = Objects(
    {
        Reference(CONFIG_MAP, "c"): {"a": b"1", "b": b"\xff"},
        Reference(SECRET, "s"): {"a": b"2", "d": b"4"},
    },
)


def variables(**container: Any) -> dict[str, str]:
    pod = pod_of(**container)
    return environment(pod, pod.containers[0], {}, {"SERVICE": "5", "a": "0"}, OBJECTS)


def test_whole_objects_are_variables_of_which_later_ones_win() -> None:
    sources = [{"configMapRef": {"name": "c"}}, {"secretRef": {"name": "s"}}]

    assert variables(envFrom=sources) == {"a": "2", "b": "\ufffd", "d": "4", "SERVICE": "5"}
    assert variables(envFrom=[{"prefix": "P_", **sources[1]}]) == {
        "P_a": "2", "P_d": "4", "SERVICE": "5", "a": "0",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "name", "called"), [("configMapKeyRef", "c", "ConfigMap"), ("secretKeyRef", "s", "Secret")]
)
def test_a_key_is_a_variable_and_has_to_be_there_unless_it_is_optional(
    kind: str, name: str, called: str
) -> None:
    def of(key: str, **more: Any) -> dict[str, str]:
        source = {kind: {"name": name, "key": key, **more}}
        told = variables(env=[{"name": "A", "valueFrom": source}, {"name": "B", "value": "$(A)"}])
        return {name: told[name] for name in ("A", "B") if name in told}

    value = "1" if name == "c" else "2"
    assert of("a") == {"A": value, "B": value}
    assert of("x", optional=True) == {"B": "$(A)"}
    with pytest.raises(ObjectError) as missing:
        of("x")
    assert str(missing.value) == f"couldn't find key x in {called} default/{name}"


def test_own_variables_win_over_services_which_they_may_name() -> None:
    own = [{"name": "a", "value": "$(SERVICE)"}, {"name": "E"}]

    assert variables(env=own) == {"a": "5", "E": "", "SERVICE": "5"}
