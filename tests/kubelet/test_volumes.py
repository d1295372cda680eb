"""Volumes on the node's disk, and waiting for them."""

import asyncio
import errno
import json
import os
import socket
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from labs.kubelet.hostfs import HostFs
from labs.kubelet.payload import File, write_payload
from labs.kubelet.pod.manifest import pod_from_file
from labs.kubelet.pod.model import Pod
from labs.kubelet.volumes import BoundMount, VolumeError, Volumes
from tests.kubelet.node import START, manifest, node
from tests.kubelet.virtual_time import virtual


def pod_with(source: dict[str, Any], mount: dict[str, Any] | None = None, **spec: Any) -> Pod:
    container = {"volumeMounts": [{"name": "v", "mountPath": "/v", **(mount or {})}]}
    it = manifest(container=container, volumes=[{"name": "v", **source}], **spec)
    return pod_from_file(json.dumps(it).encode(), "/m/web.yaml", "node-1")


#: What the node has for pods.
AMOUNTS = {"cpu": "2", "memory": "4000Mi", "ephemeral-storage": "10Gi", "pods": "110"}


class Disk:
    """Volumes of one pod."""

    def __init__(self, root: Path) -> None:
        (root / "etc").mkdir()
        (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
        self.root = root
        self.volumes = Volumes(HostFs(str(root)), "/var/lib/kubelet", "cluster.local", lambda: START, AMOUNTS)

    def mount(self, pod: Pod, env: dict[str, str] | None = None) -> BoundMount:
        """The pod's one volume, set up and mounted."""
        for failure in self.volumes.prepare(pod):
            raise failure
        mounts = self.volumes.mounts(pod, pod.containers[0], ("10.244.0.5",), env or {})
        return next(m for m in mounts if m.container_path == "/v")

    def path(self, on_node: str) -> Path:
        return self.root / on_node.lstrip("/")


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


def test_an_empty_dir_is_for_everybody(disk: Disk) -> None:
    made = disk.mount(pod_with({"emptyDir": {}}))

    assert made.host_path.endswith("/volumes/kubernetes.io~empty-dir/v")
    assert stat.S_IMODE(disk.path(made.host_path).stat().st_mode) == 0o777


def test_downward_files_change_together_and_are_read_only(disk: Disk) -> None:
    items = [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "deep/name", "fieldRef": {"fieldPath": "metadata.name"}, "mode": 0o400},
    ]
    made = disk.mount(pod_with({"downwardAPI": {"items": items}}))
    folder = disk.path(made.host_path)

    assert made.read_only
    assert (folder / "labels").read_text() == 'app="web"'
    assert (folder / "deep/name").read_text() == "web-node-1"
    assert str((folder / "labels").readlink()) == "..data/labels"
    assert stat.S_IMODE((folder / "deep/name").stat().st_mode) == 0o400
    assert stat.S_IMODE((folder / "labels").stat().st_mode) == 0o644


def test_downward_files_tell_a_containers_resources_in_the_units_asked_for(disk: Disk) -> None:
    def item(path: str, resource: str, divisor: str) -> dict[str, Any]:
        reference = {"containerName": "main", "resource": resource, "divisor": divisor}
        return {"path": path, "resourceFieldRef": reference}

    asked = [
        ("limits.cpu", "0"), ("limits.cpu", "1m"), ("requests.cpu", "1"), ("limits.memory", "0"),
        ("limits.memory", "1Mi"), ("requests.memory", "1Gi"),
    ]  # fmt: skip
    items = [item(str(i), *what) for i, what in enumerate(asked)]
    resources = {"limits": {"cpu": "1500m", "memory": "64Mi"}, "requests": {"cpu": "250m", "memory": "32Mi"}}
    container = {"volumeMounts": [{"name": "v", "mountPath": "/v"}], "resources": resources}
    volumes = [{"name": "v", "downwardAPI": {"items": items}}]
    it = manifest(container=container, volumes=volumes)

    made = disk.mount(pod_from_file(json.dumps(it).encode(), "/m/web.yaml", "node-1"))

    found = [(disk.path(made.host_path) / str(i)).read_text() for i in range(len(asked))]
    assert found == ["2", "1500", "1", str(64 << 20), "64", "1"]


@pytest.mark.parametrize("own", [{}, {"limits": {"cpu": "0"}}])
def test_a_limit_that_is_not_set_is_told_as_what_the_node_has(disk: Disk, own: dict[str, Any]) -> None:
    found = told_resources(disk, own)

    assert found == {
        "limits.cpu": "2", "limits.memory": str(4000 << 20), "limits.ephemeral-storage": str(10 << 30),
        "requests.cpu": "0", "requests.memory": "0",
    }  # fmt: skip


def told_resources(disk: Disk, own: dict[str, Any]) -> dict[str, str]:
    """What a container with these resources of its own finds in a volume."""
    asked = ("limits.cpu", "limits.memory", "limits.ephemeral-storage", "requests.cpu", "requests.memory")
    items = [
        {"path": what, "resourceFieldRef": {"containerName": "main", "resource": what}} for what in asked
    ]
    container = {"volumeMounts": [{"name": "v", "mountPath": "/v"}], "resources": own}
    it = manifest(container=container, volumes=[{"name": "v", "downwardAPI": {"items": items}}])
    made = disk.mount(pod_from_file(json.dumps(it).encode(), "/m/web.yaml", "node-1"))
    return {what: (disk.path(made.host_path) / what).read_text() for what in asked}


def test_a_payload_is_replaced_as_a_whole(tmp_path: Path) -> None:
    fs, folder = HostFs(str(tmp_path)), tmp_path / "v"
    folder.mkdir()
    write_payload(fs, "/v", {"a": File(b"1", 0o644), "b": File(b"1", 0o644)}, START)
    first = (folder / "..data").readlink()
    write_payload(fs, "/v", {"a": File(b"1", 0o644), "b": File(b"1", 0o644)}, START + timedelta(seconds=1))
    assert (folder / "..data").readlink() == first

    write_payload(fs, "/v", {"a": File(b"2", 0o644)}, START + timedelta(seconds=1))

    assert (folder / "a").read_text() == "2"
    assert not (folder / "b").exists()
    assert not (folder / first).exists()


def test_a_key_that_is_gone_is_a_file_less(tmp_path: Path) -> None:
    fs, folder = HostFs(str(tmp_path)), tmp_path / "v"
    folder.mkdir()
    write_payload(fs, "/v", {"a": File(b"1", 0o644), "deep/b": File(b"1", 0o644)}, START)

    write_payload(fs, "/v", {"a": File(b"1", 0o644)}, START + timedelta(seconds=1))

    assert sorted(p.name for p in folder.iterdir() if not p.name.startswith("..")) == ["a"]


def test_a_projected_volume_has_its_downward_files(disk: Disk) -> None:
    item = {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}
    source = {"projected": {"defaultMode": 0o440, "sources": [{"downwardAPI": {"items": [item]}}]}}
    made = disk.mount(pod_with(source))

    file = disk.path(made.host_path) / "name"
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("web-node-1", 0o440)


@pytest.mark.parametrize(
    ("kind", "there", "why"),
    [
        ("Directory", None, "is not a directory"),
        ("Directory", "file", "is not a directory"),
        ("File", "dir", "is not a file"),
        ("Socket", "file", "is not a socket file"),
        ("CharDevice", None, "is not a character device"),
        ("BlockDevice", None, "is not a block device"),
        ("DirectoryOrCreate", None, ""),
        ("DirectoryOrCreate", "dir", ""),
        ("DirectoryOrCreate", "file", "is not a directory"),
        ("FileOrCreate", None, ""),
        ("FileOrCreate", "file", ""),
        ("FileOrCreate", "dir", "is not a file"),
        ("Directory", "dir", ""),
        ("File", "file", ""),
        ("Socket", "socket", ""),
        ("", None, ""),
    ],
)
def test_a_host_path_is_what_its_type_says(disk: Disk, kind: str, there: str | None, why: str) -> None:
    if there == "file":
        disk.path("/there").touch()
    elif there == "dir":
        disk.path("/there").mkdir()
    elif there == "socket":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(disk.path("/there")))
    pod = pod_with({"hostPath": {"path": "/there", "type": kind}})

    if why:
        with pytest.raises(VolumeError, match=f"hostPath type check failed: /there {why}"):
            disk.mount(pod)
    else:
        disk.mount(pod)
        assert disk.path("/there").exists() == bool(kind)


@pytest.mark.parametrize(("kind", "there"), [("CharDevice", "char"), ("BlockDevice", "block")])
def test_a_device_is_a_device_of_its_kind(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, kind: str, there: str
) -> None:
    monkeypatch.setattr(HostFs, "kind", lambda *_: there)

    assert disk.volumes.prepare(pod_with({"hostPath": {"path": "/there", "type": kind}})) == []


def test_a_group_owns_what_fs_group_says(disk: Disk) -> None:
    made = disk.mount(pod_with({"emptyDir": {}}, securityContext={"fsGroup": os.getgid()}))

    mode = disk.path(made.host_path).stat().st_mode
    assert stat.S_IMODE(mode) == 0o2777


def test_a_sub_path_is_made_within_the_volume(disk: Disk) -> None:
    made = disk.mount(pod_with({"emptyDir": {}}, {"subPath": "a/b"}))

    assert made.host_path.endswith("/kubernetes.io~empty-dir/v/a/b")
    assert disk.path(made.host_path).is_dir()


def test_a_sub_path_may_be_made_of_variables(disk: Disk) -> None:
    pod = pod_with({"emptyDir": {}}, {"subPathExpr": "$(POD)/x"})

    assert disk.mount(pod, {"POD": "web"}).host_path.endswith("/v/web/x")


def test_a_sub_path_cannot_lead_out_of_its_volume(disk: Disk) -> None:
    pod = pod_with({"emptyDir": {}}, {"subPath": "out/secret"})
    disk.volumes.prepare(pod)
    disk.path("/secret").mkdir()
    volume = disk.path(disk.volumes.path_of(pod, pod.volumes[0]))
    (volume / "out").symlink_to("/")

    with pytest.raises(VolumeError, match="not within volume path"):
        disk.mount(pod)


def test_hosts_name_the_pod_with_its_domain_and_its_aliases(disk: Disk) -> None:
    pod = pod_with(
        {"emptyDir": {}},
        hostname="fancy",
        subdomain="sub",
        hostAliases=[{"ip": "1.2.3.4", "hostnames": ["a"]}],
    )
    disk.mount(pod)

    text = disk.path(f"/var/lib/kubelet/pods/{pod.uid}/etc-hosts").read_text()
    assert "10.244.0.5\tfancy.sub.default.svc.cluster.local\tfancy\n" in text
    assert text.endswith("\n# Entries added by HostAliases.\n1.2.3.4\ta\n")


@virtual
async def test_a_volume_that_cannot_be_had_is_tried_again_with_growing_delays(tmp_path: Path) -> None:
    container = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    volumes = [{"name": "v", "hostPath": {"path": "/there", "type": "Directory"}}]
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest(container=container, volumes=volumes))
        await asyncio.sleep(10)
        tries = [e["count"] for e in n.api.events("web-node-1") if e["reason"] == "FailedMount"]
        (tmp_path / "there").mkdir()
        took = await n.until(n.running)

        assert tries == [5]  # at 0, 0.5, 1.5, 3.5 and 7.5 seconds
        assert took <= 6
        (event,) = (e for e in n.api.events("web-node-1") if e["reason"] == "FailedMount")
        why = "hostPath type check failed: /there is not a directory"
        assert event["message"] == f'MountVolume.SetUp failed for volume "v" : {why}'


@virtual
async def test_after_two_minutes_the_sync_gives_up_and_begins_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    container = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    volumes = [{"name": "v", "hostPath": {"path": "/there", "type": "Directory"}}]
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest(container=container, volumes=volumes))
        await asyncio.sleep(130)

        said = capsys.readouterr().err
        why = "unmounted volumes=[v], unattached volumes=[], failed to process volumes=[]"
        assert f'"Error syncing pod, skipping" err="{why}: context deadline exceeded"' in said
        assert "durationBeforeRetry 500ms" in said
        uid = n.mirror()["metadata"]["annotations"]["kubernetes.io/config.hash"]  # type: ignore[index]
        volume = f'volume \\"v\\" (UniqueName: \\"kubernetes.io/host-path/{uid}-v\\")'
        began = f'started for {volume} pod \\"web-node-1\\" (UID: \\"{uid}\\") " pod="default/web-node-1"'
        assert said.count(f'"operationExecutor.VerifyControllerAttachedVolume {began}') == 1
        assert "durationBeforeRetry 1m4s" in said


@virtual
async def test_a_pod_is_launched_although_unmounting_the_old_ones_volume_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(fs: HostFs, path: str) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)

    monkeypatch.setattr(HostFs, "unmount", busy)
    mounts = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    volumes = [{"name": "v", "emptyDir": {}}]
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest(container=mounts, volumes=volumes))
        old = await n.runs()
        uid = old.labels["io.kubernetes.pod.uid"]
        folder = tmp_path / f"var/lib/kubelet/pods/{uid}"
        in_use = f"/var/lib/kubelet/pods/{uid}/volumes/kubernetes.io~empty-dir/v"
        monkeypatch.setattr(HostFs, "is_mount", lambda fs, path: path == in_use)

        n.put("web.yaml", manifest(container={**mounts, "image": "busybox:1.37"}, volumes=volumes))
        await n.until(lambda: [c.id for c in n.running() if c.id != old.id])
        await n.until(lambda: f"{in_use}: device or resource busy" in capsys.readouterr().err)
        assert folder.is_dir()

        monkeypatch.setattr(HostFs, "is_mount", lambda fs, path: False)
        await n.until(lambda: not folder.exists())
        assert len(n.running()) == 1


class _Mounting(HostFs):
    """A node whose file systems are only noted: path, and size of those in memory."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.mounted: dict[str, int] = {}

    def mount_tmpfs(self, path: str, size: int) -> bool:
        self.mounted[path] = size
        return True

    def is_mount(self, path: str) -> bool:
        return path in self.mounted

    def unmount(self, path: str) -> None:
        del self.mounted[path]


@pytest.fixture
def mounting(tmp_path: Path) -> tuple[_Mounting, Volumes]:
    fs = _Mounting(str(tmp_path))
    return fs, Volumes(fs, "/var/lib/kubelet", "cluster.local", lambda: START, AMOUNTS)


DOWNWARD = {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}


@pytest.mark.parametrize(
    ("source", "plugin", "size"),
    [
        ({"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}, "empty-dir", 1 << 20),
        ({"emptyDir": {"medium": "Memory"}}, "empty-dir", 0),
        ({"emptyDir": {"sizeLimit": "1Mi"}}, "empty-dir", None),
        ({"downwardAPI": DOWNWARD}, "downward-api", 0),
        ({"projected": {"sources": [{"downwardAPI": DOWNWARD}]}}, "projected", 0),
    ],
)
def test_volumes_in_memory_have_file_systems_which_go_with_the_pod(
    mounting: tuple[_Mounting, Volumes], source: dict[str, Any], plugin: str, size: int | None
) -> None:
    (fs, volumes), pod = mounting, pod_with(source)

    assert volumes.prepare(pod) == []

    path = f"/var/lib/kubelet/pods/{pod.uid}/volumes/kubernetes.io~{plugin}/v"
    assert fs.mounted == ({} if size is None else {path: size})
    assert fs.kind(path) == "dir"
    assert volumes.is_filled(pod, "v") is (plugin != "empty-dir")
    assert volumes.known() == [pod.uid]
    volumes.remove(pod.uid)
    assert fs.mounted == {}
    assert volumes.known() == []


def test_before_the_first_pod_no_volumes_are_known(mounting: tuple[_Mounting, Volumes]) -> None:
    _, volumes = mounting

    assert volumes.known() == []
    volumes.remove("gone")


def test_a_pods_directories_are_for_root_and_its_group(disk: Disk) -> None:
    pod = pod_with({"emptyDir": {}})
    disk.mount(pod)

    folder = disk.path(f"/var/lib/kubelet/pods/{pod.uid}")
    for name in ("", "volumes", "plugins", "containers", "containers/main"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o750


def test_only_what_a_container_mounts_is_set_up(disk: Disk) -> None:
    it = manifest(volumes=[{"name": "v", "hostPath": {"path": "/there", "type": "Directory"}}])
    pod = pod_from_file(json.dumps(it).encode(), "/m/web.yaml", "node-1")

    assert disk.volumes.prepare(pod) == []


@pytest.mark.parametrize(
    ("source", "why", "plugin"),
    [
        ({"hostPath": {"path": "/there", "type": "File"}},
         "hostPath type check failed: /there is not a file", "host-path"),
        ({"hostPath": {"path": "/etc/hosts/x", "type": "FileOrCreate"}},
         "open /etc/hosts/x: not a directory", "host-path"),
        ({"hostPath": {"path": "/etc/hosts/x", "type": "DirectoryOrCreate"}},
         "/etc/hosts: not a directory", "host-path"),
        ({"nfs": {"server": "a", "path": "/b"}},
         'unable to find the plugin for volume "v": no volume plugin matched nfs', "nfs"),
    ],
)  # fmt: skip
def test_a_volume_that_cannot_be_set_up_is_named_with_its_plugin(
    disk: Disk, source: dict[str, Any], why: str, plugin: str
) -> None:
    pod = pod_with(source)

    (failure,) = disk.volumes.prepare(pod)

    assert (str(failure), failure.volume, failure.unique) == (
        why,
        "v",
        f"kubernetes.io/{plugin}/{pod.uid}-v",
    )
    assert not disk.volumes.is_filled(pod, "v")


def test_one_volume_that_fails_does_not_keep_others_from_being_set_up(disk: Disk) -> None:
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in ("a", "b")]
    sources = [{"name": "a", "hostPath": {"path": "/no", "type": "File"}}, {"name": "b", "emptyDir": {}}]
    it = manifest(container={"volumeMounts": mounts}, volumes=sources)
    pod = pod_from_file(json.dumps(it).encode(), "/m/web.yaml", "node-1")

    assert [failure.volume for failure in disk.volumes.prepare(pod)] == ["a"]
    assert disk.path(disk.volumes.path_of(pod, pod.volumes[1])).is_dir()


def test_a_group_that_cannot_be_given_a_volume_is_told(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: HostFs, path: str, group: int, read_only: bool) -> None:
        raise OSError(errno.EPERM, "Operation not permitted", path)

    monkeypatch.setattr(HostFs, "give_to_group", refuse)
    pod = pod_with({"emptyDir": {}}, securityContext={"fsGroup": 5})
    (failure,) = disk.volumes.prepare(pod)

    path = disk.volumes.path_of(pod, pod.volumes[0])
    assert str(failure) == f"applyFSGroup failed for vol v: lchown {path}: operation not permitted"


@pytest.mark.parametrize(
    ("source", "read_only"), [({"emptyDir": {}}, False), ({"downwardAPI": DOWNWARD}, True)]
)
def test_a_group_may_write_what_the_kubelet_does_not(
    mounting: tuple[_Mounting, Volumes],
    monkeypatch: pytest.MonkeyPatch,
    source: dict[str, Any],
    read_only: bool,
) -> None:
    given: list[tuple[str, int, bool]] = []
    monkeypatch.setattr(HostFs, "give_to_group", lambda self, *what: given.append(what))
    (_, volumes), pod = mounting, pod_with(source, securityContext={"fsGroup": 5})

    volumes.prepare(pod)

    assert given == [(volumes.path_of(pod, pod.volumes[0]), 5, read_only)]


@pytest.mark.parametrize(
    ("mount", "why"),
    [
        ({"subPathExpr": "$(DIR)/x"}, "missing value for DIR"),
        ({"subPathExpr": "$(Z)/$(A)/$(TOP)/$(Z)"}, "missing value for A, Z"),
        ({"subPathExpr": "a/$(NONE)"}, "missing value for NONE"),
        ({"subPathExpr": "$(TOP)/x"}, "error SubPath `/top/x` must not be an absolute path"),
        ({"subPathExpr": "a/$(UP)"}, "unable to provision SubPath `a/..`: must not contain '..'"),
    ],
)
def test_a_sub_path_of_variables_has_to_lead_into_its_volume(
    disk: Disk, mount: dict[str, Any], why: str
) -> None:
    with pytest.raises(VolumeError) as refused:
        disk.mount(pod_with({"emptyDir": {}}, mount), {"TOP": "/top", "UP": "..", "NONE": ""})

    assert str(refused.value) == why


def test_a_sub_path_is_made_with_the_mode_of_its_volume_and_taken_as_it_is_where_it_is(disk: Disk) -> None:
    for name in ("v", "v/there"):
        disk.path(f"/{name}").mkdir()
    disk.path("/v/there").chmod(0o700)
    disk.path("/v").chmod(0o751)
    disk.path("/v/file").touch()
    (disk.path("/v") / "link").symlink_to("there")
    source = {"hostPath": {"path": "/v"}}

    made = {
        inside: disk.mount(pod_with(source, {"subPath": inside})).host_path
        for inside in ("there/a b/c", "file", "link", ".")
    }

    assert made == {"there/a b/c": "/v/there/a b/c", "file": "/v/file", "link": "/v/there", ".": "/v"}
    for inside, mode in (("there", 0o700), ("there/a b", 0o751), ("there/a b/c", 0o751)):
        assert stat.S_IMODE((disk.path("/v") / inside).stat().st_mode) == mode


def test_a_sub_path_of_the_whole_node_is_within_it(disk: Disk) -> None:
    assert disk.mount(pod_with({"hostPath": {"path": "/"}}, {"subPath": "etc"})).host_path == "/etc"


def test_a_link_to_a_neighbour_of_like_name_leads_out_of_the_volume(disk: Disk) -> None:
    for name in ("v", "v2"):
        disk.path(f"/{name}").mkdir()
    (disk.path("/v") / "out").symlink_to("../v2")

    with pytest.raises(VolumeError) as refused:
        disk.mount(pod_with({"hostPath": {"path": "/v"}}, {"subPath": "out"}))

    assert str(refused.value) == "error: subpath out is not within volume path /v"


@pytest.mark.parametrize(
    ("source", "mount", "expected"),
    [
        ({"hostPath": {"path": "/etc"}}, {}, BoundMount("/etc", "/v", False, "None")),
        ({"hostPath": {"path": "/etc"}}, {"readOnly": True}, BoundMount("/etc", "/v", True, "None")),
        ({"hostPath": {"path": "/etc"}}, {"mountPropagation": "HostToContainer"},
         BoundMount("/etc", "/v", False, "HostToContainer")),
        ({"hostPath": {"path": "/etc"}}, {"mountPath": "v"}, BoundMount("/etc", "/v", False, "None")),
    ],
)  # fmt: skip
def test_a_mount_is_as_its_container_asks(
    disk: Disk, source: dict[str, Any], mount: dict[str, Any], expected: BoundMount
) -> None:
    assert disk.mount(pod_with(source, mount)) == expected


def test_every_container_has_hosts_and_a_file_for_its_last_words(disk: Disk) -> None:
    pod = pod_with({"emptyDir": {}})
    disk.volumes.prepare(pod)

    first, second = (disk.volumes.mounts(pod, pod.containers[0], ("10.244.0.5", "fd00::5"), {}) for _ in "ab")

    folder = f"/var/lib/kubelet/pods/{pod.uid}"
    assert first[1] == BoundMount(f"{folder}/etc-hosts", "/etc/hosts")
    assert disk.path(first[1].host_path).read_text() == (
        "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"
        "10.244.0.5\tweb-node-1\nfd00::5\tweb-node-1\n"
    )
    (last, again) = (mounts[2] for mounts in (first, second))
    assert last == BoundMount(last.host_path, "/dev/termination-log")
    assert last.host_path.rpartition("/")[0] == f"{folder}/containers/main"
    assert len(last.host_path.rpartition("/")[2]) == 8
    assert last.host_path != again.host_path
    assert stat.S_IMODE(disk.path(last.host_path).stat().st_mode) == 0o666


def test_a_pod_on_the_nodes_network_has_the_nodes_hosts_and_its_own_aliases(disk: Disk) -> None:
    aliases = [{"ip": "10.0.0.1", "hostnames": ["a", "b"]}, {"ip": "10.0.0.2"}]
    pod = pod_with({"emptyDir": {}}, hostNetwork=True, hostAliases=aliases)
    disk.mount(pod)

    assert disk.path(f"/var/lib/kubelet/pods/{pod.uid}/etc-hosts").read_text() == (
        "# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n"
        "\n# Entries added by HostAliases.\n10.0.0.1\ta\tb\n10.0.0.2\n"
    )


def test_a_container_that_brings_its_own_hosts_keeps_them(disk: Disk) -> None:
    pod = pod_with({"hostPath": {"path": "/etc/hosts"}}, {"mountPath": "/etc/hosts"})
    disk.volumes.prepare(pod)

    bound = disk.volumes.mounts(pod, pod.containers[0], (), {})

    assert [m.container_path for m in bound] == ["/etc/hosts", "/dev/termination-log"]
    assert bound[0].host_path == "/etc/hosts"
