"""Pods that differ from a good one in one field, refused as by kube-apiserver 1.36.2, or taken."""

from __future__ import annotations

from typing import Any

import pytest

from .plane import Plane, pod

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
    "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


def create(plane: Plane, spec: dict[str, Any], container: dict[str, Any]) -> tuple[int, Any]:
    made = pod("web", **spec)
    made["spec"]["containers"][0] |= container
    return plane.request("POST", "/api/v1/namespaces/default/pods?dryRun=All", made)


@pytest.mark.parametrize(
    ("spec", "container", "why"),
    [
        ({"restartPolicy": 5}, {}, "number into Go struct field PodSpec.spec.restartPolicy of type "
         "v1.RestartPolicy"),
        ({}, {"image": 5}, "number into Go struct field Container.spec.containers.image of type string"),
        ({}, {"command": "x"},
         "string into Go struct field Container.spec.containers.command of type []string"),
        ({}, {"env": [{"name": "a", "value": 5}]},
         "number into Go struct field EnvVar.spec.containers.env.value of type string"),
        ({}, {"resources": {"limits": "x"}}, "string into Go struct field "
         "ResourceRequirements.spec.containers.resources.limits of type v1.ResourceList"),
        ({}, {"livenessProbe": {"httpGet": {"port": True}}}, "bool into Go struct field "
         "HTTPGetAction.spec.containers.livenessProbe.ProbeHandler.httpGet.port of type int32"),
        ({"volumes": [{"name": "v", "emptyDir": "x"}]}, {}, "string into Go struct field "
         "Volume.spec.volumes.VolumeSource.emptyDir of type v1.EmptyDirVolumeSource"),
        ({}, {"securityContext": {"capabilities": {"add": "x"}}}, "string into Go struct field "
         "Capabilities.spec.containers.securityContext.capabilities.add of type []v1.Capability"),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_told_with_its_field(
    plane: Plane, spec: dict[str, Any], container: dict[str, Any], why: str
) -> None:
    code, answer = create(plane, spec, container)

    assert code == 400
    assert answer["message"].endswith(f"cannot be handled as a Pod: json: cannot unmarshal {why}")


@pytest.mark.parametrize(
    ("spec", "container", "why"),
    [
        ({"dnsPolicy": "Host"}, {}, 'spec.dnsPolicy: Unsupported value: "Host": supported values: '
         '"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"'),
        ({"hostname": "a.b"}, {}, 'spec.hostname: Invalid value: "a.b": must not contain dots'),
        ({"hostname": "a" * 64}, {},
         f'spec.hostname: Invalid value: "{"a" * 64}": must be no more than 63 characters'),
        ({"subdomain": "UPPER"}, {}, f'spec.subdomain: Invalid value: "UPPER": {LABEL}'),
        ({}, {"terminationMessagePolicy": "X"},
         'spec.containers[0].terminationMessagePolicy: Unsupported value: "X": supported values: '
         '"File", "FallbackToLogsOnError"'),
        ({}, {"env": [{"name": "a=b"}]}, 'spec.containers[0].env[0].name: Invalid value: "a=b": a valid '
         "environment variable name must consist only of printable ASCII characters other than '='"),
        ({}, {"livenessProbe": {"tcpSocket": {}}}, "spec.containers[0].livenessProbe.tcpSocket.port: Invalid "
         "value: 0: must be between 1 and 65535, inclusive"),
        ({}, {"volumeMounts": [{"name": "", "mountPath": "/m"}]},
         "[spec.containers[0].volumeMounts[0].name: Required value, "
         'spec.containers[0].volumeMounts[0].name: Not found: ""]'),
    ],
)  # fmt: skip
def test_a_value_that_the_field_cannot_have_is_told(
    plane: Plane, spec: dict[str, Any], container: dict[str, Any], why: str
) -> None:
    code, answer = create(plane, spec, container)

    assert (code, answer["message"]) == (422, f'Pod "web" is invalid: {why}')


def test_what_is_empty_or_below_nothing_is_the_default(plane: Plane) -> None:
    empty = {"restartPolicy": "", "dnsPolicy": "", "terminationGracePeriodSeconds": -1}
    code, made = create(plane, empty, {"imagePullPolicy": "", "terminationMessagePolicy": ""})

    assert code == 201
    spec, container = made["spec"], made["spec"]["containers"][0]
    assert (spec["restartPolicy"], spec["dnsPolicy"]) == ("Always", "ClusterFirst")
    assert spec["terminationGracePeriodSeconds"] == 1
    assert container["imagePullPolicy"] in ("Always", "IfNotPresent")
    assert container["terminationMessagePolicy"] == "File"
