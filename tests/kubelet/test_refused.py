"""What kubelet 1.36.2 said of specs on a real node, word for word; `null` where it ran them (fact 20)."""

import json
from pathlib import Path
from typing import Any

import pytest

from labs.kubelet.pod.errors import ManifestError
from labs.kubelet.pod.manifest import pod_from_file

RECORDED = [json.loads(line) for line in Path(__file__).with_name("refused.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("row", RECORDED, ids=lambda row: json.dumps(row["spec"])[:80])
def test_fact_20_a_spec_is_refused_in_the_recorded_words(row: dict[str, Any]) -> None:
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": row["spec"]}
    try:
        pod_from_file(json.dumps(manifest).encode(), "/m/web.yaml", "node-1")
        said = None
    except ManifestError as error:
        said = str(error)

    assert said == row["said"]
