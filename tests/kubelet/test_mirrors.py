"""Mirror pods: facts 5, 6, 31, 41-49 of the kubelet's semantics."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.kubelet.node import manifest, node
from tests.kubelet.virtual_time import virtual

SYNC = (60.0, 90.0)


@virtual
async def test_fact_05_a_kubelet_without_api_runs_its_pods_and_makes_no_mirror(tmp_path: Path) -> None:
    async with node(tmp_path, api=False) as n:
        n.put("web.yaml", manifest())

        await n.until(n.running)

        assert n.api.requests == []


@virtual
async def test_fact_06_static_pods_start_while_the_api_cannot_be_reached(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.api.down = True
        n.put("web.yaml", manifest())

        assert await n.until(n.running) < 1

        assert n.mirror() is None


@virtual
async def test_fact_31_the_mirror_goes_only_after_the_pod_has_stopped(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", ignores_term=True)
        n.put("web.yaml", manifest(terminationGracePeriodSeconds=5))
        await n.runs()

        n.remove("web.yaml")
        running_without_mirror = []
        gone = await n.until(
            lambda: running_without_mirror.append(n.running() and not n.mirror()) or not n.mirror()
        )  # type: ignore[func-returns-value]

        assert not any(running_without_mirror)
        assert 5 <= gone < 6


@virtual
async def test_fact_41_a_mirror_is_owned_by_the_node(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        await n.runs()

        mirror, me = n.mirror(), n.api.objects[("nodes", "", n.name)]
        assert mirror is not None
        assert mirror["metadata"]["ownerReferences"] == [
            {
                "apiVersion": "v1",
                "kind": "Node",
                "name": n.name,
                "uid": me["metadata"]["uid"],
                "controller": True,
            }
        ]


@virtual
async def test_fact_41_mirrors_of_pods_older_than_the_registration_come_with_it(tmp_path: Path) -> None:
    async with node(tmp_path, api_down=True) as n:
        n.put("web.yaml", manifest())
        await n.until(n.running)

        n.api.down = False

        assert await n.until(n.mirror) < 0.3


@virtual
async def test_fact_42_a_mirror_is_the_static_pod_with_the_hash_and_a_uid_of_its_own(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        container = await n.runs()

        mirror = n.mirror()
        assert mirror is not None
        annotations = mirror["metadata"]["annotations"]
        assert sorted(annotations) == [
            f"kubernetes.io/config.{k}" for k in ("hash", "mirror", "seen", "source")
        ]
        assert annotations["kubernetes.io/config.mirror"] == annotations["kubernetes.io/config.hash"]
        assert annotations["kubernetes.io/config.source"] == "file"
        assert container.labels["io.kubernetes.pod.uid"] == annotations["kubernetes.io/config.hash"]
        assert mirror["metadata"]["uid"] != annotations["kubernetes.io/config.hash"]
        assert mirror["metadata"]["labels"] == {"app": "web"}
        assert mirror["spec"]["tolerations"] == [{"effect": "NoExecute", "operator": "Exists"}]


@virtual
async def test_fact_43_the_kubelet_writes_the_status_onto_the_mirror(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        container = await n.runs()

        mirror = n.mirror()
        assert mirror is not None
        assert n.status()["containerID"] == f"containerd://{container.id}"
        assert mirror["metadata"]["generation"] == 1
        assert "observedGeneration" not in mirror["status"]


@virtual
async def test_fact_44_a_gracefully_deleted_mirror_is_made_anew_at_once(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        container = await n.runs()
        before = n.mirror()
        assert before is not None

        n.api.user_deletes("web-node-1")
        took = await n.until(lambda: (m := n.mirror()) and m["metadata"]["uid"] != before["metadata"]["uid"])
        await n.until(lambda: n.status().get("ready"))

        assert took < 0.5
        assert [c.id for c in n.running()] == [container.id]
        assert n.status()["restartCount"] == 0


@virtual
async def test_fact_44_the_kubelet_force_deletes_exactly_the_mirror_it_saw(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        await n.runs()
        before = n.mirror()
        assert before is not None

        n.api.user_deletes("web-node-1")
        await n.until(lambda: (m := n.mirror()) and m["metadata"]["uid"] != before["metadata"]["uid"])

        deletes = [body for method, _, body in n.api.requests if method == "DELETE"]
        assert deletes == [
            {
                "apiVersion": "v1",
                "kind": "DeleteOptions",
                "gracePeriodSeconds": 0,
                "preconditions": {"uid": before["metadata"]["uid"]},
            }
        ]


@virtual
async def test_fact_44_a_force_deleted_mirror_comes_back_only_at_the_next_sync(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        container = await n.runs()
        await asyncio.sleep(0.5)

        n.api.user_deletes("web-node-1", force=True)
        took = await n.until(n.mirror)

        assert SYNC[0] - 1 <= took <= SYNC[1]
        assert [c.id for c in n.running()] == [container.id]


@virtual
async def test_fact_45_an_edited_mirror_stays_as_edited(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        container = await n.runs()

        n.api.user_edits("web-node-1", lambda pod: pod["spec"]["containers"][0].update(image="busybox:1.37"))
        n.api.user_edits("web-node-1", lambda pod: pod["metadata"]["labels"].update(tier="gold"))
        n.api.user_edits(
            "web-node-1",
            lambda pod: pod["metadata"]["annotations"].update({"kubernetes.io/config.hash": "x"}),
        )
        await asyncio.sleep(200)

        mirror = n.mirror()
        assert mirror is not None
        assert mirror["spec"]["containers"][0]["image"] == "busybox:1.37"
        assert mirror["metadata"]["labels"]["tier"] == "gold"
        assert n.status()["image"] == "docker.io/library/busybox:1.36"
        assert [c.id for c in n.running()] == [container.id]


@virtual
async def test_fact_45_a_mirror_with_another_hash_is_replaced(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        await n.runs()
        before = n.mirror()
        assert before is not None
        wrong = {"kubernetes.io/config.mirror": "wrong"}

        n.api.user_edits("web-node-1", lambda pod: pod["metadata"]["annotations"].update(wrong))
        await n.until(lambda: (m := n.mirror()) and m["metadata"]["uid"] != before["metadata"]["uid"])

        mirror = n.mirror()
        assert mirror is not None
        hash_ = before["metadata"]["annotations"]["kubernetes.io/config.hash"]
        assert mirror["metadata"]["annotations"]["kubernetes.io/config.mirror"] == hash_


@virtual
async def test_fact_47_a_refused_mirror_is_logged_and_the_pod_runs_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with node(tmp_path) as n:
        n.put("ghost.yaml", manifest("ghost", metadata={"name": "ghost", "namespace": "nowhere"}))
        await n.until(lambda: n.running("ghost"))
        await asyncio.sleep(1)
        assert n.mirror("ghost", "nowhere") is None
        why = 'err="namespaces \\"nowhere\\" not found"'
        line = f'"Failed creating a mirror pod" {why} pod="nowhere/ghost-node-1"'
        assert line in capsys.readouterr().err

        n.api.namespaces.add("nowhere")
        took = await n.until(lambda: n.mirror("ghost", "nowhere"))

        assert SYNC[0] - 2 <= took <= SYNC[1]


@virtual
async def test_fact_48_a_mirror_nobody_asked_for_is_deleted(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        body = manifest("stray", metadata={"name": "stray", "namespace": "default"})
        body["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "1234"}
        await n.api.request("POST", "/api/v1/namespaces/default/pods", body)

        await n.until(lambda: n.api.pod("stray") is None)

        assert n.runtime.of_pod("stray") == []


@virtual
async def test_fact_49_an_ordinary_pod_that_holds_the_name_keeps_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with node(tmp_path) as n:
        body = manifest("web-node-1", metadata={"name": "web-node-1", "namespace": "default"})
        await n.api.request("POST", "/api/v1/namespaces/default/pods", body)
        n.put("web.yaml", manifest())

        await n.until(n.running)
        await asyncio.sleep(1)

        mirror = n.mirror()
        assert mirror is not None
        assert "annotations" not in mirror["metadata"]
        assert (
            '"Failed creating a mirror pod" err="pods \\"web-node-1\\" already exists"'
            in capsys.readouterr().err
        )


@virtual
async def test_fact_50_while_the_node_object_is_gone_no_mirror_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with node(tmp_path) as n:
        await asyncio.sleep(1)
        await n.api.request("DELETE", f"/api/v1/nodes/{n.name}")
        await asyncio.sleep(1)

        n.put("web.yaml", manifest())
        await n.until(n.running)
        await asyncio.sleep(1)

        assert n.mirror() is None
        assert '"No need to create a mirror pod, since failed to get node info' in capsys.readouterr().err


@virtual
async def test_fact_51_events_are_about_the_static_uid(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        container = await n.runs()
        await n.until(lambda: n.api.reasons("web-node-1") == {"Pulled", "Created", "Started"})

        uids = {e["involvedObject"]["uid"] for e in n.api.events("web-node-1")}

        assert uids == {container.labels["io.kubernetes.pod.uid"]}


@virtual
async def test_a_pod_put_back_while_its_old_mirror_is_being_removed_gets_its_own(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        old = await n.runs()
        slow = n.api.request

        async def request(method: str, *rest: Any, **keywords: Any) -> Any:
            if method == "DELETE":
                n.put("web.yaml", manifest(container={"image": "busybox:1.37"}))
                await asyncio.sleep(0.5)
            return await slow(method, *rest, **keywords)

        n.api.request = request  # type: ignore[method-assign]
        n.remove("web.yaml")
        await n.until(lambda: (c := n.running()) and c[0].id != old.id)

        await n.until(lambda: n.status().get("image", "").endswith("1.37"), 10)


@virtual
async def test_an_edit_made_while_the_kubelet_was_down_reaches_the_mirror_though_the_watch_is_slow(
    tmp_path: Path,
) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        await n.runs()
        await n.stop()
        n.put("web.yaml", manifest(container={"image": "busybox:1.37"}))
        answer = n.api.request

        async def request(method: str, path: str, *rest: Any, **keywords: Any) -> Any:
            if (method, path) == ("POST", "/api/v1/namespaces/default/pods"):
                await asyncio.sleep(0.5)  # meanwhile the kubelet lists the pods that there are
            return await answer(method, path, *rest, **keywords)

        n.api.request = request  # type: ignore[method-assign]
        await n.start()

        await n.until(lambda: n.status().get("image", "").endswith("1.37"), 10)


@virtual
async def test_fact_52_an_edit_shows_as_another_hash_on_the_mirror(tmp_path: Path) -> None:
    def shown() -> str:
        mirror = n.mirror()
        return str(mirror["metadata"]["annotations"]["kubernetes.io/config.hash"]) if mirror else ""

    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        await n.runs()
        before = shown()

        n.put("web.yaml", manifest(container={"args": ["now"]}))

        await n.until(lambda: shown() not in ("", before))
