"""Log lines and messages, against recorded ones."""

from datetime import UTC, datetime

import pytest

from labs.golang.duration import go_duration
from labs.kubelet import klog
from labs.kubelet.mirror import mirror_of
from labs.kubelet.pod.manifest import pod_from_file
from labs.kubelet.pod_config import rfc3339_nano
from labs.kubelet.sync_errors import StartError, joined

AT = datetime(2026, 11, 23, 17, 55, 13, 118413, tzinfo=UTC)


@pytest.mark.parametrize(
    ("severity", "where", "message", "fields", "line"),
    [
        (
            "I",
            "kubelet.go:3514",
            "Creating a mirror pod for static pod",
            {"pod": "default/web-cks-control-plane"},
            'I1123 17:55:13.118413  132932 kubelet.go:3514] "Creating a mirror pod for static pod" '
            'pod="default/web-cks-control-plane"',
        ),
        (
            "E",
            "kubelet.go:3516",
            "Failed creating a mirror pod",
            {"err": 'namespaces "nowhere" not found', "pod": "nowhere/ghost-cks-control-plane"},
            'E1123 17:55:13.118413  132932 kubelet.go:3516] "Failed creating a mirror pod" '
            'err="namespaces \\"nowhere\\" not found" pod="nowhere/ghost-cks-control-plane"',
        ),
        (
            "I",
            "server.go:193",
            "Starting to listen",
            {"address": "0.0.0.0", "port": 10250},
            'I1123 17:55:13.118413  132932 server.go:193] "Starting to listen" address="0.0.0.0" port=10250',
        ),
        (
            "I",
            "x.go:1",
            "Container manager verified user specified cgroup-root exists",
            {"cgroupRoot": ["kubelet"]},
            'I1123 17:55:13.118413  132932 x.go:1] "Container manager verified user specified cgroup-root '
            'exists" '
            'cgroupRoot=["kubelet"]',
        ),
        (
            "I",
            "x.go:1",
            "Two lines",
            {"out": "a\nb"},
            'I1123 17:55:13.118413  132932 x.go:1] "Two lines" out=<\n\ta\n\tb\n >',
        ),
    ],
)
def test_a_line_is_klogs(
    severity: str, where: str, message: str, fields: dict[str, object], line: str
) -> None:
    assert klog.format_line(severity, AT, 132932, where, message, fields) == line


def test_a_short_process_id_is_padded() -> None:
    assert klog.format_line("I", AT, 4, "a.go:1", "x", {}) == 'I1123 17:55:13.118413       4 a.go:1] "x"'


def test_a_container_that_waits_is_told_as_recorded() -> None:
    uid = "d89debdfe8f0a1e3a253fd3382f9e6b1"
    error = StartError(
        "main",
        "CrashLoopBackOff",
        f"back-off 40s restarting failed container=main pod=crash-cks-control-plane_default({uid})",
    )

    assert str(error) == (
        'failed to "StartContainer" for "main" with CrashLoopBackOff: "back-off 40s restarting failed '
        "container=main "
        f'pod=crash-cks-control-plane_default({uid})"'
    )


def test_several_errors_are_told_as_one() -> None:
    errors = [StartError("a", "X", "1"), StartError("b", "Y", "2")]

    assert str(joined([*errors])) == (
        '[failed to "StartContainer" for "a" with X: "1", failed to "StartContainer" for "b" with Y: "2"]'
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (0.5, "500ms"), (1, "1s"), (10, "10s"), (59, "59s"), (60, "1m0s"), (80, "1m20s"),
        (300, "5m0s"), (3599, "59m59s"), (3600, "1h0m0s"), (7325, "2h2m5s"),
    ],
)  # fmt: skip
def test_delays_are_told_as_go_tells_them(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text


def test_config_seen_is_rfc3339_with_fractions() -> None:
    assert (
        rfc3339_nano(datetime(2026, 11, 23, 17, 55, 13, 104750, tzinfo=UTC)) == "2026-11-23T17:55:13.10475Z"
    )


def test_the_request_for_a_mirror_is_the_recorded_one() -> None:
    text = """
apiVersion: v1
kind: Pod
metadata:
  name: web
  uid: 538c85545d97f5c72d75e6c035d947c8
  labels: {app: web}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: main, image: 'busybox:1.36', command: [sleep, '100000']}]
"""
    pod = pod_from_file(text.encode(), "/etc/kubernetes/manifests/web.yaml", "cks-control-plane")

    assert mirror_of(pod, "cks-control-plane", "dd233d48-9396-4075-8185-83be87b8fbe2") == {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": "web-cks-control-plane",
            "namespace": "default",
            "uid": "538c85545d97f5c72d75e6c035d947c8",
            "labels": {"app": "web"},
            "annotations": {
                "kubernetes.io/config.hash": "538c85545d97f5c72d75e6c035d947c8",
                "kubernetes.io/config.mirror": "538c85545d97f5c72d75e6c035d947c8",
            },
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Node",
                    "name": "cks-control-plane",
                    "uid": "dd233d48-9396-4075-8185-83be87b8fbe2",
                    "controller": True,
                }
            ],
        },
        "spec": {
            "containers": [
                {
                    "name": "main",
                    "image": "busybox:1.36",
                    "command": ["sleep", "100000"],
                    "resources": {},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                    "imagePullPolicy": "IfNotPresent",
                }
            ],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 1,
            "dnsPolicy": "ClusterFirst",
            "nodeName": "cks-control-plane",
            "securityContext": {},
            "schedulerName": "default-scheduler",
            "tolerations": [{"operator": "Exists", "effect": "NoExecute"}],
            "enableServiceLinks": True,
        },
        "status": {"phase": "Pending"},
    }
