"""Write `wire.jsonl`: the field numbers of Kubernetes' protobuf form (a developer's tool).

    python -m labs.controlplane.schemas.generate_wire API_CHECKOUT APIMACHINERY_CHECKOUT

The arguments are checkouts of k8s.io/api and k8s.io/apimachinery. Their Go types tell for every field its
number, and whether a zero means "not given"; all other knowledge of the kinds is in `structure.jsonl`.
An entry is `number: [JSON name, mark]`; marks are `z` (zero is nothing), `t` (a time), `u` (a time with
microseconds), `b` (bytes); an embedded struct is `number: {its own table}`.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from . import names

_API = "io.k8s.api."
_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_STRUCT = re.compile(r"^type (\w+) struct \{$(.*?)^\}$", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(
    r'^\t(?:\w+\s+)?([*\[\]\w.]+)\s+`json:"([^"]*)"[^`]*?protobuf:"\w+,(\d+),[^"]*"', re.MULTILINE
)

Fields = dict[str, str]


def main() -> None:
    """Read both checkouts, write the table."""
    api, machinery = (Path(argument) for argument in sys.argv[1:3])
    here = Path(__file__).parent
    structs: dict[str, Fields] = {
        _META: dict(_STRUCT.findall((machinery / "pkg/apis/meta/v1/types.go").read_text()))
    }
    lines = []
    for name in sorted(names("structure.jsonl")):
        package, _, kind = name.rpartition(".")
        if package.startswith(_API) and package not in structs:
            folder = package.removeprefix(_API).replace(".", "/")
            structs[package] = dict(_STRUCT.findall((api / folder / "types.go").read_text()))
        if kind in structs.get(package, {}):
            table = json.dumps(_table(structs[package], kind), separators=(",", ":"), sort_keys=True)
            lines.append(f"{name}\t{table}\n")
    (here / "wire.jsonl").write_text("".join(lines))


def _table(structs: Fields, kind: str) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for go_type, tag, number in _FIELD.findall(structs[kind]):
        json_name, _, options = tag.partition(",")
        if not json_name:
            if go_type.rpartition(".")[2] in structs:
                table[number] = _table(structs, go_type.rpartition(".")[2])
            continue
        table[number] = [json_name, _mark(go_type, options)]
    return table


def _mark(go_type: str, options: str) -> str:
    if go_type.endswith("MicroTime"):
        return "u"
    if go_type.endswith("Time"):
        return "t"
    if "[]byte" in go_type:
        return "b"
    return "z" if not go_type.startswith("*") and "omitempty" in options else ""


if __name__ == "__main__":
    main()
