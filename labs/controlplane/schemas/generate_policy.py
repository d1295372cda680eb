"""Write `policy.json`: the roles and bindings that a fresh cluster has (a developer's tool).

    kubectl get clusterroles,clusterrolebindings,roles,rolebindings -A -o json \\
        | python -m labs.controlplane.schemas.generate_policy

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


def main() -> None:
    """Read the list, write the file."""
    items: list[dict[str, Any]] = json.load(sys.stdin)["items"]
    lines = []
    for item in items:
        metadata = {part: value for part, value in item["metadata"].items() if part not in _UNTOLD}
        if metadata["name"].startswith(LEFT_OUT):
            continue
        lines.append(json.dumps({**item, "metadata": metadata}, separators=(",", ":"), sort_keys=True))
    text = "[\n" + ",\n".join(lines) + "\n]\n"
    Path(__file__).with_name("policy.json").write_text(text)


if __name__ == "__main__":
    main()
