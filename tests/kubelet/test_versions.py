"""What other versions of the kubelet do with manifests: facts 14, 16 and 22."""

import json
from pathlib import Path

import pytest

from labs.kubelet.config import KubeletConfig
from labs.kubelet.flags import FlagError, config_fields, parse
from labs.kubelet.hostfs import HostFs
from labs.kubelet.pod.errors import ManifestError
from labs.kubelet.pod.manifest import pod_from_file
from labs.kubelet.pod.model import Pod
from labs.kubelet.sources.file import Change, FileSource
from tests.kubelet.node import manifest

SECRET = {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}


def source(root: Path, version: tuple[int, int]) -> tuple[FileSource, list[list[Pod]]]:
    published: list[list[Pod]] = []
    (root / "m").mkdir(exist_ok=True)
    return FileSource(HostFs(str(root)), "/m", "node-1", 20, published.append, version), published


def write(root: Path, file: str, image: str) -> None:
    (root / "m" / file).write_text(json.dumps(manifest(container={"image": image})))


@pytest.mark.parametrize("version", [(1, 33), (1, 20)])
def test_fact_22_older_kubelets_run_what_refers_to_secrets(version: tuple[int, int]) -> None:
    data = json.dumps(manifest(container=SECRET)).encode()

    assert pod_from_file(data, "/m/web.yaml", "node-1", version).name == "web-node-1"
    with pytest.raises(ManifestError, match="static pods may not reference secrets"):
        pod_from_file(data, "/m/web.yaml", "node-1", (1, 34))


def test_fact_22_older_kubelets_refuse_resource_claims_in_other_words() -> None:
    data = json.dumps(manifest(resourceClaims=[{"name": "a", "resourceClaimName": "b"}])).encode()

    with pytest.raises(ManifestError, match="static pods may not use ResourceClaims"):
        pod_from_file(data, "/m/web.yaml", "node-1", (1, 33))


@pytest.mark.parametrize(
    ("sources", "refused"),
    [
        ([{"downwardAPI": {}}], False),
        ([{"downwardAPI": {}}, {"clusterTrustBundle": {"path": "p", "name": "b"}}], True),
    ],
)
def test_fact_22_older_kubelets_refuse_cluster_trust_bundles_in_other_words(
    sources: list[dict[str, object]], refused: bool
) -> None:
    volumes = [{"name": "a", "emptyDir": {}}, {"name": "v", "projected": {"sources": sources}}]
    data = json.dumps(manifest(volumes=volumes)).encode()

    if not refused:
        assert pod_from_file(data, "/m/web.yaml", "node-1", (1, 33)).name == "web-node-1"
        return
    with pytest.raises(ManifestError) as caught:
        pod_from_file(data, "/m/web.yaml", "node-1", (1, 33))
    assert str(caught.value) == "static pods may not use ClusterTrustBundle projected volume sources"


@pytest.mark.parametrize(("version", "image"), [((1, 36), "b:2"), ((1, 37), "b:1")])
def test_fact_14_which_of_two_files_wins_is_a_matter_of_the_version(
    tmp_path: Path, version: tuple[int, int], image: str
) -> None:
    it, published = source(tmp_path, version)
    write(tmp_path, "a.yaml", "b:1")
    write(tmp_path, "b.yaml", "b:2")
    it.scan()

    assert [pod.containers[0].image for pod in published[-1]] == [image]


def test_fact_14_where_the_first_wins_touching_the_second_changes_nothing(tmp_path: Path) -> None:
    it, published = source(tmp_path, (1, 37))
    write(tmp_path, "a.yaml", "b:1")
    write(tmp_path, "b.yaml", "b:2")
    it.scan()
    it.apply("/m/b.yaml", Change.WRITTEN)

    assert [pod.containers[0].image for pod in published[-1]] == ["b:1"]


def test_fact_16_a_scan_that_finds_nothing_forgets_what_was_there(tmp_path: Path) -> None:
    it, published = source(tmp_path, (1, 36))
    write(tmp_path, "a.yaml", "b:1")
    it.scan()
    (tmp_path / "m/a.yaml").unlink()
    it.scan()
    assert published[-1] == []

    (tmp_path / "m/other.yaml").write_text(json.dumps(manifest("other")))
    it.apply("/m/other.yaml", Change.WRITTEN)

    assert [pod.name for pod in published[-1]] == ["other-node-1"]


def test_the_version_is_a_flag() -> None:
    settings, _ = parse(["--kubernetes-version=v1.33.4"])

    assert KubeletConfig().with_flags(config_fields(settings)).kubernetes_version == (1, 33)
    with pytest.raises(FlagError):
        parse(["--kubernetes-version=new"])
