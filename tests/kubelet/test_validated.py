"""What a kubelet 1.36.2 said of manifests that differ from a good one in one field; nothing if it took them.

A line of validated.jsonl: what differs, the manifest, and the error in the journal, `{path}` being the file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from labs.kubelet.pod.errors import ManifestError
from labs.kubelet.pod.manifest import pod_from_file

RECORDED = [json.loads(line) for line in Path(__file__).with_name("validated.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("case", RECORDED, ids=[case["case"] for case in RECORDED])
def test_a_manifest_is_taken_or_refused_as_by_the_real_kubelet(case: dict[str, Any]) -> None:
    try:
        pod_from_file(yaml.safe_dump(case["pod"]).encode(), "{path}", "node")
    except ManifestError as error:
        said = str(error)
    else:
        said = ""

    assert said == case["says"]
