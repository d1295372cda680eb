"""YAML as Go's programs read it; the real kubectl is asked where it sees a text's fault."""

import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from labs.golang.goyaml import YAMLError, load, repeated_keys
from labs.golang.yaml_loader import aliased_at_most

MANIFEST = """apiVersion: v1
kind: Pod
metadata:
  labels:
    component: etcd
  name: etcd
spec:
  containers:
  - command:
    - etcd
    - --data-dir=/var/lib/etcd
    image: registry.k8s.io/etcd:3.5.1-0
    livenessProbe:
      failureThreshold: 8
      httpGet:
        host: 127.0.0.1
        path: /health
    name: etcd
    volumeMounts:
    - mountPath: /var/lib/etcd
      name: etcd-data
  hostNetwork: true
  volumes:
  - hostPath:
      path: /var/lib/etcd
      type: DirectoryOrCreate
    name: etcd-data
"""
#: What a hurried hand does to a line.
SLIPS: dict[str, Callable[[str], str]] = {
    "one space too many": lambda line: f" {line}",
    "one space too few": lambda line: line[1:] if line.startswith(" ") else f"  {line}",
    "no colon": lambda line: line.replace(":", "", 1),
    "no space after the colon": lambda line: line.replace(": ", ":", 1),
    "a quote that is not closed": lambda line: re.sub(r"(: |- )(?=\S)", r"\1'", line, count=1),
    "a tab": lambda line: re.sub(r"^ +", "\t", line) if line.startswith(" ") else f"\t{line}",
    "a dash": lambda line: re.sub(r"^( *)", r"\1- ", line),
    "a brace": lambda line: f"{line} {{",
    "a bracket": lambda line: f"{line} ]",
    "an alias": lambda line: f"{line} *nobody",
    "a sign at the front": lambda line: re.sub(r"^( *)", r"\1@", line),
    "a break": lambda line: f"{line[: len(line) // 2]}\n{line[len(line) // 2 :]}",
}


def broken(slip: str, at: int) -> str:
    lines = MANIFEST.splitlines()
    lines[at] = SLIPS[slip](lines[at])
    return "\n".join(lines) + "\n"


def test_a_fault_is_seen_in_the_line_where_the_real_kubectl_sees_it(tmp_path: Path) -> None:
    count = len(MANIFEST.splitlines())
    cases = [(slip, at) for slip in SLIPS for at in random.Random(0).sample(range(1, count), 12)]
    for number, case in enumerate(cases):
        (tmp_path / f"{number:03}.yaml").write_text(broken(*case))

    kubectl = Path(sys.executable).with_name("kubectl")
    options = ["--dry-run=client", "--validate=false", "--server=https://127.0.0.1:1"]
    command = [kubectl, "create", *options, "-f", tmp_path]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr

    real = dict(re.findall(r"parsing \S*/(\d+)\.yaml: error converting YAML to JSON: (.*)", said))
    assert len(real) > len(cases) / 2
    assert {number: _fault(broken(*cases[int(number)])) for number in real} == real


def _fault(text: str) -> str:
    try:
        load(text.encode())
    except YAMLError as error:
        return str(error)
    return "none"


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
    value = load(f"a: {written}".encode())

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
    assert load(text.encode()) == read


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
    with pytest.raises(YAMLError) as refused:
        load(text.encode())

    assert str(refused.value) == why


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("!!float [a, b]", ["a", "b"]),
        ("!!str {a: b}", {"a": "b"}),
        ("!!seq {a: b}", {"a": "b"}),
        ("!!map text", "text"),
        ("!!float 7", 7),
        ("!!float 1.5e3", 1500),
    ],
)
def test_fact_18_a_tag_of_another_kind_says_nothing_of_a_value(written: str, read: object) -> None:
    assert load(f"a: {written}".encode()) == {"a": read}


@pytest.mark.parametrize(
    ("nodes", "share"), [(0, 0.99), (400_000, 0.99), (2_200_000, 0.545), (4_000_000, 0.1), (9_000_000, 0.1)]
)
def test_fact_18_the_larger_a_document_the_less_of_it_may_come_by_aliases(nodes: int, share: float) -> None:
    assert aliased_at_most(nodes) == pytest.approx(share)


@pytest.mark.parametrize(("items", "times", "refused"), [(2, 333, False), (7, 125, True)])
def test_fact_18_more_than_a_thousand_nodes_may_not_come_by_aliases(
    items: int, times: int, refused: bool
) -> None:
    text = f"[&a [{', '.join('x' * items)}]{', *a' * (times - 1)}]".encode()
    assert 1 + times * (1 + items) == (1001 if refused else 1000)

    if refused:
        with pytest.raises(YAMLError, match=r"^yaml: document contains excessive aliasing$"):
            load(text)
    else:
        assert load(text) == [["x"] * items] * times


def test_a_key_that_is_there_twice_is_told_of_wherever_an_alias_repeats_it() -> None:
    text = b"a: 1\nb: {p: &x {c: 1, c: 2}, q: *x}\na: 2\n"

    assert repeated_keys(text) == [
        'line 3: key "a" already set in map',
        'line 2: key "c" already set in map',
        'line 2: key "c" already set in map',
    ]
