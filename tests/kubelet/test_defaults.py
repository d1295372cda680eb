"""What the API fills in when a Pod is decoded (`pkg/apis/core/v1/defaults.go`): fact 20."""

import json
from typing import Any

import pytest

from labs.core.defaults import default_pod, pull_policy_of
from labs.kubelet.pod.manifest import pod_from_file


def spec_of(spec: dict[str, Any]) -> dict[str, Any]:
    obj = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec}
    found: dict[str, Any] = dict(pod_from_file(json.dumps(obj).encode(), "/m/web.yaml", "n").object["spec"])
    return found


def container_of(spec: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = spec_of({"containers": [{"name": "a", "image": "b:1", **fields}], **(spec or {})})
    return dict(found["containers"][0])


def volume_of(**source: Any) -> dict[str, Any]:
    spec = spec_of({"containers": [{"name": "a", "image": "b:1"}], "volumes": [{"name": "v", **source}]})
    return dict(spec["volumes"][0])


PLAIN = {
    "name": "a",
    "image": "b:1",
    "imagePullPolicy": "IfNotPresent",
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}


def test_fact_20_a_pod_that_says_nothing_gets_the_apis_defaults() -> None:
    assert spec_of({"containers": [{"name": "a", "image": "b:1"}]}) == {
        "containers": [PLAIN],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "nodeName": "n",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
        "tolerations": [{"effect": "NoExecute", "operator": "Exists"}],
    }


def test_fact_20_what_a_pod_says_is_kept() -> None:
    said = {
        "containers": [
            {
                **PLAIN,
                "imagePullPolicy": "Never",
                "terminationMessagePath": "/x",
                "terminationMessagePolicy": "FallbackToLogsOnError",
            }
        ],
        "initContainers": [{**PLAIN, "name": "i"}],
        "dnsPolicy": "Default",
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "schedulerName": "mine",
        "securityContext": {"runAsUser": 1},
        "terminationGracePeriodSeconds": 0,
        "tolerations": [{"key": "a", "operator": "Exists"}],
    }

    found = spec_of(said)

    more = [*said["tolerations"], {"effect": "NoExecute", "operator": "Exists"}]  # type: ignore[misc]
    assert found == {**said, "nodeName": "n", "tolerations": more}


def test_fact_20_init_containers_have_the_same_defaults() -> None:
    found = spec_of(
        {"containers": [{"name": "a", "image": "b:1"}], "initContainers": [{"name": "a2", "image": "b:1"}]}
    )

    assert found["initContainers"] == [{**PLAIN, "name": "a2"}]


def test_fact_20_empty_texts_are_as_good_as_none() -> None:
    empty = {"imagePullPolicy": "", "terminationMessagePath": "", "terminationMessagePolicy": ""}

    assert container_of({"restartPolicy": "", "dnsPolicy": "", "schedulerName": ""}, **empty) == PLAIN


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("a", "Always"),
        ("a:latest", "Always"),
        ("h.example/x/a:latest", "Always"),
        ("h:5000/a", "Always"),
        ("h:5000/a:1", "IfNotPresent"),
        ("h/a:1", "IfNotPresent"),
        ("a:latest2", "IfNotPresent"),
        ("a@sha256:0", "IfNotPresent"),
        ("a:latest@sha256:0", "IfNotPresent"),
    ],
)
def test_fact_20_the_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    assert pull_policy_of(image) == policy


@pytest.mark.parametrize("kind", ["livenessProbe", "readinessProbe", "startupProbe"])
def test_fact_20_probes_have_their_thresholds(kind: str) -> None:
    numbers = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
    own = {"timeoutSeconds": 2, "periodSeconds": 3, "successThreshold": 1, "failureThreshold": 5}
    action = {"exec": {"command": ["x"]}}

    assert container_of(**{kind: action})[kind] == {**action, **numbers}
    assert container_of(**{kind: {**action, **dict.fromkeys(numbers, 0)}})[kind] == {**action, **numbers}
    assert container_of(**{kind: {**action, **own}})[kind] == {**action, **own}


@pytest.mark.parametrize(
    ("action", "filled"),
    [
        ({"httpGet": {"port": 1}}, {"httpGet": {"port": 1, "path": "/", "scheme": "HTTP"}}),
        (
            {"httpGet": {"port": 1, "path": "/x", "scheme": "HTTPS"}},
            {"httpGet": {"port": 1, "path": "/x", "scheme": "HTTPS"}},
        ),
        ({"tcpSocket": {"port": 1}}, {"tcpSocket": {"port": 1}}),
    ],
)
def test_fact_20_requests_of_probes_and_hooks_have_a_path_and_a_scheme(
    action: dict[str, Any], filled: dict[str, Any]
) -> None:
    found = container_of(livenessProbe=action, lifecycle={"preStop": action, "postStart": action})

    assert found["livenessProbe"].items() >= filled.items()
    assert found["lifecycle"] == {"preStop": filled, "postStart": filled}


def test_fact_20_a_grpc_probe_asks_for_the_whole_server() -> None:
    assert container_of(livenessProbe={"grpc": {"port": 1}})["livenessProbe"]["grpc"] == {
        "port": 1, "service": "",
    }  # fmt: skip


def test_fact_20_ports_are_tcp_and_on_the_nodes_network_their_own_host_ports() -> None:
    ports = [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]

    assert container_of(ports=ports)["ports"] == [
        {"containerPort": 80, "protocol": "TCP"},
        {"containerPort": 53, "protocol": "UDP"},
    ]
    assert container_of({"hostNetwork": True}, ports=ports)["ports"] == [
        {"containerPort": 80, "hostPort": 80, "protocol": "TCP"},
        {"containerPort": 53, "hostPort": 53, "protocol": "UDP"},
    ]


@pytest.mark.parametrize(
    ("written", "requests"),
    [
        ({"limits": {"cpu": "1"}}, {"cpu": "1"}),
        (
            {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}},
            {"cpu": "500m", "memory": "1Gi"},
        ),
        ({"requests": {"cpu": "1"}}, {"cpu": "1"}),
    ],
)
def test_fact_20_a_limit_is_a_request_where_there_is_none(
    written: dict[str, Any], requests: dict[str, str]
) -> None:
    assert container_of(resources=written)["resources"] == {**written, "requests": requests}


@pytest.mark.parametrize(
    ("own", "asked", "requests"),
    [
        ({"limits": {"cpu": "1"}}, [{}], {"cpu": "1"}),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, [{}],
         {"cpu": "500m", "memory": "1Gi"}),
        ({"limits": {"cpu": "1"}}, [{"cpu": "100m"}, {"cpu": "50m", "memory": "1Mi"}],
         {"cpu": "150m", "memory": "1Mi"}),
        ({"limits": {"cpu": "1"}}, [{"ephemeral-storage": "1Gi"}], {"cpu": "1"}),
    ],
)  # fmt: skip
def test_fact_20_a_pods_own_requests_are_its_containers_or_else_its_limits(
    own: dict[str, Any], asked: list[dict[str, str]], requests: dict[str, str]
) -> None:
    containers = [
        {"name": f"c{i}", "image": "b:1", "resources": {"requests": each} if each else {}}
        for i, each in enumerate(asked)
    ]
    pod: dict[str, Any] = {"spec": {"containers": containers, "resources": own}}

    default_pod(pod)

    assert pod["spec"]["resources"] == {**own, "requests": requests}


def test_fact_20_a_pod_without_limits_of_its_own_asks_for_nothing() -> None:
    pod: dict[str, Any] = {"spec": {"containers": [{"name": "c", "image": "b:1"}], "resources": {}}}

    default_pod(pod)

    assert pod["spec"]["resources"] == {}


@pytest.mark.parametrize(
    ("source", "filled"),
    [
        ({}, {"emptyDir": {}}),
        ({"emptyDir": {"medium": "Memory"}}, {"emptyDir": {"medium": "Memory"}}),
        ({"hostPath": {"path": "/x"}}, {"hostPath": {"path": "/x", "type": ""}}),
        (
            {"hostPath": {"path": "/x", "type": "File"}},
            {"hostPath": {"path": "/x", "type": "File"}},
        ),
        ({"downwardAPI": {}}, {"downwardAPI": {"defaultMode": 0o644}}),
        ({"downwardAPI": {"defaultMode": 0}}, {"downwardAPI": {"defaultMode": 0}}),
        ({"projected": {"sources": []}}, {"projected": {"sources": [], "defaultMode": 0o644}}),
    ],
)
def test_fact_20_volumes_have_their_defaults(source: dict[str, Any], filled: dict[str, Any]) -> None:
    assert volume_of(**source) == {"name": "v", **filled}


FIELD = {"fieldRef": {"fieldPath": "metadata.name"}}
OLD_FIELD = {"fieldRef": {"fieldPath": "metadata.name", "apiVersion": "v1"}}
RESOURCE = {"resourceFieldRef": {"containerName": "a", "resource": "limits.cpu"}}


def test_fact_20_references_have_a_version_or_a_divisor() -> None:
    divided = {"resourceFieldRef": {**RESOURCE["resourceFieldRef"], "divisor": "0"}}
    items = [{"path": "f", **FIELD}, {"path": "r", **RESOURCE}]
    filled = [{"path": "f", **OLD_FIELD}, {"path": "r", **divided}]

    env = container_of(env=[{"name": "F", "valueFrom": FIELD}, {"name": "R", "valueFrom": RESOURCE}])["env"]
    assert [variable["valueFrom"] for variable in env] == [OLD_FIELD, divided]
    assert volume_of(downwardAPI={"items": items})["downwardAPI"]["items"] == filled
    projected = volume_of(projected={"sources": [{"downwardAPI": {"items": items}}]})["projected"]
    assert projected["sources"] == [{"downwardAPI": {"items": filled}}]
    kept = {"resourceFieldRef": {**RESOURCE["resourceFieldRef"], "divisor": "1m"}}
    assert container_of(env=[{"name": "R", "valueFrom": kept}])["env"][0]["valueFrom"] == kept


def test_fact_20_a_reference_keeps_the_version_it_names() -> None:
    other = {"fieldRef": {"fieldPath": "metadata.name", "apiVersion": "v2"}}
    none = {"fieldRef": {"fieldPath": "metadata.name", "apiVersion": ""}}
    env = [{"name": "A", "valueFrom": other}, {"name": "B", "valueFrom": none}]
    pod = {"spec": {"containers": [{"name": "a", "image": "b:1", "env": env}]}}

    default_pod(pod)

    assert [variable["valueFrom"]["fieldRef"]["apiVersion"] for variable in env] == ["v2", "v1"]


def test_fact_24_a_negative_grace_period_is_one_second() -> None:
    spec = {"containers": [{"name": "a", "image": "b:1"}], "terminationGracePeriodSeconds": -5}

    assert spec_of(spec)["terminationGracePeriodSeconds"] == 1
