"""Edges of what the API takes, beside the recorded refusals (`test_refused`)."""

import json
from typing import Any

import pytest

from labs.core.names import LABEL_VALUE_RULE, QUALIFIED_RULE, SUBDOMAIN_RULE
from labs.kubelet.pod.errors import ManifestError
from labs.kubelet.pod.manifest import pod_from_file
from tests.kubelet.node import manifest

LONG = "n" * 64


def said(metadata: dict[str, Any] | None = None, **spec: Any) -> str:
    """What is found wrong with a pod that is otherwise right."""
    text = json.dumps(manifest(metadata=metadata or {}, **spec))
    try:
        pod_from_file(text.encode(), "/m/web.yaml", "node-1")
    except ManifestError as error:
        assert str(error).startswith("invalid pod: [")
        return str(error).removeprefix("invalid pod: [").removesuffix("]")
    return ""


@pytest.mark.parametrize(
    ("key", "faults"),
    [
        ("a" * 63, []),
        ("a.b/c_d.e-f", []),
        ("/a", ["prefix part must be non-empty"]),
        ("A/a", [f"prefix part {SUBDOMAIN_RULE}"]),
        ("a/", ["name part must be non-empty", QUALIFIED_RULE]),
        (LONG, ["name part must be no more than 63 bytes"]),
        ("-a", [QUALIFIED_RULE]),
        ("-" + LONG, ["name part must be no more than 63 bytes", QUALIFIED_RULE]),
    ],
)
def test_fact_20_a_key_is_a_name_that_may_have_a_domain(key: str, faults: list[str]) -> None:
    for where, found in (
        ("metadata.annotations", said({"annotations": {key: "x"}})),
        ("metadata.labels", said({"labels": {key: ""}})),
        ("spec.nodeSelector", said(nodeSelector={key: ""})),
        ("spec.readinessGates[0].conditionType", said(readinessGates=[{"conditionType": key}])),
        ("spec.tolerations[0].key", said(tolerations=[{"key": key, "operator": "Exists"}])),
    ):
        any_case = where == "metadata.annotations" and key == "A/a"
        wrong = [] if any_case else faults
        assert found == " ".join(f'{where}: Invalid value: "{key}": {why}' for why in wrong)


@pytest.mark.parametrize(
    ("value", "faults"),
    [("", []), ("a" * 63, []), (LONG, ["must be no more than 63 bytes"]), ("-a", [LABEL_VALUE_RULE]),
     ("-" + LONG, ["must be no more than 63 bytes", LABEL_VALUE_RULE])],
)  # fmt: skip
def test_fact_20_a_labels_value_is_short_and_plain(value: str, faults: list[str]) -> None:
    expected = [f'metadata.labels: Invalid value: "{value}": {why}' for why in faults]

    assert said({"labels": {"a": value}}) == " ".join(expected)


@pytest.mark.parametrize(
    ("resources", "faults"),
    [
        ({"limits": {"hugepages-2Mi": "2Mi"}}, ["HugePages require cpu or memory"]),
        ({"limits": {"hugepages-2Mi": "2Mi", "cpu": "1"}}, []),
        ({"limits": {"hugepages-2Mi": "2Mi", "memory": "1"}}, []),
        ({"limits": {"hugepages-2Mi": "2Mi"}, "requests": {"cpu": "1"}}, []),
        ({"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}, []),
        ({"limits": {"a.b/c": "1"}}, []),
        ({"limits": {"cpu": "0"}}, []),
    ],
)
def test_fact_20_resources_that_go_together_are_taken(resources: dict[str, Any], faults: list[str]) -> None:
    found = said(container={"resources": resources})

    assert found == " ".join(f"spec.containers[0].resources: Forbidden: {why}" for why in faults)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"topologySpreadConstraints": [{"topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule"}]},
         ["spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero"]),
        ({"topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "ScheduleAnyway"}]}, []),
        ({"hostAliases": [{"hostnames": ["a"]}]},
         ['spec.hostAliases[0].ip: Invalid value: "": must be a valid IP address, (e.g. 10.9.8.7 or '
          "2001:db8::ffff)"]),
        ({"tolerations": [{}]},
         ['spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key` is empty, '
          'which means "match all values and all keys"']),
        ({"container": {"ports": [{}]}}, ["spec.containers[0].ports[0].containerPort: Required value"]),
        ({"container": {"ports": [{"containerPort": 65535, "hostPort": 1}]}}, []),
        ({"container": {"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {}}}]}},
         ["spec.containers[0].env[0].valueFrom.resourceFieldRef.resource: Required value"]),
        ({"container": {"livenessProbe": {"exec": {"command": ["a"]}, "initialDelaySeconds": 0}}}, []),
        ({"activeDeadlineSeconds": 1}, []),
        ({"activeDeadlineSeconds": 2147483647}, []),
        ({"securityContext": {"runAsUser": 0, "fsGroup": 2147483647}}, []),
    ],
)  # fmt: skip
def test_fact_20_what_is_left_out_counts_as_nothing(spec: dict[str, Any], expected: list[str]) -> None:
    assert said(**spec) == " ".join(expected)
