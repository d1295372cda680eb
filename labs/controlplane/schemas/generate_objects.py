"""Write `policy.json` or `initial.json`: objects that a fresh cluster has (a developer's tool).

    kubectl get clusterroles,clusterrolebindings,roles,rolebindings -A -o json \\
        | python -m labs.controlplane.schemas.generate_objects policy.json
    kubectl get apiservices,flowschemas,prioritylevelconfigurations -o json \\
        | python -m labs.controlplane.schemas.generate_objects initial.json

The input is of a cluster that has an API server and nothing else, of the version to be taken over. What the
build's maker has added is left out; an object per line.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

#: Of OpenShift's build, not of Kubernetes.
LEFT_OUT = ("system:openshift:", "system:controller:service-ca-cert-publisher")
_UNTOLD = ("uid", "resourceVersion", "creationTimestamp", "managedFields")


def main(file: str) -> None:
    """Read the list, write the file."""
    items: list[dict[str, Any]] = json.load(sys.stdin)["items"]
    lines = []
    for item in items:
        metadata = {part: value for part, value in item["metadata"].items() if part not in _UNTOLD}
        if metadata["name"].startswith(LEFT_OUT):
            continue
        for condition in item.get("status", {}).get("conditions", []):
            del condition["lastTransitionTime"]
        lines.append(json.dumps({**item, "metadata": metadata}, separators=(",", ":"), sort_keys=True))
    text = "[\n" + ",\n".join(lines) + "\n]\n"
    Path(__file__).with_name(file).write_text(text)


if __name__ == "__main__":
    main(sys.argv[1])
