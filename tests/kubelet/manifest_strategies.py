"""What people, editors and accidents put into a manifests directory, for hypothesis."""

import json
from typing import Any

import yaml
from hypothesis import strategies as st

from labs.kubelet.pod.schema import types
from tests.kubelet.node import manifest

#: Names that a directory can hold; editors' and shells' leftovers among them.
file_names = st.one_of(
    st.sampled_from(["web.yaml", "web.yaml~", "4913", "#web.yaml#", "web.json", "-", "a b", "ü", "*",
        "web.yaml.swp"]),
    st.binary(min_size=1, max_size=40)
    .filter(lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b".."))
    .map(lambda name: name.decode(errors="surrogateescape")),
)  # fmt: skip

#: Words that mean something to YAML, to Kubernetes or to a careless parser.
words = st.sampled_from(
    ["web", "Web", "", "~", "null", "yes", "0o17", "0x_", "1e999", "-.inf", ".nan", "1:30", "2026-11-23",
    "<<", "=",
     "!!binary", "\ufeff", "\x00", "\ud7ff", "\U0001f4a9", "a" * 300, "../../etc", "/", "$(A)", "$$",
     "9" * 5000,
     "1Gi", "100m", "1e-400", "-1", "default", "kube-system", "busybox:1.36", "Always", "TCP", "8080"]
)  # fmt: skip
scalars: st.SearchStrategy[Any] = st.one_of(
    words, st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(words | st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)

#: Pieces of YAML in any order: what half an edit looks like.
soup = st.lists(
    st.sampled_from(
        ["apiVersion: v1\n", "kind: Pod\n", "metadata:\n", "  name: web\n", "spec:\n", "  containers:\n",
        "  - name: main\n",
         "    image: busybox:1.36\n", "---\n", "...\n", "\t", "- ", "? ", ": ", "&a ", "*a ", "<<: *a\n",
         "{", "}", "[", "]",
         "|\n", ">-\n", "'", '"', "#", "%YAML 9.9\n", "%TAG ! x\n", "!!binary ", "!!timestamp ",
         "!!float ", "!!int ", "!!set ",
         "!!omap ", "!!python/object:os.system ", "!x ", "@", "`", "\r\n", "\x85", "\ufeff", "\0", "=",
         "~", "\n", "  "]
    ),
    max_size=30,
).map("".join)  # fmt: skip


_of_scalar: dict[str, st.SearchStrategy[Any]] = {
    "string": words,
    "bool": st.booleans(),
    "int": st.integers(-(2**31), 2**31) | st.sampled_from([0, 1, 80, -1, 65536]),
    "float": st.floats(),
    "Quantity": words | st.integers(),
    "IntOrString": words | st.integers(0, 70000),
    "Time": words,
    "any": values,
}


@st.composite
def of_type(draw: st.DrawFn, expression: str, depth: int = 4) -> Any:
    """A value that a field of this type of the Pod schema can have."""
    if expression.startswith("[]"):
        return [draw(of_type(expression[2:], depth)) for _ in range(draw(st.integers(0, 2)))]
    if expression.startswith("map[string]"):
        return {draw(words): draw(of_type(expression[11:], depth)) for _ in range(draw(st.integers(0, 2)))}
    if expression not in types():
        return draw(_of_scalar[expression])
    fields = types()[expression]
    if depth == 0 or not fields:
        return {}
    chosen = draw(st.lists(st.sampled_from(sorted(fields)), max_size=4, unique=True))
    return {field: draw(of_type(fields[field], depth - 1)) for field in chosen}


def _pod(metadata: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"} | metadata, "spec": spec}


pods_of_the_schema = st.builds(_pod, of_type("ObjectMeta"), of_type("PodSpec"))


@st.composite
def almost_valid(draw: st.DrawFn) -> dict[str, Any]:
    """A pod that would run, with one or two fields of it, or new ones, replaced by something else."""
    pod = manifest()
    for _ in range(draw(st.integers(1, 2))):
        at: Any = pod
        while True:
            keys = list(at) if isinstance(at, dict) else range(len(at))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(at[key], dict | list) and draw(st.booleans()):
                at = at[key]
                continue
            at[key] = draw(values)
            break
    spec = pod["spec"]
    if isinstance(spec, dict) and draw(st.booleans()):
        field = draw(st.sampled_from(sorted(types()["PodSpec"])))
        spec[field] = draw(of_type(types()["PodSpec"][field]))
        containers = spec.get("containers")
        if isinstance(containers, list) and containers and isinstance(containers[0], dict):
            field = draw(st.sampled_from(sorted(types()["Container"])))
            containers[0][field] = draw(of_type(types()["Container"][field]))
    return pod


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good manifest's bytes, cut or with some of them changed."""
    text = bytearray(yaml.safe_dump(manifest()).encode())
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        text[at : at + draw(st.integers(0, 10))] = draw(st.binary(max_size=4))
    return bytes(text[: draw(st.integers(0, len(text)))] if draw(st.booleans()) else text)


def _dumped(document: object) -> bytes:
    try:
        return yaml.safe_dump(document, allow_unicode=True).encode(errors="surrogatepass")
    except yaml.YAMLError:
        return repr(document).encode(errors="surrogatepass")


contents: st.SearchStrategy[bytes] = st.one_of(
    st.binary(max_size=200),
    soup.map(lambda text: text.encode(errors="surrogatepass")),
    damaged(),
    values.map(_dumped),
    st.one_of(almost_valid(), pods_of_the_schema).map(_dumped),
    st.one_of(almost_valid(), pods_of_the_schema).map(lambda pod: json.dumps(pod).encode()),
)
