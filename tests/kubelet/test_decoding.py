"""Text to objects: YAML as Go reads it, JSON errors in Go's words."""

import re

import pytest
import yaml

from labs.kubelet.pod.decode import decode_pod_list
from labs.kubelet.pod.errors import ParseError
from tests.kubelet.test_manifests import PATH, refusal


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1 "b": 2}', "invalid character '\"' after object key:value pair"),
        ('{"a": [1 2]}', "invalid character '2' after array element"),
        ('{"a": [1, 2], "b": {} "c"}', "invalid character '\"' after object key:value pair"),
        ('{"a": [{"b": 1}, {} {}]}', "invalid character '{' after array element"),
        ('{"a{[": {"x\\"[": 1} 2}', "invalid character '2' after object key:value pair"),
        ('{"a" 1}', "invalid character '1' after object key"),
        ('{"a": 1} x', "invalid character 'x' after top-level value"),
        ('{"a": x}', "invalid character 'x' looking for beginning of value"),
        ('{"a": [,]}', "invalid character ',' looking for beginning of value"),
        ("{a: 1}", "invalid character 'a' looking for beginning of object key string"),
        ('{"a": 1, 2: 3}', "invalid character '2' looking for beginning of object key string"),
        ('{"a": ', "unexpected end of JSON input"),
        ('{"a": 1', "unexpected end of JSON input"),
        ('{"a": 1\n\n', "unexpected end of JSON input"),
        ('{"a": "text', "unexpected end of JSON input"),
        ('{"a": -Infinity}', "invalid character 'I' in numeric literal"),
        ('{"a": Infinity}', "invalid character 'I' looking for beginning of value"),
        ('{"a": NaN}', "invalid character 'N' looking for beginning of value"),
    ],
)
def test_fact_18_what_is_no_json_is_refused_in_gos_words(text: str, why: str) -> None:
    assert f"couldn't parse as pod(couldn't get version/kind; json parse error: {why})" in refusal(text)


def test_fact_18_json_nested_without_end_is_refused() -> None:
    text = '{"a":' * 100_000

    assert refusal(text) == (
        f"{PATH}: couldn't parse as pod(couldn't get version/kind; json parse error: "
        "exceeded max depth), please check config file"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("~", "Object 'Kind' is missing in 'null'"),
        ("{}", "Object 'Kind' is missing in '{}'"),
        ("b: ä\na: [1, 2]", """Object 'Kind' is missing in '{"a":[1,2],"b":"ä"}'"""),
        ("kind: Pod", """Object 'apiVersion' is missing in '{"kind":"Pod"}'"""),
        ("kind: 1", "json: cannot unmarshal number into Go struct field .kind of type string"),
        ("kind: Pod\napiVersion: [v1]",
         "json: cannot unmarshal array into Go struct field .apiVersion of type string"),
        ("kind: Pod\napiVersion: v2", 'no kind "Pod" is registered for version "v2" in scheme'
         ' "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"'),
        ("kind: Pot\napiVersion: v1", 'no kind "Pot" is registered for version "v1" in scheme'
         ' "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"'),
        ("kind: ConfigMap\napiVersion: v1", "invalid pod: &core.ConfigMap{}"),
        ('{"kind": ' + "1" * 5000 + "}",
         "json: cannot unmarshal number into Go struct field .kind of type string"),
        ("- 1", "json: cannot unmarshal array into Go value of type struct { APIVersion string"
         ' "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'),
    ],
)  # fmt: skip
def test_fact_18_what_is_of_another_kind_is_refused_in_the_real_words(text: str, why: str) -> None:
    assert f"{why})" in refusal(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("kind: Pod\napiVersion: v1", "invalid pods list: &core.Pod{}"),
        ("kind: PodList\napiVersion: v1\nitems: {a: b}",
         "json: cannot unmarshal object into Go struct field PodList.items of type []v1.Pod"),
        ("kind: PodList\napiVersion: v1\nitems: [1]",
         "json: cannot unmarshal array into Go struct field PodList.items of type []v1.Pod"),
    ],
)  # fmt: skip
def test_what_is_no_list_of_pods_is_refused(text: str, why: str) -> None:
    with pytest.raises(ParseError) as refused:
        decode_pod_list(text.encode())

    assert str(refused.value) == why


def test_each_pod_of_a_list_is_one_with_the_fields_of_a_pod() -> None:
    text = b"kind: PodList\napiVersion: v1\nitems: [{metadata: {name: a}, other: 1}, {spec: {nodeName: one}}]"

    assert decode_pod_list(text) == [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}},
        {"apiVersion": "v1", "kind": "Pod", "spec": {"nodeName": "one"}},
    ]
    assert decode_pod_list(b"kind: PodList\napiVersion: v1") == []


def test_a_list_of_anything_is_no_pod_and_shown_as_go_prints_it() -> None:
    why = refusal("apiVersion: v1\nkind: List\nitems: [{kind: Pod}, {}]\n")

    assert re.search(
        r"invalid pod: &core\.List\{TypeMeta:.*, Items:\[\]runtime\.Object\{"
        r"\(\*runtime\.Unknown\)\(0x[0-9a-f]+\), \(\*runtime\.Unknown\)\(0x[0-9a-f]+\)\}\}",
        why,
    )


def test_a_proc_is_mounted_in_one_of_two_ways() -> None:
    text = "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: c, image: i, %s}]}}"
    mount = "securityContext: {procMount: Unmaskedd}"

    why = '[spec.containers[0].securityContext.procMount: Unsupported value: "Unmaskedd": supported values: '
    assert f'invalid pod: {why}"Default", "Unmasked"]' in refusal(
        yaml.safe_dump(yaml.safe_load(text % mount))
    )
