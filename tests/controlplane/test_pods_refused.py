"""What kube-apiserver 1.36.2 said of pods and templates that differ from good ones in a field or two.

A line of pods.jsonl: what differs, the object, the answer's code and, of a refusal, its message; and the
warnings. Go takes maps in any order, so that several faults are compared as a set.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from .plane import Plane, pod

RECORDED = [json.loads(line) for line in Path(__file__).with_name("pods.jsonl").read_text().splitlines()]
PLURALS = {
    "CronJob": "/apis/batch/v1/namespaces/default/cronjobs",
    "DaemonSet": "/apis/apps/v1/namespaces/default/daemonsets",
    "Deployment": "/apis/apps/v1/namespaces/default/deployments",
    "Job": "/apis/batch/v1/namespaces/default/jobs",
    "Pod": "/api/v1/namespaces/default/pods",
    "ReplicaSet": "/apis/apps/v1/namespaces/default/replicasets",
    "StatefulSet": "/apis/apps/v1/namespaces/default/statefulsets",
}


def send(plane: Plane, path: str, obj: dict[str, Any]) -> tuple[int, dict[str, Any], list[str]]:
    """A dry run of an object's creation: the code, the answer and the warnings."""
    connection = plane.connection("admin")
    try:
        connection.request(
            "POST", f"{path}?dryRun=All", json.dumps(obj), {"Content-Type": "application/json"}
        )
        response = connection.getresponse()
        told = re.findall(r'299 - ("(?:[^"\\]|\\.)*")', response.headers.get("Warning", ""))
        return response.status, json.loads(response.read()), [json.loads(text) for text in told]
    finally:
        connection.close()


def faults(message: str) -> list[str]:
    """The single faults of a refusal."""
    return sorted(
        re.split(r", (?=(?:spec|metadata)[.\[:])", message.replace(" is invalid: [", " is invalid: "))
    )


@pytest.mark.parametrize("case", RECORDED, ids=[case["case"] for case in RECORDED])
def test_a_pod_or_a_template_is_taken_or_refused_as_recorded(plane: Plane, case: dict[str, Any]) -> None:
    code, answer, warnings = send(plane, PLURALS[case["object"]["kind"]], case["object"])

    said = answer["message"] if code >= 300 else ""
    assert (code, faults(said.rstrip("]"))) == (case["code"], faults(case["says"].rstrip("]")))
    assert sorted(warnings) == sorted(case.get("warnings", []))


def test_what_is_empty_or_below_nothing_is_the_default(plane: Plane) -> None:
    empty = {"restartPolicy": "", "dnsPolicy": "", "terminationGracePeriodSeconds": -1}
    made = pod("web", **empty)
    made["spec"]["containers"][0] |= {"imagePullPolicy": "", "terminationMessagePolicy": ""}

    code, answer, _ = send(plane, PLURALS["Pod"], made)

    assert code == 201
    spec, container = answer["spec"], answer["spec"]["containers"][0]
    assert (spec["restartPolicy"], spec["dnsPolicy"]) == ("Always", "ClusterFirst")
    assert spec["terminationGracePeriodSeconds"] == 1
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert container["terminationMessagePolicy"] == "File"


def test_amounts_are_kept_in_the_largest_unit_that_leaves_no_fraction(plane: Plane) -> None:
    made = pod("web")
    made["spec"]["containers"][0]["resources"] = {"limits": {"cpu": 0.5, "memory": "1024Mi"}}

    _, answer, _ = send(plane, PLURALS["Pod"], made)

    resources = answer["spec"]["containers"][0]["resources"]
    assert resources["limits"] == resources["requests"] == {"cpu": "500m", "memory": "1Gi"}


def test_a_profile_that_an_annotation_tells_becomes_a_field(plane: Plane) -> None:
    made = pod("web")
    key = "container.apparmor.security.beta.kubernetes.io/main"
    made["metadata"]["annotations"] = {key: "localhost/strict"}

    _, answer, warnings = send(plane, PLURALS["Pod"], made)

    container = answer["spec"]["containers"][0]
    assert container["securityContext"]["appArmorProfile"] == {
        "type": "Localhost",
        "localhostProfile": "strict",
    }
    assert warnings == [
        f'metadata.annotations[{key}]: deprecated since v1.30; use the "appArmorProfile" field instead'
    ]
