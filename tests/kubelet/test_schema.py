"""Values of a wrong type are refused in Go's words: field, and Go's type."""

from typing import Any

import pytest

from labs.golang import gojson
from labs.kubelet.pod.errors import ParseError
from labs.kubelet.pod.schema import conform


def said(spec: dict[str, Any]) -> str:
    """What comes of a spec; "" when it is taken."""
    try:
        conform({"spec": spec}, "Pod")
    except ParseError as error:
        return str(error).removeprefix("json: cannot unmarshal ")
    return ""


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"priority": 2**31 - 1}, ""),
        ({"priority": -(2**31)}, ""),
        ({"priority": 2**31}, "number 2147483648 into Go struct field PodSpec.spec.priority of type int32"),
        ({"priority": -(2**31) - 1},
         "number -2147483649 into Go struct field PodSpec.spec.priority of type int32"),
        ({"priority": True}, "bool into Go struct field PodSpec.spec.priority of type int32"),
        ({"priority": 1.5}, "number 1.5 into Go struct field PodSpec.spec.priority of type int32"),
        ({"priority": "1"}, "string into Go struct field PodSpec.spec.priority of type int32"),
        ({"activeDeadlineSeconds": 2**63 - 1}, ""),
        ({"activeDeadlineSeconds": 2**63},
         "number 9223372036854775808 into Go struct field PodSpec.spec.activeDeadlineSeconds of type int64"),
        ({"activeDeadlineSeconds": 1e20},
         "number 100000000000000000000 into Go struct field PodSpec.spec.activeDeadlineSeconds of type "
         "int64"),
        ({"activeDeadlineSeconds": 1e21},
         "number 1e+21 into Go struct field PodSpec.spec.activeDeadlineSeconds of type int64"),
        ({"hostNetwork": 1}, "number into Go struct field PodSpec.spec.hostNetwork of type bool"),
        ({"nodeName": True}, "bool into Go struct field PodSpec.spec.nodeName of type string"),
        ({"restartPolicy": 3},
         "number into Go struct field PodSpec.spec.restartPolicy of type v1.RestartPolicy"),
        ({"nodeSelector": {"a": 1}}, "number into Go struct field PodSpec.spec.nodeSelector of type string"),
        ({"nodeSelector": []},
         "array into Go struct field PodSpec.spec.nodeSelector of type map[string]string"),
        ({"nodeSelector": {"a": None}}, ""),
        ({"affinity": []}, "array into Go struct field PodSpec.spec.affinity of type v1.Affinity"),
        ({"volumes": {}}, "object into Go struct field PodSpec.spec.volumes of type []v1.Volume"),
        ({"volumes": ["a"]}, "string into Go struct field PodSpec.spec.volumes of type v1.Volume"),
        ({"securityContext": {"supplementalGroups": "a"}},
         "string into Go struct field PodSecurityContext.spec.securityContext.supplementalGroups of type "
         "[]int64"),
        ({"securityContext": {"supplementalGroups": ["a"]}},
         "string into Go struct field PodSecurityContext.spec.securityContext.supplementalGroups of type "
         "int64"),
        ({"containers": [{"livenessProbe": {"tcpSocket": {"port": True}}}]},
         "bool into Go struct field "
         "TCPSocketAction.spec.containers.livenessProbe.ProbeHandler.tcpSocket.port of type int32"),
        ({"containers": [{"livenessProbe": {"tcpSocket": {"port": "web"}}}]}, ""),
        ({"containers": [{"livenessProbe": {"tcpSocket": {"port": 1}}}]}, ""),
    ],
)  # fmt: skip
def test_fact_18_a_value_of_another_type_is_refused_with_its_field(spec: dict[str, Any], why: str) -> None:
    assert said(spec) == why


def test_fact_18_nulls_count_as_absent_and_unknown_fields_are_dropped() -> None:
    given = {
        "other": 1,
        "metadata": None,
        "spec": {"nodeSelector": {"b": None, "a": "1"}, "volumes": [None, {"name": "v", "own": 1}]},
    }

    assert conform(given, "Pod") == {
        "spec": {"nodeSelector": {"b": "", "a": "1"}, "volumes": [{}, {"name": "v"}]}
    }


def test_fact_18_amounts_are_brought_into_their_form() -> None:
    limits = {"limits": {"cpu": "1000m", "memory": 1024}}

    assert conform({"resources": limits}, "Container") == {
        "resources": {"limits": {"cpu": "1", "memory": "1024"}}
    }


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "bool"), (1, "number"), (1.5, "number"), ("a", "string"), ([], "array"), ({}, "object"),
        (None, "null"),
    ],
)  # fmt: skip
def test_kinds_are_json_s(value: object, kind: str) -> None:
    assert gojson.kind(value) == kind
