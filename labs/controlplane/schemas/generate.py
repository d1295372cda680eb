"""Write the shipped schema files from what a real API server says of itself (a developer's tool).

    kubectl proxy --port 8001 &                    # of a cluster with the version to be taken over
    python -m labs.controlplane.schemas.generate http://127.0.0.1:8001

`structure.jsonl` is what requests are checked against, patches merged and appliers' fields told apart by:
types, required fields, merge keys. `openapi.jsonl` has the definitions as `/openapi/v3` has them, for
`kubectl explain`; it is read when somebody asks. Both have a definition per line, `NAME<tab>JSON`, so that
only what is used is ever parsed. `columns.json` has the headings of the tables that kubectl prints.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
#: Groups that are not served: custom resources.
LEFT_OUT = ("apis/apiextensions.k8s.io/",)
#: Definitions that are one value on the wire.
SCALARS = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "any",
    META + "Time": "time",
    META + "MicroTime": "micro-time",
    META + "FieldsV1": "any",
    META + "Patch": "any",
}
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def main() -> None:
    """Ask the server, write the files."""
    server = sys.argv[1]
    here = Path(__file__).parent
    definitions: dict[str, Any] = {}
    for path in _get(server, "/openapi/v3")["paths"]:
        version = re.fullmatch(r"api/[^/]+|apis/[^/]+/[^/]+", path)
        if version and not path.startswith(LEFT_OUT):
            definitions |= _get(server, f"/openapi/v3/{path}")["components"]["schemas"]
    structure = {name: _structure(schema) for name, schema in definitions.items() if name not in SCALARS}
    _write_lines(here / "structure.jsonl", structure)
    _write_lines(here / "openapi.jsonl", definitions)
    columns = json.dumps(_columns(server), separators=(",", ":"), sort_keys=True)
    (here / "columns.json").write_text(columns + "\n")


def _get(server: str, path: str, accept: str = "application/json") -> Any:
    with urlopen(Request(server + path, headers={"Accept": accept})) as answer:
        return json.load(answer)


def _write_lines(file: Path, definitions: dict[str, Any]) -> None:
    lines = (
        f"{name}\t{json.dumps(definitions[name], separators=(',', ':'), sort_keys=True)}\n"
        for name in sorted(definitions)
    )
    file.write_text("".join(lines))


def _columns(server: str) -> dict[str, Any]:
    """`group/plural` to the columns of its table: name, type, format, description, priority."""
    found = {}
    for root in ("/api", "/apis"):
        for group in _get(server, root, AGGREGATED)["items"]:
            name = group["metadata"].get("name", "")
            for version in group["versions"]:
                base = f"{root}/{name}/{version['version']}" if name else f"{root}/{version['version']}"
                if base[1:].startswith(LEFT_OUT):
                    continue
                for resource in version["resources"]:
                    plural = resource["resource"]
                    if "list" not in resource["verbs"] or f"{name}/{plural}" in found:
                        continue
                    table = _get(server, f"{base}/{plural}?limit=1", TABLE)
                    found[f"{name}/{plural}"] = [
                        [column[part] for part in ("name", "type", "format", "description", "priority")]
                        for column in table["columnDefinitions"]
                    ]
    return found


def _structure(schema: dict[str, Any]) -> dict[str, Any]:
    fields = {name: _type(field) for name, field in schema.get("properties", {}).items()}
    result: dict[str, Any] = {"fields": fields}
    if "required" in schema:
        result["required"] = schema["required"]
    if schema.get("x-kubernetes-map-type") == "atomic":
        result["atomic"] = True
    defaults = {
        name: field["default"]
        for name, field in schema.get("properties", {}).items()
        if field.get("default") not in (None, "", 0, {}, [], False)
    }
    if defaults:
        result["defaults"] = defaults
    # Go structs that are values, not pointers, are always there.
    embedded = [name for name, field in schema.get("properties", {}).items() if field.get("default") == {}]
    if embedded:
        result["embedded"] = embedded
    return result


def _type(schema: dict[str, Any]) -> Any:
    reference = schema.get("$ref") or next((part["$ref"] for part in schema.get("allOf", ())), None)
    if reference is not None:
        name = reference.rpartition("/")[2]
        return SCALARS.get(name, "#" + name)
    kind = schema.get("type", "any")
    if kind == "array":
        return _list(schema)
    if kind == "object":
        values = schema.get("additionalProperties")
        result: dict[str, Any] = {"map": _type(values) if isinstance(values, dict) else "any"}
        if schema.get("x-kubernetes-patch-strategy") == "replace":
            result["replace"] = True
        if schema.get("x-kubernetes-map-type") == "atomic":
            result["atomic"] = True
        return result
    if kind in ("integer", "string"):
        return {"byte": "byte", "int32": "int32", "int64": "int64"}.get(schema.get("format", ""), kind)
    return kind


def _list(schema: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {"list": _type(schema["items"])}
    if schema.get("x-kubernetes-patch-strategy", "").startswith("merge"):
        result["merge"] = schema.get("x-kubernetes-patch-merge-key", "")
    match schema.get("x-kubernetes-list-type"):
        case "map":
            result["keys"] = schema["x-kubernetes-list-map-keys"]
        case "set":
            result["set"] = True
    return result


if __name__ == "__main__":
    main()
