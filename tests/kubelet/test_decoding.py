"""Text to objects: YAML as Go reads it, JSON errors in Go's words."""

import pytest

from labs.kubelet.pod.decode import decode_pod_list, load_yaml
from labs.kubelet.pod.errors import ParseError
from tests.kubelet.test_manifests import PATH, refusal


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("true", True), ("Yes", True), ("on", True), ("y", True), ("no", False), ("OFF", False), ("N", False),
        ("tRUE", "tRUE"), ("10", 10), ("-10", -10), ("+10", 10), ("1_000", 1000), ("010", 8), ("-010", -8),
        ("+010", 8),
        ("0x1f", 31), ("0b101", 5), ("0o17", 15), ("0", 0), ("09", 9), ("1:30", "1:30"),
        ("9223372036854775807", 2**63 - 1), ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", 2.0**64), ("-9223372036854775808", -(2**63)),
        ("-9223372036854775809", -(2.0**63)), ("1" + "0" * 70, 1e70), ("-1" + "0" * 70, -1e70),
        ("1" + "0" * 400, "1" + "0" * 400),
        ("1.5", 1.5), ("1.0", 1), ("1e3", 1000), (".5", 0.5), ("-1.5", -1.5),
        ("1e30", 1e30), (".inf", float("inf")), ("-.Inf", float("-inf")), ("~", None),
        ("Null", None), ("", None), ("2026-11-23", "2026-11-23"),
        ("!!binary aGk=", "hi"), ('!!binary "aG\\nk="', "hi"),
        ("!!binary /w==", "\ufffd"), ("!!str 1", "1"), ("!!str [1]", [1]), ("!own {a: 1}", {"a": 1}),
        ("!own [1, 2]", [1, 2]), ("!own text", "text"), ("!!set {a, b}", {"a": None, "b": None}),
        ("!!seq {a: 1}", {"a": 1}), ("!!map [1]", [1]), ("!!map text", "text"), ("!!null text", None),
        ("!!float 3", 3), ("!!int {a: 1}", {"a": 1}),
    ],
)  # fmt: skip
def test_fact_18_a_value_is_what_go_takes_it_for(written: str, read: object) -> None:
    value = load_yaml(f"a: {written}".encode())

    assert value == {"a": read}
    assert isinstance(value, dict)
    assert type(value["a"]) is type(read)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("true: 1", {"true": 1}), ("no: 1", {"false": 1}), ("~: 1", {"null": 1}), ("1: 1", {"1": 1}),
        ("1.5: 1", {"1.5": 1}), ("a: [{2: {off: 3}}]", {"a": [{"2": {"false": 3}}]}),
        ("a: &x {b: 1}\nc: {<<: *x, d: 2}", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
    ],
)  # fmt: skip
def test_fact_18_keys_are_strings_as_in_json(text: str, read: object) -> None:
    assert load_yaml(text.encode()) == read


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: !!binary 'aGk=*'", "yaml: !!binary value contains invalid base64 data"),
        ("a: !!bool maybe", "yaml: cannot decode !!str `maybe` as a !!bool"),
        ("a: !!float x", "yaml: cannot decode !!str `x` as a !!float"),
        ("? {a: 1, 2: [x, 3, ~]}\n: c",
         'yaml: invalid map key: map[interface {}]interface {}{"a":1, 2:[]interface {}{"x", 3, ~}}'),
        ("? [ä]\n: c", 'yaml: invalid map key: []interface {}{"ä"}'),
        ("? [a, [b]]\n: c", 'yaml: invalid map key: []interface {}{"a", []interface {}{"b"}}'),
        ("@a", "yaml: found character that cannot start any token"),
        ("a: *there", "yaml: unknown anchor 'there' referenced"),
        ("a: 1\nb: [1, *x, 2]", "yaml: unknown anchor 'x' referenced"),
        ("a: &x [*x]", "yaml: anchor 'x' value contains itself"),
        ("a: [" * 501 + "]" * 501, "yaml: exceeded max depth of 10000"),
        ("a: " + "[" * 500 + "]" * 500, "yaml: exceeded max depth of 10000"),
    ],
)  # fmt: skip
def test_fact_18_what_is_no_yaml_is_refused_in_goyamls_words(text: str, why: str) -> None:
    with pytest.raises(ParseError) as refused:
        load_yaml(text.encode())

    assert str(refused.value) == why


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


@pytest.mark.parametrize(("items", "times", "refused"), [(2, 333, False), (7, 125, True)])
def test_fact_18_more_than_a_thousand_nodes_may_not_come_by_aliases(
    items: int, times: int, refused: bool
) -> None:
    text = f"[&a [{', '.join('x' * items)}]{', *a' * (times - 1)}]".encode()
    assert 1 + times * (1 + items) == (1001 if refused else 1000)

    if refused:
        with pytest.raises(ParseError, match=r"^yaml: document contains excessive aliasing$"):
            load_yaml(text)
    else:
        assert load_yaml(text) == [["x"] * items] * times
