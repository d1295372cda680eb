"""A Pod object as the values the kubelet works with: each field where it belongs, and what is absent."""

from typing import Any

import pytest

from labs.kubelet.orphans import orphan
from labs.kubelet.pleg import RuntimePod
from labs.kubelet.pod.model import Container, Exec, Grpc, HttpGet, Mount, Pod, Probe, Sleep, TcpSocket, Volume
from labs.kubelet.pod.oom_score import oom_score_adjust
from labs.kubelet.sources.api import ApiSource, pod_from_api
from tests.kubelet.node import api_pod

MINIMAL = {"name": "main", "image": "b:1"}

NEW_YEAR = "2026-01-01T00:00:00Z"


def pod_of(container: dict[str, Any] | None = None, *, status: Any = None, **fields: Any) -> Pod:
    """A pod of the API; fields of metadata by their names, others are the spec's."""
    pod = api_pod(**fields)
    pod["spec"]["containers"] = [{**MINIMAL, **(container or {})}]
    names = ("uid", "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
    pod["metadata"] |= {"uid": "1"} | {n: pod["spec"].pop(n) for n in names if n in pod["spec"]}
    return pod_from_api(pod if status is None else {**pod, "status": status})


def test_a_container_that_says_nothing_has_nothing() -> None:
    (container,) = pod_of().containers

    assert container == Container(
        name="main", image="b:1", pull_policy="IfNotPresent", command=(), args=(), working_dir="", mounts=(),
        probes=(), pre_stop=None, post_start=None, lifecycle={},
        termination_message_path="/dev/termination-log", termination_message_policy="File", restart_policy="",
        restart_rules=(), env=(), env_from=(), ports=(), resources={}, security={}, tty=False, stdin=False,
        stdin_once=False, hash=container.hash,
    )  # fmt: skip
    assert not container.is_sidecar


def test_a_containers_fields_are_where_they_belong() -> None:
    written: dict[str, Any] = {
        "command": ["c"], "args": ["a"], "workingDir": "/w", "tty": True, "stdin": True, "stdinOnce": True,
        "restartPolicy": "Always", "env": [{"name": "A", "value": "1"}], "envFrom": [{"prefix": "P"}],
        "restartPolicyRules": [{"action": "Restart"}],
        "securityContext": {"privileged": True}, "ports": [{"containerPort": 1, "protocol": "TCP"}],
        "lifecycle": {"preStop": {"sleep": {"seconds": 1}}, "postStart": {"exec": {"command": ["x"]}}},
        "volumeMounts": [
            {"name": "v", "mountPath": "/v", "readOnly": True, "subPath": "s",
             "mountPropagation": "Bidirectional"},
            {"name": "w", "mountPath": "/w", "subPathExpr": "$(A)"},
        ],
        "livenessProbe": {
            "exec": {"command": ["l"]}, "initialDelaySeconds": 1, "timeoutSeconds": 2, "periodSeconds": 3,
            "failureThreshold": 4, "terminationGracePeriodSeconds": 5,
        },
        "readinessProbe": {"tcpSocket": {"port": 1}, "successThreshold": 6},
        "startupProbe": {"grpc": {"port": 2}},
    }  # fmt: skip
    (c,) = pod_of(written).containers

    assert (c.command, c.args, c.working_dir) == (("c",), ("a",), "/w")
    assert (c.tty, c.stdin, c.stdin_once, c.is_sidecar) == (True, True, True, True)
    assert (list(c.env), list(c.env_from)) == ([{"name": "A", "value": "1"}], [{"prefix": "P"}])
    assert (list(c.restart_rules), c.security) == ([{"action": "Restart"}], {"privileged": True})
    assert list(c.ports) == [{"containerPort": 1, "protocol": "TCP"}]
    assert (c.pre_stop, c.post_start, dict(c.lifecycle)) == (Sleep(1), Exec(("x",)), written["lifecycle"])
    assert c.mounts == (
        Mount("v", "/v", True, "s", "", "Bidirectional"),
        Mount("w", "/w", False, "", "$(A)", "None"),
    )
    assert {p.kind: p for p in c.probes} == {
        "liveness": Probe("liveness", Exec(("l",)), 1, 2, 3, 1, 4, 5),
        "readiness": Probe("readiness", TcpSocket(1, ""), 0, 1, 10, 6, 3, None),
        "startup": Probe("startup", Grpc(2, ""), 0, 1, 10, 1, 3, None),
    }
    assert c.probe("startup") is not None


@pytest.mark.parametrize(
    ("handler", "action"),
    [
        ({"httpGet": {"port": "web"}}, HttpGet("/", "web", "HTTP", "", ())),
        ({"httpGet": {"port": 1, "path": "/p", "scheme": "HTTPS", "host": "h",
                      "httpHeaders": [{"name": "A", "value": "1"}, {"name": "B"}]}},
         HttpGet("/p", 1, "HTTPS", "h", (("A", "1"), ("B", "")))),
        ({"exec": {}}, Exec(())),
        ({"tcpSocket": {"port": 1, "host": "h"}}, TcpSocket(1, "h")),
        ({"grpc": {"port": 1, "service": "s"}}, Grpc(1, "s")),
    ],
)  # fmt: skip
def test_a_probe_does_what_it_says(handler: dict[str, Any], action: object) -> None:
    (probe,) = pod_of({"livenessProbe": handler}).containers[0].probes

    assert probe.action == action


def test_a_probe_that_does_nothing_is_none() -> None:
    assert pod_of({"livenessProbe": {"periodSeconds": 1}}).containers[0].probes == ()


def test_a_pod_that_says_nothing_has_nothing() -> None:
    pod = pod_of()

    assert (pod.namespace, pod.name, pod.uid, dict(pod.labels)) == ("default", "web", "1", {"app": "web"})
    assert (dict(pod.annotations), pod.init_containers, pod.volumes) == ({}, (), ())
    assert (pod.host_network, pod.host_pid, pod.host_ipc, pod.hostname) == (False, False, False, "")
    assert (pod.restart_policy, pod.dns_policy, pod.security, pod.host_aliases) == (
        "Always", "ClusterFirst", {}, (),
    )  # fmt: skip
    assert (pod.source, pod.config_hash, pod.is_static, pod.is_mirror) == ("api", "", False, False)
    assert (pod.generation, pod.created, pod.is_deleted, pod.is_over) == (None, "", False, False)
    assert pod.container("other") is None


def test_a_pods_fields_are_where_they_belong() -> None:
    pod = pod_of(
        metadata={"labels": {"a": "b"}, "annotations": {"kubernetes.io/config.mirror": "x"}},
        hostNetwork=True, hostPID=True, hostIPC=True, hostname="h", dnsPolicy="None",
        restartPolicy="Never", securityContext={"fsGroup": 1}, hostAliases=[{"ip": "1.1.1.1"}],
        initContainers=[{"name": "i", "image": "b:1"}], volumes=[{"hostPath": {"path": "/x"}, "name": "v"}],
        terminationGracePeriodSeconds=7, generation=4, creationTimestamp=NEW_YEAR, status={"phase": "Failed"},
    )  # fmt: skip

    assert (dict(pod.labels), pod.is_mirror, pod.is_over) == ({"a": "b"}, True, True)
    assert (pod.host_network, pod.host_pid, pod.host_ipc, pod.hostname) == (True, True, True, "h")
    assert (pod.restart_policy, pod.dns_policy, pod.security) == ("Never", "None", {"fsGroup": 1})
    assert list(pod.host_aliases) == [{"ip": "1.1.1.1"}]
    assert pod.volumes == (Volume("v", "hostPath", {"path": "/x", "type": ""}),)
    assert [c.name for c in pod.all_containers] == ["i", "main"]
    assert pod.container_names == ("main",)
    assert pod.container("i") is pod.init_containers[0]
    assert (pod.grace_period, pod.kill_grace, pod.generation, pod.created) == (
        7,
        7,
        4,
        NEW_YEAR,
    )
    assert (pod.full_name, pod.ref, pod.described) == ("web_default", "default/web", "web_default(1)")


def test_an_account_by_its_old_name_is_known_by_its_new_one() -> None:
    assert pod_of(serviceAccount="me").object["spec"]["serviceAccountName"] == "me"


@pytest.mark.parametrize("kind", ["secret", "configMap", "projected", "downwardAPI"])
def test_files_of_volumes_can_be_read_by_all_unless_they_say_otherwise(kind: str) -> None:
    (volume,) = pod_of(volumes=[{"name": "v", kind: {}}]).volumes

    assert volume == Volume("v", kind, {"defaultMode": 0o644})


@pytest.mark.parametrize(
    ("own", "deletion", "grace"), [(5, None, 5), (0, None, 1), (5, 9, 9), (5, 0, 5), (0, 0, 1)]
)
def test_a_pod_is_given_the_time_its_deletion_says_else_its_own(
    own: int, deletion: int | None, grace: int
) -> None:
    told = {} if deletion is None else {"deletionGracePeriodSeconds": deletion, "deletionTimestamp": NEW_YEAR}
    pod = pod_of(terminationGracePeriodSeconds=own, **told)

    assert (pod.kill_grace, pod.is_deleted) == (grace, deletion is not None)


@pytest.mark.parametrize(
    ("priority", "critical"), [(0, False), (1_999_999_999, False), (2_000_000_000, True)]
)
def test_pods_of_the_systems_priorities_are_critical(priority: int, critical: bool) -> None:
    pod = pod_of(priority=priority)

    assert pod.is_critical is critical
    assert oom_score_adjust(pod, pod.containers[0], 100) == (-997 if critical else 1000)


@pytest.mark.parametrize(
    ("resources", "quality", "score"),
    [
        ({}, "BestEffort", 1000),
        ({"requests": {"nvidia.com/gpu": "1"}}, "BestEffort", 1000),
        ({"requests": {"cpu": "1"}}, "Burstable", 999),
        ({"requests": {"memory": "250"}}, "Burstable", 750),
        ({"requests": {"memory": "1000"}}, "Burstable", 3),
        ({"requests": {"memory": "1"}, "limits": {"memory": "2"}}, "Burstable", 999),
        ({"limits": {"cpu": "1"}}, "Burstable", 999),
        ({"limits": {"cpu": "1", "memory": "2"}}, "Guaranteed", -997),
        ({"requests": {"memory": "1"}, "limits": {"cpu": "1", "memory": "2"}}, "Burstable", 999),
    ],
)
def test_quality_of_service_follows_requests_and_limits(
    resources: dict[str, Any], quality: str, score: int
) -> None:
    pod = pod_of({"resources": resources})

    assert (pod.qos_class, oom_score_adjust(pod, pod.containers[0], 1000)) == (quality, score)


def test_an_orphan_is_known_by_its_name_and_stopped_at_once() -> None:
    pod = orphan(RuntimePod("7", "web", "other"))

    assert (pod.uid, pod.name, pod.namespace) == ("7", "web", "other")
    assert (pod.all_containers, pod.kill_grace, pod.is_static) == ((), 1, False)


class Source:
    """The API source, and how often it published what, and whom it told of."""

    def __init__(self) -> None:
        self.published: list[list[tuple[str, str]]] = []
        self.shown: list[str] = []
        self.source = ApiSource(self._publish, self.shown.append)

    def _publish(self, pods: list[Pod]) -> None:
        self.published.append([(p.uid, p.containers[0].image) for p in pods])


def seen(version: str | None, image: str = "b:1", **metadata: Any) -> dict[str, Any]:
    pod = api_pod(container={"image": image})
    pod["metadata"] |= {"uid": "1", **metadata} | ({} if version is None else {"resourceVersion": version})
    return pod


def test_pods_are_published_when_all_are_known_and_then_with_each_change() -> None:
    it = Source()
    it.source.on_event("ADDED", seen("1"))
    assert it.published == []

    it.source.listed()
    it.source.listed()
    it.source.on_event("MODIFIED", seen("2", "c:1"))
    it.source.on_event("DELETED", seen("3"))
    it.source.on_event("DELETED", seen("3"))

    assert it.published == [[("1", "b:1")], [("1", "c:1")], []]
    assert it.shown == ["1"] * 4


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"labels": {"x": "y"}}, True),
        ({"annotations": {"x": "y"}}, True),
        ({"deletionTimestamp": NEW_YEAR}, True),
        ({"deletionGracePeriodSeconds": 3}, True),
        ({"generation": 2}, False),
        ({"managedFields": []}, False),
    ],
)
def test_only_a_pods_wishes_are_published(change: dict[str, Any], told: bool) -> None:
    it = Source()
    it.source.listed()
    it.source.on_event("ADDED", seen("1"))

    it.source.on_event("MODIFIED", {**seen("2", **change), "status": {"phase": "Running"}})

    assert len(it.published) == (3 if told else 2)
    pod = pod_from_api(seen("1"))
    assert (it.source.get(pod) or {})["status"] == {"phase": "Running"}


@pytest.mark.parametrize(
    ("before", "then", "taken"),
    [("9", "10", True), ("10", "9", False), ("10", "10", True), (None, None, True), ("10", "odd", False)],
)
def test_what_is_older_than_what_is_known_is_not_taken(
    before: str | None, then: str | None, taken: bool
) -> None:
    it = Source()
    it.source.listed()
    it.source.on_event("ADDED", seen(before))

    it.source.on_event("MODIFIED", seen(then, "c:1"))

    assert it.published[-1] == [("1", "c:1" if taken else "b:1")]


def test_the_answer_to_a_patch_counts_unless_the_watch_knows_better_or_nothing() -> None:
    it = Source()
    it.source.listed()
    it.source.remember(seen("1"))
    it.source.on_event("ADDED", seen("5"))
    it.source.remember(seen("4", "c:1"))
    assert it.published == [[], [("1", "b:1")]]

    it.source.remember(seen("5", "d:1"))

    assert it.published[-1] == [("1", "d:1")]


def test_a_pod_that_cannot_be_read_is_left_out_and_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    it = Source()
    it.source.listed()
    wrong = seen("1")
    wrong["spec"]["hostNetwork"] = "yes"
    it.source.on_event("ADDED", wrong)
    assert it.published == [[]]

    it.source.on_event("MODIFIED", seen("2"))
    it.source.on_event("MODIFIED", {**wrong, "metadata": {**wrong["metadata"], "resourceVersion": "3"}})

    assert it.published == [[], [("1", "b:1")], []]
    line = '"Pod of the API cannot be read, ignoring" err="'
    assert capsys.readouterr().err.count(line) == 2


def test_an_api_pod_is_read_without_its_bookkeeping() -> None:
    listed = {**seen("1", managedFields=[{"manager": "m"}]), "other": 1}
    del listed["kind"], listed["apiVersion"]  # as in lists

    pod = pod_from_api(listed)

    assert (pod.object["apiVersion"], pod.object["kind"]) == ("v1", "Pod")
    assert "managedFields" not in pod.object["metadata"]
    assert "other" not in pod.object
