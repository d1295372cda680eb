"""Write `schema.json`, the fields of a Pod as Kubernetes knows them, from a release's JSON schemas.

Run by a developer when the Kubernetes version moves, never by the kubelet:

    uv run --with kubernetes-validate python -m labs.kubelet.pod.build_schema v1.36.0

The schemas of `kubernetes-validate` are 100 MB; what decoding a Pod needs of them fits into a few
kilobytes: per type its fields, each field a type expression that `labs.kubelet.pod.schema` explains.
"""

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = "io.k8s.api.core.v1.Pod"
SCALARS = {"string": "string", "integer": "int", "number": "float", "boolean": "bool"}
OPAQUE = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "Quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "IntOrString",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "Time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "Time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "any",
}


def _type_of(schema: dict[str, Any], queue: list[str]) -> str:
    """The type expression of one JSON schema; types it refers to are put on the queue."""
    reference: str = schema.get("$ref", "")
    if reference:
        name = reference.rsplit("/", 1)[1]
        if name in OPAQUE:
            return OPAQUE[name]
        queue.append(name)
        return name.rsplit(".", 1)[1]
    kinds = [k for k in [schema.get("type")] if isinstance(k, str)] or [
        k for k in schema.get("type") or [] if k != "null"
    ]
    kind = kinds[0] if kinds else "any"
    if kind == "array":
        return f"[]{_type_of(schema['items'], queue)}"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"map[string]{_type_of(values, queue)}" if values else "any"
    return SCALARS.get(kind, "any")


def build(definitions: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Every type a Pod reaches, by its short name."""
    types: dict[str, dict[str, str]] = {}
    queue = [ROOT]
    while queue:
        name = queue.pop()
        short = name.rsplit(".", 1)[1]
        if short not in types:
            properties = definitions[name].get("properties", {})
            types[short] = {}
            types[short].update({field: _type_of(s, queue) for field, s in sorted(properties.items())})
    return dict(sorted(types.items()))


def main() -> None:
    spec = find_spec("kubernetes_validate")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("kubernetes-validate is not installed: uv run --with kubernetes-validate python -m …")
    folder = Path(spec.submodule_search_locations[0]) / "kubernetes-json-schema" / f"{sys.argv[1]}-local"
    types = build(json.loads((folder / "_definitions.json").read_text())["$defs"])
    Path(__file__).with_name("schema.json").write_text(json.dumps(types, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
