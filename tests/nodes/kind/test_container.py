"""The life of a node's container, in a real Docker: made, moved, lost, and removed without a trace."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from labs.errors import LabsError
from labs.nodes.kind import adopt, container, daemon
from labs.nodes.kind.machine import Machine
from labs.nodes.kind.note import Note
from labs.nodes.kind.options import DIRECTORY_LABEL, NodeOptions
from labs.nodes.layout import Layout
from labs.nodes.spec import KIND, KUBELET, REAL, Spec

pytestmark = pytest.mark.long

#: A node with a kubelet and nothing to run: all that these tests are about.
OURS = Spec(KIND)


@pytest.fixture(scope="module")
def client() -> Any:
    from labs.nodes.image import node_image

    try:
        client = daemon.connect()
        node_image(client, lambda _: None)
    except LabsError as error:
        pytest.skip(f"no kind node here: {error}")
    return client


@pytest.fixture
def layout(client: Any, tmp_path: Path) -> Iterator[Layout]:
    name = f"t{uuid.uuid4().hex[:8]}"
    layout = Layout(tmp_path / name, name)
    layout.directory.mkdir()
    yield layout
    if (found := container.find(client, name)) is not None:
        found.remove(v=True, force=True)


def silent(_: str) -> None:
    pass


def boot(layout: Layout, spec: Spec = OURS) -> Machine:
    return container.boot(layout, spec, silent, bare=True)


def test_a_new_node_runs_systemd_containerd_and_the_kubelet(layout: Layout) -> None:
    machine = boot(layout)

    assert machine.run("systemctl is-active containerd kubelet", "asking") == "active\nactive"
    assert machine.run("cat /etc/hostname", "asking") == machine.name == f"{layout.cluster}-control-plane"
    assert layout.port.read_text() == f"{machine.port}\n"
    assert f"server: https://127.0.0.1:{machine.port}" in layout.kubeconfig.read_text()
    assert f"current-context: kind-{layout.cluster}" in layout.kubeconfig.read_text()


def test_the_kind_cli_would_find_it_by_its_labels(client: Any, layout: Layout) -> None:
    machine = boot(layout)
    filters = {"label": [f"io.x-k8s.kind.cluster={layout.cluster}", "io.x-k8s.kind.role=control-plane"]}

    assert [found.name for found in client.containers.list(filters=filters)] == [machine.name]


def test_removing_it_leaves_no_container_and_no_volume(client: Any, layout: Layout) -> None:
    machine = boot(layout)
    volumes = [mount["Name"] for mount in machine.container.attrs["Mounts"] if mount["Type"] == "volume"]

    container.remove(layout)

    assert volumes
    assert container.find(client, layout.cluster) is None
    assert not {volume.name for volume in client.volumes.list()} & set(volumes)
    container.remove(layout)  # nothing is no error


def test_a_stopped_node_is_resumed_with_its_files_at_its_new_address(client: Any, layout: Layout) -> None:
    before = boot(layout)
    before.run("echo kept > /var/lib/kept; echo kept > /root/kept", "writing")
    before.container.stop(timeout=2)
    # somebody else gets its address
    image = before.container.image.id
    squatter = client.containers.create(image, ["sleep", "1000"], entrypoint=[], network="kind")
    try:
        squatter.start()
        after = boot(layout)
    finally:
        squatter.remove(v=True, force=True)

    assert after.container.id == before.container.id
    assert after.port == before.port
    assert after.address != before.address
    assert after.run("cat /var/lib/kept /root/kept", "asking") == "kept\nkept"
    assert f"--node-ip={after.address}" in after.run("cat /var/lib/kubelet/kubeadm-flags.env", "asking")
    names = after.run(
        "openssl x509 -in /etc/kubernetes/pki/apiserver.crt -noout -ext subjectAltName", "asking"
    )
    assert f"IP Address:{after.address}" in names
    assert after.run("systemctl is-active kubelet", "asking") == "active"


def test_a_running_node_is_taken_as_it_is(layout: Layout) -> None:
    before = boot(layout)
    kubelet = before.run("systemctl show -P MainPID kubelet", "asking")

    after = boot(layout)

    assert after.run("systemctl show -P MainPID kubelet", "asking") == kubelet


def test_a_container_removed_behind_our_back_is_one_line(layout: Layout) -> None:
    boot(layout).container.remove(v=True, force=True)

    with pytest.raises(LabsError, match=rf"was removed, and its data with it: 'labs down {layout.cluster}'"):
        boot(layout)


def test_what_an_interrupted_start_left_is_made_anew(layout: Layout) -> None:
    first = boot(layout)
    layout.container(layout.control_plane).unlink()  # it is written last

    second = boot(layout)

    assert second.container.id != first.container.id
    assert Note.load(layout, layout.control_plane) == Note(
        second.container.id, second.address, second.started
    )


def test_a_kind_cluster_of_that_name_is_neither_touched_nor_taken_unasked(
    layout: Layout, as_kind_makes_it: Callable[[Layout, Spec], Machine], tmp_path: Path
) -> None:
    theirs = as_kind_makes_it(layout, OURS)
    ours = Layout(tmp_path / "ours", layout.cluster)
    ours.directory.mkdir()

    with pytest.raises(LabsError, match=f"'labs attach {layout.cluster}' uses it"):
        boot(ours)
    container.remove(ours)

    theirs.container.reload()
    assert theirs.container.status == "running"


def test_an_attached_cluster_keeps_an_audit_log_until_it_is_released(
    layout: Layout, as_kind_makes_it: Callable[[Layout, Spec], Machine], tmp_path: Path
) -> None:
    theirs = as_kind_makes_it(layout, OURS)
    container_spec = "  - command: [kube-apiserver]\n    volumeMounts: []\n"
    original = f"kind: Pod\nspec:\n  containers:\n{container_spec}  volumes: []\n"
    manifest = "/etc/kubernetes/manifests/kube-apiserver.yaml"
    theirs.run(f"systemctl stop kubelet; printf '{original}' > {manifest}", "writing")
    ours = Layout(tmp_path / "ours", layout.cluster)
    ours.directory.mkdir()
    adopt.refuse_unfit(layout.cluster)

    attached = container.boot(ours, Spec(KIND, KUBELET, REAL, attached=True), silent)
    audited = attached.run(f"cat {manifest}", "asking")
    adopt.release(ours)

    assert attached.container.id == theirs.container.id
    assert "--audit-log-path=/var/log/kubernetes/audit/audit.log" in audited
    assert json.loads(ours.container(ours.control_plane).read_text())["id"] == theirs.container.id
    assert attached.run(f"cat {manifest}", "asking") == original.strip()


@pytest.fixture
def as_kind_makes_it(monkeypatch: pytest.MonkeyPatch) -> Callable[[Layout, Spec], Machine]:
    """Boots a node that has kind's labels and no mark of ours."""

    def unmarked(**options: Any) -> NodeOptions:
        return NodeOptions(**options | {"directory": None})

    def boot_unmarked(layout: Layout, spec: Spec) -> Machine:
        with monkeypatch.context() as patch:
            patch.setattr(container, "NodeOptions", unmarked)
            machine = boot(layout, spec)
        assert DIRECTORY_LABEL not in machine.container.labels
        return machine

    return boot_unmarked
