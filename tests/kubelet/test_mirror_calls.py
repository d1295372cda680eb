"""What becomes of a mirror, call by call: seen, asked for, refused, deleted (facts 41-49)."""

import asyncio
import json
from typing import Any

import pytest

from labs.kubelet.api_client import ApiError
from labs.kubelet.mirror import Mirrors, mirror_of
from labs.kubelet.pod.manifest import pod_from_file
from labs.kubelet.pod.model import Pod
from tests.kubelet.node import manifest

PODS = "/api/v1/namespaces/default/pods"


def pod_of(uid: str = "hash", name: str = "web") -> Pod:
    obj = manifest(name, metadata={"name": name, "uid": uid})
    return pod_from_file(json.dumps(obj).encode(), "/m/web.yaml", "n")


class Api:
    """Answers each request with a new object, or with what it is told to say."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.refusals: dict[str, ApiError] = {}
        self._uids = 0

    async def request(self, method: str, path: str, body: Any = None, content_type: str = "") -> Any:
        self.asked.append((method, path, body))
        if method in self.refusals:
            raise self.refusals[method]
        if method == "DELETE":
            return {"kind": "Status"}
        self._uids += 1
        return {**body, "metadata": {**body["metadata"], "uid": f"api-{self._uids}", "resourceVersion": "9"}}

    @property
    def methods(self) -> list[str]:
        return [method for method, _, _ in self.asked]


class Bench:
    def __init__(self, node_uid: str = "node-uid") -> None:
        self.api = Api()
        self.changed: list[str] = []
        self.mirrors = Mirrors(self.api, "n", self.changed.append)
        if node_uid:
            self.mirrors.node_is(node_uid)

    def reconcile(self, pod: Pod, seen: Any = None) -> bool:
        return asyncio.run(self.mirrors.reconcile(pod, seen))

    def shows(
        self, pod: Pod, uid: str = "old", version: int = 5, kind: str = "ADDED", **metadata: Any
    ) -> Any:
        """The watch shows a pod's mirror."""
        obj = mirror_of(pod, "n", "node-uid")
        obj["metadata"] |= {"uid": uid, "resourceVersion": str(version), **metadata}
        self.mirrors.on_event(kind, obj)
        return obj

    def remove_orphans(self, *wanted: str) -> None:
        asyncio.run(self.mirrors.remove_orphans(lambda: set(wanted)))


def test_fact_41_a_mirror_that_lacks_is_asked_for_and_then_known(capsys: pytest.CaptureFixture[str]) -> None:
    bench, pod = Bench(), pod_of()

    assert bench.reconcile(pod)

    assert bench.api.asked == [("POST", PODS, mirror_of(pod, "n", "node-uid"))]
    assert bench.mirrors.get(pod) is not None
    assert not bench.reconcile(pod)
    assert bench.api.methods == ["POST"]
    line = 'kubelet.go:3514] "Creating a mirror pod for static pod" pod="default/web-n"'
    assert line in capsys.readouterr().err


def test_fact_50_without_a_node_object_no_mirror_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    bench = Bench("")

    assert not bench.reconcile(pod_of())

    assert bench.api.asked == []
    why = "No need to create a mirror pod, since failed to get node info from the cluster"
    assert f'kubelet.go:3510] "{why}" err="node \\"n\\" not found" node="n"' in capsys.readouterr().err


def test_fact_47_a_refused_mirror_is_told_and_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    bench, pod = Bench(), pod_of()
    bench.api.refusals["POST"] = ApiError(403, "forbidden")

    assert not bench.reconcile(pod)

    assert bench.mirrors.seen(pod) is None
    assert 'kubelet.go:3516] "Failed creating a mirror pod" err="forbidden" pod="default/web-n"' in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("shown", "metadata"),
    [(pod_of("other"), {}), (pod_of(), {"deletionTimestamp": "2026-11-23T17:55:13Z"})],
    ids=["of another hash", "being deleted"],
)
def test_fact_44_a_mirror_that_will_not_do_is_deleted_and_made_anew(
    shown: Pod, metadata: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    bench, pod = Bench(), pod_of()
    bench.shows(shown, "old", **metadata)
    assert bench.mirrors.get(pod) is None

    assert bench.reconcile(pod)

    options = {
        "apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "preconditions": {"uid": "old"},
    }  # fmt: skip
    assert bench.api.asked[0] == ("DELETE", f"{PODS}/web-n", options)
    assert bench.api.methods == ["DELETE", "POST"]
    assert bench.mirrors.get(pod) is not None
    said = capsys.readouterr().err
    assert 'kubelet.go:3497] "Trying to delete pod" pod="default/web-n" podUID="old"' in said
    deleted = "Deleted mirror pod as it didn't match the static Pod"
    assert f'kubelet.go:3503] "{deleted}" pod="default/web-n"' in said


def test_fact_45_a_mirror_that_was_edited_is_left_alone() -> None:
    bench, pod = Bench(), pod_of()
    edited = bench.shows(pod, labels={"app": "other"})
    edited["spec"] = {}

    assert not bench.reconcile(pod)

    assert bench.api.asked == []
    assert bench.mirrors.get(pod) is edited
    assert not bench.mirrors.outdated(pod)


def test_a_mirror_of_another_pod_of_the_name_is_outdated() -> None:
    bench = Bench()
    assert not bench.mirrors.outdated(pod_of())
    bench.shows(pod_of("other"))

    assert bench.mirrors.outdated(pod_of())


@pytest.mark.parametrize("status", [404, 409])
def test_fact_44_what_a_forced_delete_has_taken_is_missed_only_at_the_next_sync(
    status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    bench, pod = Bench(), pod_of()
    bench.shows(pod, deletionTimestamp="2026-11-23T17:55:13Z")
    bench.api.refusals["DELETE"] = ApiError(status, "gone")

    assert not bench.reconcile(pod)
    assert bench.api.methods == ["DELETE"]
    assert "Failed deleting a mirror pod" not in capsys.readouterr().err

    assert bench.reconcile(pod)
    assert bench.api.methods == ["DELETE", "POST"]


def test_a_mirror_that_cannot_be_deleted_is_told_and_known(capsys: pytest.CaptureFixture[str]) -> None:
    bench, pod = Bench(), pod_of()
    old = bench.shows(pod_of("other"))
    bench.api.refusals["DELETE"] = ApiError(500, "no")

    assert not bench.reconcile(pod)

    assert bench.api.methods == ["DELETE"]
    assert bench.mirrors.seen(pod) is old
    line = 'mirror_client.go:139] "Failed deleting a mirror pod" err="no" pod="default/web-n"'
    assert line in capsys.readouterr().err


def test_fact_44_what_was_seen_when_it_became_due_decides_although_it_has_gone() -> None:
    bench, pod = Bench(), pod_of()
    marked = bench.shows(pod, deletionTimestamp="2026-11-23T17:55:13Z")
    bench.shows(pod, kind="DELETED")
    bench.api.refusals["DELETE"] = ApiError(404, "gone")

    assert not bench.reconcile(pod, marked)

    assert bench.api.methods == ["DELETE"]


def test_what_was_deleted_here_is_not_deleted_again() -> None:
    bench, pod = Bench(), pod_of()
    old = bench.shows(pod_of("other"))
    bench.reconcile(pod)
    bench.mirrors.on_event("DELETED", bench.mirrors.seen(pod) or {})

    assert bench.reconcile(pod, old)

    assert bench.api.methods == ["DELETE", "POST", "POST"]


def test_the_watch_tells_whose_mirror_changed_but_not_that_one_has_gone() -> None:
    bench, pod = Bench(), pod_of()
    shown = bench.shows(pod)
    assert bench.changed == ["web-n_default"]
    assert bench.mirrors.get(pod) is shown

    bench.shows(pod, kind="DELETED")

    assert bench.changed == ["web-n_default"]
    assert bench.mirrors.seen(pod) is None


def test_the_watch_does_not_take_back_what_is_newer() -> None:
    bench, pod = Bench(), pod_of()
    bench.shows(pod, "new", 10)
    bench.shows(pod, "older", 9)
    assert (bench.mirrors.seen(pod) or {})["metadata"]["uid"] == "new"

    bench.shows(pod, "same", 10)
    bench.shows(pod, "stranger", 1, "DELETED")

    assert (bench.mirrors.seen(pod) or {})["metadata"]["uid"] == "same"
    assert len(bench.changed) == 2


def test_pods_that_are_no_mirrors_are_nothing_to_the_watch() -> None:
    bench, pod = Bench(), pod_of()
    obj = mirror_of(pod, "n", "u")
    del obj["metadata"]["annotations"]["kubernetes.io/config.mirror"]

    bench.mirrors.on_event("ADDED", obj)

    assert bench.mirrors.seen(pod) is None
    assert bench.changed == []


def test_an_answer_of_the_api_counts_as_seen() -> None:
    bench, pod = Bench(), pod_of()
    obj = mirror_of(pod, "n", "u")

    bench.mirrors.remember(obj)

    assert bench.mirrors.get(pod) is obj


def test_fact_48_mirrors_that_nobody_wants_are_deleted_and_no_others() -> None:
    bench = Bench()
    bench.shows(pod_of(name="web"), "u1")
    bench.shows(pod_of(name="old"), "u2")

    bench.remove_orphans("web-n_default")

    assert [(method, path) for method, path, _ in bench.api.asked] == [("DELETE", f"{PODS}/old-n")]
    assert bench.mirrors.seen(pod_of(name="old")) is None
    assert bench.mirrors.seen(pod_of(name="web")) is not None


def test_a_mirror_that_is_wanted_meanwhile_is_not_deleted() -> None:
    bench, answers = Bench(), iter([set(), {"web-n_default"}, {"web-n_default"}])
    bench.shows(pod_of())

    asyncio.run(bench.mirrors.remove_orphans(lambda: next(answers)))

    assert bench.api.asked == []
