"""What kubelet 1.36.2 said of specs and files on a real node, word for word; `null` where it ran them."""

import json
from pathlib import Path
from typing import Any

import pytest

from labs.kubelet.pod.errors import ManifestError
from labs.kubelet.pod.manifest import pod_from_file
from tests.kubelet.recorded import short

RECORDED = [json.loads(line) for line in Path(__file__).with_name("refused.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("row", RECORDED, ids=lambda row: short(json.dumps(row["spec"])))
def test_fact_20_a_pod_is_refused_in_the_recorded_words(row: dict[str, Any]) -> None:
    metadata = {"name": "web", **row.get("metadata", {})}
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": row["spec"]}
    try:
        pod_from_file(json.dumps(manifest).encode(), "/m/web.yaml", "node-1")
        said = None
    except ManifestError as error:
        said = str(error)

    assert said == row["said"]


FILES = [json.loads(line) for line in Path(__file__).with_name("files.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("row", FILES, ids=lambda row: row["name"])
def test_fact_18_a_file_is_taken_or_refused_in_the_recorded_words(row: dict[str, Any]) -> None:
    path = f"/etc/kubernetes/manifests/f-{row['name']}.yaml"
    try:
        pod_from_file(row["bytes"].encode("latin-1"), path, "node-1")
        said = None
    except ManifestError as error:
        said = str(error)

    assert said == row["said"]


def test_fact_20_a_name_is_too_long_with_the_nodes() -> None:
    spec = {"containers": [{"name": "a", "image": "b:1"}]}
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "n" * 250}, "spec": spec}

    with pytest.raises(ManifestError) as caught:
        pod_from_file(json.dumps(manifest).encode(), "/m/web.yaml", "node-1")

    name = "n" * 250 + "-node-1"
    assert str(caught.value) == (
        f'invalid pod: [metadata.name: Invalid value: "{name}": must be no more than 253 characters]'
    )
