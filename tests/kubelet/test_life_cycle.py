"""What becomes of a pod when its manifest changes, goes or comes back: facts 27-32, 36-39."""

import asyncio
import itertools
from pathlib import Path

import pytest

from tests.kubelet.node import Node, manifest, node
from tests.kubelet.virtual_time import virtual


async def _replaced(n: Node, before: str, pod: str = "web") -> float:
    return await n.until(lambda: (c := n.running(pod)) and c[0].id != before)


@virtual
async def test_fact_27_the_old_pod_has_ended_before_the_new_one_starts(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", ignores_term=True)
        n.put("web.yaml", manifest(terminationGracePeriodSeconds=3))
        old = await n.runs()

        n.put("web.yaml", manifest(terminationGracePeriodSeconds=3, container={"command": ["sleep", "5"]}))
        took = await _replaced(n, old.id)

        generations = n.runtime.of_pod("web-node-1")
        assert took >= 3
        assert [c.id for c in generations if c.id != old.id] == [n.running()[0].id]
        assert n.runtime.sandboxes[n.runtime.containers[n.running()[0].id].sandbox].metadata.attempt == 0


@virtual
async def test_the_tasks_of_a_pod_bear_its_name(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest(container={"readinessProbe": {"exec": {"command": ["up"]}}}))
        await n.runs()

        names = {task.get_name() for task in asyncio.all_tasks()}
        assert {"pod default/web-node-1", "probe default/web-node-1 readiness"} <= names


@virtual
async def test_fact_27_edits_during_the_grace_period_collapse_into_the_last(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", ignores_term=True)
        n.put("web.yaml", manifest(terminationGracePeriodSeconds=10))
        old = await n.runs()

        for seconds in ("1", "2", "3"):
            n.put("web.yaml", manifest(container={"command": ["sleep", seconds]}))
            await asyncio.sleep(1)
        await _replaced(n, old.id)

        assert list(n.runtime.config_of(n.running()[0].id).command) == ["sleep", "3"]
        started = [about for call, about in n.runtime.calls if call == "CreateContainer"]
        assert started == ["main", "main"]


@virtual
async def test_fact_06_an_edited_pod_starts_anew_although_the_api_was_never_reached(tmp_path: Path) -> None:
    async with node(tmp_path, api_down=True) as n:
        n.put("web.yaml", manifest())
        await n.until(n.running)
        old = n.running()[0].id

        n.put("web.yaml", manifest(container={"command": ["sleep", "5"]}))
        await _replaced(n, old)

        assert list(n.runtime.config_of(n.running()[0].id).command) == ["sleep", "5"]


@virtual
async def test_fact_28_the_grace_period_is_the_old_pods_and_at_least_one_second(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        for name, grace in (("none", 0), ("one", 1), ("five", 5)):
            n.put(f"{name}.yaml", manifest(name, terminationGracePeriodSeconds=grace))
            container = await n.runs(name)

            n.remove(f"{name}.yaml")
            await n.until(lambda name=name: not n.running(name))  # type: ignore[misc]

            stops = [about for call, about in n.runtime.calls if call == "StopContainer"]
            assert stops[-1] == f"{container.id} {max(1, grace)}"


@virtual
async def test_fact_29_with_a_fixed_uid_only_a_changed_image_restarts_the_container(tmp_path: Path) -> None:
    fixed = {"metadata": {"name": "web", "uid": "11111111-2222-3333-4444-555555555555"}}
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest(**fixed))
        first = await n.runs()

        n.put("web.yaml", manifest(**fixed, container={"args": ["ignored"]}))
        await asyncio.sleep(30)
        same = n.running()[0].id
        n.put("web.yaml", manifest(**fixed, container={"image": "busybox:1.37"}))
        await _replaced(n, first.id)

        assert same == first.id
        assert n.running()[0].metadata.attempt == 1


@virtual
async def test_fact_30_moved_out_and_in_after_waiting_starts_from_nothing(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        old, before = await n.runs(), n.mirror()
        n.remove("web.yaml")
        await n.until(lambda: not n.running() and n.mirror() is None)

        n.put("web.yaml", manifest())
        new, after = await n.runs(), n.mirror()

        assert before is not None
        assert after is not None
        assert new.id != old.id
        assert n.status()["restartCount"] == 0
        key = "kubernetes.io/config.hash"
        assert after["metadata"]["annotations"][key] == before["metadata"]["annotations"][key]
        assert after["metadata"]["uid"] != before["metadata"]["uid"]


@virtual
async def test_fact_30_put_back_while_stopping_it_starts_again_and_counts_a_restart(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", ignores_term=True)
        n.put("web.yaml", manifest(terminationGracePeriodSeconds=4))
        old = await n.runs()

        n.remove("web.yaml")
        await asyncio.sleep(1)
        n.put("web.yaml", manifest(terminationGracePeriodSeconds=4))
        await _replaced(n, old.id)
        await n.until(lambda: n.status().get("restartCount") == 1)

        new = n.running()[0]
        await asyncio.sleep(30)
        assert [c.id for c in n.running()] == [new.id]


@virtual
async def test_fact_32_a_crash_is_restarted_at_once_then_with_doubling_delays(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", lives=[(0.2, 3)])
        n.put("crash.yaml", manifest("crash"))
        loop = asyncio.get_running_loop()
        starts = []
        for count in range(5):
            await n.until(
                lambda count=count: [
                    c for c in n.runtime.of_pod("crash-node-1") if c.metadata.attempt == count
                ]
            )  # type: ignore[misc]
            starts.append(loop.time())

        waits = [later - earlier for earlier, later in itertools.pairwise(starts)]
        assert waits[0] < 1
        assert 10 <= waits[1] <= 16
        assert 20 <= waits[2] <= 36
        assert 40 <= waits[3] <= 61


@virtual
async def test_fact_32_the_status_of_a_crash_loop_is_the_recorded_one(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", lives=[(0.2, 3)])
        n.put("crash.yaml", manifest("crash"))
        await n.until(
            lambda: n.status("crash").get("state", {}).get("waiting", {}).get("reason") == "CrashLoopBackOff"
        )

        mirror, status = n.mirror("crash"), n.status("crash")
        assert mirror is not None
        uid = mirror["metadata"]["annotations"]["kubernetes.io/config.hash"]
        message = f"back-off 10s restarting failed container=main pod=crash-node-1_default({uid})"
        assert status["state"]["waiting"]["message"] == message
        assert status["lastState"]["terminated"]["exitCode"] == 3
        assert status["lastState"]["terminated"]["reason"] == "Error"
        assert mirror["status"]["phase"] == "Running"
        conditions = {c["type"]: (c["status"], c.get("message")) for c in mirror["status"]["conditions"]}
        unready = "containers with unready status: [main]"
        assert conditions["Ready"] == conditions["ContainersReady"] == ("False", unready)
        await n.until(lambda: "BackOff" in n.api.reasons("crash-node-1"))
        event = next(e for e in n.api.events("crash-node-1") if e["reason"] == "BackOff")
        assert (
            event["message"]
            == f"Back-off restarting failed container main in pod crash-node-1_default({uid})"
        )
        assert event["type"] == "Warning"


@virtual
async def test_fact_32_a_container_stopped_from_outside_comes_back(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        first = await n.runs()

        n.runtime.kill(first.id)

        assert await _replaced(n, first.id) < 1
        await n.until(lambda: n.status().get("restartCount") == 1)
        assert n.status()["lastState"]["terminated"]["exitCode"] == 137


@virtual
async def test_fact_32_a_sandbox_stopped_from_outside_comes_back(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        first = await n.runs()

        await n.runtime.stop_sandbox(n.runtime.containers[first.id].sandbox)

        await _replaced(n, first.id)
        sandbox = n.runtime.sandboxes[n.runtime.containers[n.running()[0].id].sandbox]
        assert sandbox.metadata.attempt == 1


@pytest.mark.parametrize(
    ("policy", "code", "again"), [("Never", 1, False), ("OnFailure", 0, False), ("OnFailure", 1, True)]
)
def test_fact_32_restart_policies_other_than_always(
    tmp_path: Path, policy: str, code: int, again: bool
) -> None:
    @virtual
    async def check() -> None:
        async with node(tmp_path) as n:
            n.runtime.behave("main", lives=[(1.0, code)])
            n.put("job.yaml", manifest("job", restartPolicy=policy))
            await n.until(lambda: n.runtime.of_pod("job-node-1"))
            await asyncio.sleep(30)

            assert (len([c for c, _ in n.runtime.calls if c == "CreateContainer"]) > 1) is again

    check()


@virtual
async def test_fact_35_only_host_network_pods_start_while_the_network_is_not_ready(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.network_ready = False
        await asyncio.sleep(6)

        n.put("host.yaml", manifest("host", hostNetwork=True))
        n.put("own.yaml", manifest("own"))
        await n.runs("host")
        await asyncio.sleep(5)

        assert n.running("own") == []
        await n.until(lambda: "NetworkNotReady" in n.api.reasons("own-node-1"))


@virtual
async def test_fact_37_a_restarted_kubelet_adopts_what_runs(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        container, before = await n.runs(), n.mirror()
        await n.stop()

        await n.start()
        await asyncio.sleep(30)

        after = n.mirror()
        assert before is not None
        assert after is not None
        assert [c.id for c in n.running()] == [container.id]
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert n.status()["restartCount"] == 0


@virtual
async def test_fact_37_that_a_mirror_says_its_pod_were_over_does_not_end_it(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        container = await n.runs()
        await n.stop()
        said = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}
        n.api.user_edits("web-node-1", lambda mirror: mirror["status"].update(said))

        await n.start()
        await n.until(lambda: (n.mirror() or {})["status"]["phase"] == "Running")
        await asyncio.sleep(30)

        status = (n.mirror() or {})["status"]
        assert not {"reason", "message"} & status.keys()
        assert [c.id for c in n.running()] == [container.id]


@virtual
async def test_fact_37_a_manifest_removed_while_the_kubelet_was_down_is_cleaned_up(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        await n.runs()
        await n.stop()
        n.remove("web.yaml")

        await n.start()

        assert await n.until(lambda: not n.running() and n.mirror() is None) < 3


@virtual
async def test_fact_37_a_manifest_edited_while_the_kubelet_was_down_is_caught_up(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        old = await n.runs()
        await n.stop()
        n.put("web.yaml", manifest(container={"image": "busybox:1.37"}))

        await n.start()
        await _replaced(n, old.id)

        assert len(n.running()) == 1
        await n.until(lambda: n.status().get("image") == "docker.io/library/busybox:1.37")


@virtual
async def test_fact_37_while_the_api_is_away_manifests_are_obeyed_and_mirrors_catch_up(
    tmp_path: Path,
) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        await n.runs()
        n.api.down = True
        n.put("late.yaml", manifest("late"))
        n.remove("web.yaml")

        await n.until(lambda: n.running("late") and not n.running("web"))
        n.api.down = False
        await n.until(lambda: n.mirror("web") is None, 10)
        took = await n.until(lambda: n.mirror("late"))

        assert 40 <= took <= 90


@virtual
async def test_fact_38_logs_lie_under_namespace_name_and_uid(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        container = await n.runs()
        uid = container.labels["io.kubernetes.pod.uid"]

        folder = f"/var/log/pods/default_web-node-1_{uid}"
        assert container.log_path == f"{folder}/main/0.log"
        assert (tmp_path / folder[1:] / "main").is_dir()
        link = tmp_path / f"var/log/containers/web-node-1_default_main-{container.id}.log"
        assert str(link.readlink()) == f"{folder}/main/0.log"


@virtual
async def test_fact_39_labels_and_annotations_are_those_other_tools_look_for(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        container = await n.runs()

        assert sorted(container.labels) == [
            "io.kubernetes.container.name",
            "io.kubernetes.pod.name",
            "io.kubernetes.pod.namespace",
            "io.kubernetes.pod.uid",
        ]
        assert sorted(container.annotations) == [
            "io.kubernetes.container.hash",
            "io.kubernetes.container.restartCount",
            "io.kubernetes.container.terminationMessagePath",
            "io.kubernetes.container.terminationMessagePolicy",
            "io.kubernetes.pod.terminationGracePeriod",
        ]
        sandbox = n.runtime.sandboxes[n.runtime.containers[container.id].sandbox]
        assert sorted(sandbox.labels) == [
            "app",
            "io.kubernetes.pod.name",
            "io.kubernetes.pod.namespace",
            "io.kubernetes.pod.uid",
        ]


@virtual
async def test_one_dead_container_is_kept_and_older_ones_are_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", lives=[(0.5, 1)])
        n.put("crash.yaml", manifest("crash"))
        await asyncio.sleep(100)

        assert len(n.runtime.of_pod("crash-node-1")) <= 2
        assert 'scope.go:122] "RemoveContainer" containerID=' in capsys.readouterr().err


@virtual
async def test_a_stopped_pod_leaves_nothing_in_the_runtime_or_on_disk(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        await n.runs()

        n.remove("web.yaml")
        await asyncio.sleep(150)

        assert n.runtime.containers == {}
        assert n.runtime.sandboxes == {}
        assert list((tmp_path / "var/lib/kubelet/pods").iterdir()) == []
        assert list((tmp_path / "var/log/pods").iterdir()) == []
        assert list((tmp_path / "var/log/containers").iterdir()) == []


@virtual
async def test_without_container_events_a_crash_is_noticed_within_a_second(tmp_path: Path) -> None:
    async with node(tmp_path, events=False) as n:
        n.put("web.yaml", manifest())
        first = await n.runs()
        await asyncio.sleep(5)

        n.runtime.kill(first.id)

        assert await _replaced(n, first.id) <= 1.1


@virtual
async def test_one_pod_that_cannot_start_does_not_delay_another(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("bad.yaml", manifest("bad", container={"image": "busybox:0.0", "imagePullPolicy": "Never"}))
        n.put("good.yaml", manifest("good"))

        await n.runs("good")
        await n.until(
            lambda: n.status("bad").get("state", {}).get("waiting", {}).get("reason") == "ErrImageNeverPull"
        )

        message = 'Container image "busybox:0.0" is not present with pull policy of Never'
        assert n.status("bad")["state"]["waiting"]["message"] == message
        assert n.mirror("bad")["status"]["phase"] == "Pending"  # type: ignore[index]


@virtual
async def test_syncs_of_a_pod_of_which_no_container_was_ever_made_complain_as_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    complaint = 'kuberuntime_manager.go:1428] "Missing actuated pod level resource record" pod="bad-node-1"'
    async with node(tmp_path) as n:
        n.put("bad.yaml", manifest("bad", container={"image": "busybox:0.0", "imagePullPolicy": "Never"}))
        await n.until(
            lambda: n.status("bad").get("state", {}).get("waiting", {}).get("reason") == "ErrImageNeverPull"
        )
        first = capsys.readouterr().err
        await asyncio.sleep(40)
        later = capsys.readouterr().err
        n.put("good.yaml", manifest("good"))
        await n.runs("good")
        await asyncio.sleep(40)
        good = capsys.readouterr().err

    assert complaint not in first
    assert later.count(complaint) >= 2
    assert later.count(complaint) == later.count("start failed in pod bad-node-1")
    assert 'Missing actuated pod level resource record" pod="good' not in good


@virtual
async def test_an_image_that_cannot_be_pulled_backs_off(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("pull.yaml", manifest("pull", container={"image": "registry.invalid/nothing:1"}))

        def reason() -> str:
            return str(n.status("pull").get("state", {}).get("waiting", {}).get("reason", ""))

        await n.until(lambda: reason() == "ErrImagePull")
        await n.until(lambda: reason() == "ImagePullBackOff")

        message = n.status("pull")["state"]["waiting"]["message"]
        assert message.startswith('Back-off pulling image "registry.invalid/nothing:1": ErrImagePull: ')
        await n.until(lambda: {"Pulling", "Failed", "BackOff"} <= n.api.reasons("pull-node-1"))


@virtual
async def test_a_container_that_cannot_be_started_says_why(tmp_path: Path) -> None:
    why = 'exec: "nosuch": executable file not found in $PATH: unknown'
    async with node(tmp_path) as n:
        n.runtime.behave("main", start_error=why)
        n.put("web.yaml", manifest())
        await n.until(lambda: "RunContainerError" in n.waiting_reasons())

        assert n.status()["lastState"]["terminated"]["reason"] == "StartError"
        await n.until(lambda: "Failed" in n.api.reasons("web-node-1"))
        assert f"Error: {why}" in {e["message"] for e in n.api.events("web-node-1")}


@virtual
@pytest.mark.parametrize("later", [0.0, 0.5, 1.5, 5.0])
async def test_a_manifest_put_back_while_the_restarted_kubelet_stops_its_orphan_runs_again(
    tmp_path: Path, later: float
) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", ignores_term=True)
        n.put("web.yaml", manifest())
        before = await n.runs()
        await n.stop()
        n.remove("web.yaml")
        await n.start()
        await n.until(n.kubelet.workers.pods)  # what runs, and is asked for by no file
        await asyncio.sleep(later)

        n.put("web.yaml", manifest())

        await n.until(lambda: [c for c in n.running() if c.id != before.id], 20)
