"""Write the shipped schema files from the `kubernetes-validate` package (a developer's tool).

    uv run --with kubernetes-validate python -m labs.controlplane.schemas.generate

`structure.json` is what requests are checked against and patches merged by: types, required fields, merge
keys. `openapi.json` has the descriptions besides, for `kubectl explain`; it is read when somebody asks.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

VERSION = "1.36.0"
CORE = "io.k8s.api.core.v1."
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
ROOTS = (
    *(
        CORE + kind
        for kind in (
            *("Binding", "ConfigMap", "Endpoints", "Event", "Namespace", "Node", "Pod", "Secret"),
            *("Service", "ServiceAccount"),
        )
    ),
    "io.k8s.api.coordination.v1.Lease",
    "io.k8s.api.events.v1.Event",
    "io.k8s.api.policy.v1.Eviction",
    "io.k8s.api.scheduling.v1.PriorityClass",
    META + "DeleteOptions",
    META + "Status",
    META + "Patch",
    META + "WatchEvent",
)
#: Definitions that are one value on the wire.
SCALARS = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "any",
    META + "Time": "string",
    META + "MicroTime": "string",
    META + "FieldsV1": "any",
    META + "Patch": "any",
}


def main() -> None:
    """Read the package's definitions, keep what the roots reach, write both files."""
    package = importlib.import_module("kubernetes_validate")
    folder = Path(str(package.__file__)).parent / "kubernetes-json-schema" / f"v{VERSION}-local"
    definitions = json.loads((folder / "_definitions.json").read_text())["$defs"]
    kept = _reachable(definitions)
    here = Path(__file__).parent
    structure = {name: _structure(kept[name]) for name in kept if name not in SCALARS}
    (here / "structure.json").write_text(json.dumps(structure, separators=(",", ":"), sort_keys=True) + "\n")
    openapi = {name: _plain(schema) for name, schema in kept.items()}
    (here / "openapi.json").write_text(json.dumps(openapi, separators=(",", ":"), sort_keys=True) + "\n")


def _reachable(definitions: dict[str, Any]) -> dict[str, Any]:
    lists = [root + "List" for root in ROOTS if root + "List" in definitions]
    pending, kept = [*ROOTS, *lists], {}
    while pending:
        name = pending.pop()
        if name not in kept:
            kept[name] = definitions[name]
            pending += _references(definitions[name])
    return kept


def _references(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [name for item in schema for name in _references(item)]
    if not isinstance(schema, dict):
        return []
    found = [schema["$ref"].rpartition("/")[2]] if isinstance(schema.get("$ref"), str) else []
    return found + [name for value in schema.values() for name in _references(value)]


def _structure(schema: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "fields": {name: _type(field) for name, field in schema.get("properties", {}).items()}
    }
    if "required" in schema:
        result["required"] = schema["required"]
    return result


def _type(schema: dict[str, Any]) -> Any:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return SCALARS.get(name, "#" + name)
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "array":
        result: dict[str, Any] = {"list": _type(schema["items"])}
        if schema.get("x-kubernetes-patch-strategy", "").startswith("merge"):
            result["merge"] = schema.get("x-kubernetes-patch-merge-key", "")
        return result
    if kind == "object":
        values = schema.get("additionalProperties")
        result = {"map": _type(values) if isinstance(values, dict) else "any"}
        if schema.get("x-kubernetes-patch-strategy") == "replace":
            result["replace"] = True
        return result
    return kind


def _plain(schema: Any) -> Any:
    """OpenAPI has no null type: what may be null is just not required there."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "oneOf" in schema:
        return {
            "type": "string",
            **({"format": "int-or-string"} if "integer" in str(schema["oneOf"]) else {}),
        }
    result = {key: _plain(value) for key, value in schema.items() if not (key == "enum" and len(value) == 1)}
    if isinstance(schema.get("type"), list):
        result["type"] = schema["type"][0]
    if isinstance(schema.get("$ref"), str):
        result["$ref"] = "#/definitions/" + schema["$ref"].rpartition("/")[2]
    return result


if __name__ == "__main__":
    main()
