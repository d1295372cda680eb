"""What kube-apiserver 1.36.2 said of changes to a pod and to one behind scheduling gates, with differences.

A line of pod_updates.jsonl: which pod, the JSON patch, the answer's code and a refusal's message.
"""

from __future__ import annotations

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from .plane import Plane

RECORDED = [
    json.loads(line) for line in Path(__file__).with_name("pod_updates.jsonl").read_text().splitlines()
]
PODS = "/api/v1/namespaces/default/pods"
PLAIN: dict[str, Any] = {
    "metadata": {"name": "plain", "labels": {"a": "b"}, "annotations": {"x": "y"}},
    "spec": {
        "automountServiceAccountToken": False,
        "nodeSelector": {"no": "where"},
        "activeDeadlineSeconds": 100,
        "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}],
        "initContainers": [{"name": "i", "image": "j:1"}],
        "containers": [
            {
                "name": "c",
                "image": "i:1",
                "env": [{"name": "A", "value": "1"}],
                "resources": {"limits": {"cpu": "1"}},
            }
        ],
        "volumes": [{"name": "v", "emptyDir": {}}],
    },
}
EXPRESSION = {"key": "a", "operator": "Exists"}
SELECTOR = {"nodeSelectorTerms": [{"matchExpressions": [EXPRESSION]}]}


@pytest.fixture(scope="module", autouse=True)
def created(plane: Plane) -> None:
    """Both pods, which no node takes."""
    gated = deepcopy(PLAIN)
    gated["metadata"]["name"] = "gated"
    gated["spec"]["schedulingGates"] = [{"name": "g1"}, {"name": "g2"}]
    gated["spec"]["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": SELECTOR}}
    for pod in (PLAIN, gated):
        code, answer = plane.request("POST", PODS, pod)
        assert code == 201, answer


def named(case: dict[str, Any]) -> str:
    operation = case["patch"][0]
    return f"{case['pod']} {operation['op']} {operation['path']} {json.dumps(operation.get('value'))[:60]}"


@pytest.mark.parametrize("case", RECORDED, ids=[named(case) for case in RECORDED])
def test_a_change_is_taken_or_refused_as_recorded(plane: Plane, case: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/json-patch+json"}

    code, answer = plane.request("PATCH", f"{PODS}/{case['pod']}?dryRun=All", case["patch"], headers=headers)

    assert code == case["code"]
    said = answer["message"] if code >= 300 else ""
    # Go looks through gates in any order
    split = re.compile(r", (?=spec\.schedulingGates)|\[(?=spec\.schedulingGates)")
    assert sorted(split.split(said.rstrip("]"))) == sorted(split.split(case["says"].rstrip("]")))
