"""What hypothesis makes up for an API server: parts of objects where they belong and where they do not."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from tests.long.fuzzing import METADATA, TABLE

WORDS = st.sampled_from(
    [
        *("metadata", "name", "namespace", "labels", "annotations", "finalizers", "ownerReferences", "uid"),
        *("managedFields", "spec", "status", "data", "containers", "ports", "selector", "template", "env"),
        *("replicas", "creationTimestamp", "deletionTimestamp", "resourceVersion", "kind", "apiVersion"),
        *(
            "matchLabels",
            "volumes",
            "image",
            "k",
            "a",
            "$patch",
            "$retainKeys",
            "$setElementOrder/containers",
        ),
        *("$deleteFromPrimitiveList/finalizers", "port", "conditions", "resources", "limits", "cpu"),
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(
        ["delete", "replace", "merge", "a", "c", "v1", "x/y", "2026-01-01T00:00:00Z", "1e9", "-1"]
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(WORDS, VALUES, max_size=4)
POINTERS = st.lists(WORDS | st.sampled_from(["0", "-", "1", "~0", "~1", "²", ""]), max_size=5).map(
    lambda parts: "".join(f"/{part}" for part in parts)
) | st.text(max_size=4)
OPERATIONS = st.lists(
    st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "remove", "replace", "test", "move", "copy", "x"]), "path": POINTERS},
        optional={"value": VALUES, "from": POINTERS},
    ),
    max_size=6,
)
PATCHES = st.one_of(
    st.tuples(st.just("application/json-patch+json"), OPERATIONS | VALUES),
    st.tuples(st.just("application/merge-patch+json"), OBJECTS | VALUES),
    st.tuples(st.just("application/strategic-merge-patch+json"), OBJECTS | VALUES),
    st.tuples(st.just("application/apply-patch+yaml"), OBJECTS | VALUES),
)
#: What a body says it is.
TYPES = st.sampled_from(
    [
        *("application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "text/plain", ""),
        *("application/merge-patch+json", "application/apply-patch+yaml", "application/json;charset=x"),
    ]
)
DEEP = st.integers(1, 30_000).map(lambda depth: b'{"a":' * depth + b"1" + b"}" * depth)
HUGE = st.integers(1, 22).map(lambda power: json.dumps({"data": {"k": "x" * (1 << power)}}).encode())
#: YAML of a few lines that says more with every line.
ALIASES = st.integers(1, 30).map(
    lambda count: "\n".join(
        ["a0: &a0 [x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, count))]
    ).encode()
)
BODIES = st.one_of(
    *(st.binary(max_size=60), st.text(max_size=60).map(str.encode), DEEP, HUGE, ALIASES),
    *(VALUES.map(lambda value: json.dumps(value).encode()), st.binary(max_size=40).map(b"k8s\x00".__add__)),
    st.sampled_from(
        [b"a: &a [*a]", b"{", b"a: 2020-01-01", b"!!python/none x", b"\xff\xfe{", b'{"a":"\\ud800"}']
    ),
)
LABELS = st.text("ab=!,()<> \tinotx./-é", max_size=14) | st.text(max_size=8)
FIELDS = st.text("abmetdanspc.=!,\\", max_size=14) | st.sampled_from(
    ["metadata.name=a", "spec.nodeName!=", "metadata.name=a\\,b", "=", "status.phase=Running"]
)
NUMBERS = st.integers(-5, 1 << 66).map(str) | st.text("0123456789²_+- ", max_size=5)
TOKENS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGH0123456789-_=", max_size=40)
QUERIES = st.fixed_dictionaries(
    {},
    optional={
        "labelSelector": LABELS,
        "fieldSelector": FIELDS,
        "limit": NUMBERS,
        "continue": TOKENS,
        "resourceVersion": NUMBERS,
        "resourceVersionMatch": st.sampled_from(["Exact", "NotOlderThan", "x"]),
        "timeoutSeconds": NUMBERS,
        "watch": st.sampled_from(["1", "true", "x"]),
        "sendInitialEvents": st.sampled_from(["true", "x"]),
        "allowWatchBookmarks": st.just("true"),
        "includeObject": st.sampled_from(["Object", "None", "x"]),
    },
)
WRITING = st.fixed_dictionaries(
    {},
    optional={
        "dryRun": st.sampled_from(["All", "x"]),
        "fieldManager": st.text(max_size=5) | st.just("m" * 130),
        "fieldValidation": st.sampled_from(["Strict", "Warn", "Ignore", "x"]),
        "force": st.sampled_from(["true", "x"]),
    },
)
ACCEPT = st.sampled_from([{}, TABLE, METADATA]) | st.text(
    "abcdefghijklmnopqrstuvwxyz/*;,=.+ ", max_size=30
).map(lambda text: {"Accept": text})
SUBRESOURCES = st.sampled_from(
    ["", "", "", "/status", "/scale", "/binding", "/eviction", "/ephemeralcontainers"]
)
