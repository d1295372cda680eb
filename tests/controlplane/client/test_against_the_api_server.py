"""Informers, leases and events against a real API server on a real etcd."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from labs.controlplane.client import (
    ApiError,
    Client,
    Election,
    Handler,
    Informer,
    LeaderElector,
    Resource,
    RestConfig,
    load,
)
from labs.controlplane.client import informer as informer_module
from labs.controlplane.client.events import EventRecorder, SeriesRecorder
from labs.controlplane.client.resources import CONFIG_MAPS, LEASES

from ..plane import Plane

SECONDS = 60.0


def client_of(plane: Plane) -> Client:
    return Client(load(str(plane.kubeconfig())), "test")


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


async def until(holds: Any) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            if holds():
                return
            await asyncio.sleep(0.01)


def test_an_informer_tells_of_what_is_there_and_of_what_happens(plane: Plane, namespace: str) -> None:
    async def follow() -> list[str]:
        client, told = client_of(plane), list[str]()
        await client.create(CONFIG_MAPS, namespace, config_map("old"))
        informer = Informer(client, CONFIG_MAPS, namespace=namespace)
        informer.subscribe(
            Handler(
                lambda new: told.append(f"+{new['metadata']['name']}"),
                lambda _, new: told.append(f"~{new['data']['a']}"),
                lambda last: told.append(f"-{last['metadata']['name']}"),
            )
        )
        running = asyncio.ensure_future(informer.run())
        await informer.wait()
        created = await client.create(CONFIG_MAPS, namespace, config_map("new", a="1"))
        await client.update(CONFIG_MAPS, {**created, "data": {"a": "2"}})
        await client.delete(CONFIG_MAPS, namespace, "new")
        await until(lambda: "-new" in told)
        running.cancel()
        client.close()
        return told

    assert asyncio.run(follow()) == ["+old", "+new", "~2", "-new"]


def test_an_informer_goes_on_where_it_was_when_the_server_comes_back(own_plane: Plane) -> None:
    async def follow() -> set[str]:
        client = client_of(own_plane)
        informer = Informer(client, CONFIG_MAPS, namespace="default")
        running = asyncio.ensure_future(informer.run())
        await informer.wait()
        await asyncio.to_thread(own_plane.kill)
        await asyncio.to_thread(own_plane.start)
        await client.create(CONFIG_MAPS, "default", config_map("later"))
        await client.delete(CONFIG_MAPS, "default", "later")
        await client.create(CONFIG_MAPS, "default", config_map("kept"))
        await until(lambda: informer.store.get("default", "kept") is not None)
        running.cancel()
        client.close()
        return informer.store.keys()

    keys = asyncio.run(follow())
    assert "default/kept" in keys
    assert "default/later" not in keys


def test_an_informer_whose_past_is_forgotten_lists_all_pages_anew(
    own_plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(informer_module, "PAGE", 2)

    async def follow() -> tuple[set[str], list[int]]:
        client, pages = client_of(own_plane), list[int]()
        request = client.request

        async def counted(*arguments: Any, **options: Any) -> dict[str, Any]:
            answer = await request(*arguments, **options)
            pages.append(len(answer.get("items") or ()))
            return answer

        for name in "abcde":
            await client.create(CONFIG_MAPS, "default", config_map(name))
        monkeypatch.setattr(client, "request", counted)
        informer = Informer(client, CONFIG_MAPS, namespace="default")
        running = asyncio.ensure_future(informer.run())
        await informer.wait()
        await asyncio.to_thread(own_plane.kill)
        for value in "xy":
            own_plane.etcdctl("put", "/registry/elsewhere", value)
        now = json.loads(own_plane.etcdctl("get", "/", "--write-out=json"))["header"]["revision"]
        own_plane.etcdctl("compact", str(now))
        await asyncio.to_thread(own_plane.start)
        await until(lambda: sum(pages) >= 10)
        running.cancel()
        client.close()
        return informer.store.keys(), pages

    keys, pages = asyncio.run(follow())
    assert keys == {f"default/{name}" for name in "abcde"}
    assert pages == [5, 2, 2, 1]


@pytest.mark.parametrize(
    ("server", "why"),
    [
        ("http://nobody.invalid", "dial tcp: lookup nobody.invalid"),
        ("https://127.0.0.1:PORT", "x509: certificate signed by unknown authority"),
    ],
)
def test_an_informer_tells_of_a_server_that_cannot_be_asked(
    plane: Plane, server: str, why: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async def follow() -> str:
        client = Client(RestConfig(server.replace("PORT", str(plane.port))), "test")
        running = asyncio.ensure_future(Informer(client, CONFIG_MAPS).run())
        said = ""
        async with asyncio.timeout(SECONDS):
            while "reflector.go" not in said:
                await asyncio.sleep(0.01)
                said += capfd.readouterr().err
        running.cancel()
        client.close()
        return said

    told = asyncio.run(follow())
    assert '"Failed to watch" err="failed to list *v1.ConfigMap: Get ' in told
    assert "/api/v1/configmaps?limit=500&resourceVersion=0" in told
    assert why in told


def test_an_informer_says_nothing_of_a_server_that_hangs_up(capfd: pytest.CaptureFixture[str]) -> None:
    async def follow() -> int:
        asked = 0

        async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal asked
            asked += 1
            writer.close()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        client = Client(RestConfig(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), "test")
        running = asyncio.ensure_future(Informer(client, CONFIG_MAPS).run())
        await until(lambda: asked >= 5)
        running.cancel()
        client.close()
        server.close()
        return asked

    assert asyncio.run(follow()) >= 5
    assert capfd.readouterr().err == ""


def test_a_candidate_that_never_led_has_nothing_to_give_back(capfd: pytest.CaptureFixture[str]) -> None:
    async def elect() -> None:
        async def lead() -> None:
            raise AssertionError

        client = Client(RestConfig("http://nobody.invalid"), "test")
        await LeaderElector(client, Election("kube-system", "lock", "me", 15, 10, 2), lead=lead).release()
        client.close()

    asyncio.run(elect())
    assert capfd.readouterr().err == ""


def test_what_the_server_refuses_has_its_code_and_words(plane: Plane, namespace: str) -> None:
    async def ask() -> ApiError:
        client = client_of(plane)
        with pytest.raises(ApiError) as error:
            await client.get(CONFIG_MAPS, namespace, "nope")
        client.close()
        return error.value

    error = asyncio.run(ask())
    assert (error.code, error.reason, error.not_found) == (404, "NotFound", True)
    assert str(error) == 'configmaps "nope" not found'


def test_a_server_that_is_not_there_is_told_in_gos_words(tmp_path: Any, plane: Plane) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(plane.kubeconfig().read_text().replace(str(plane.port), "1"))

    async def ask() -> str:
        client = Client(load(str(path)), "test")
        with pytest.raises(ApiError) as error:
            await client.get(Resource("", "v1", "nodes", "Node", namespaced=False), "", "alpha")
        return str(error.value)

    refused = (
        'Get "https://127.0.0.1:1/api/v1/nodes/alpha": dial tcp 127.0.0.1:1: connect: connection refused'
    )
    assert asyncio.run(ask()) == refused


def test_of_two_candidates_one_leads_and_the_other_follows_when_it_lets_go(
    plane: Plane, namespace: str
) -> None:
    async def elect() -> tuple[list[str], dict[str, Any]]:
        client, leading = client_of(plane), list[str]()
        electors = {}
        for name in ("first", "second"):

            async def lead(name: str = name) -> None:
                leading.append(name)
                await asyncio.Event().wait()

            election = Election(namespace, "lock", name, 15, 10, 0.05)
            electors[name] = LeaderElector(client, election, lead=lead)
        first = asyncio.ensure_future(electors["first"].run())
        await until(lambda: leading == ["first"])
        second = asyncio.ensure_future(electors["second"].run())
        await asyncio.sleep(0.3)
        assert leading == ["first"]
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await electors["first"].release()
        await until(lambda: leading == ["first", "second"])
        lease = await client.get(LEASES, namespace, "lock")
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        client.close()
        return leading, lease["spec"]

    _, spec = asyncio.run(elect())
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == (
        "second",
        15,
        1,
    )


def test_a_leader_that_lost_its_lease_stops(plane: Plane, namespace: str) -> None:
    async def elect() -> bool:
        client, stopped = client_of(plane), asyncio.Event()

        async def lead() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()

        elector = LeaderElector(client, Election(namespace, "lock", "me", 15, 0.5, 0.05), lead=lead)
        running = asyncio.ensure_future(elector.run())
        await until(lambda: elector.leading)
        lease = await client.get(LEASES, namespace, "lock")
        for _ in range(20):  # the leader writes it all the time
            spec = {**lease["spec"], "holderIdentity": "thief", "renewTime": "2100-01-01T00:00:00.000000Z"}
            try:
                await client.update(LEASES, {**lease, "spec": spec})
            except ApiError as error:
                assert error.conflict
                lease = await client.get(LEASES, namespace, "lock")
            else:
                break
        async with asyncio.timeout(SECONDS):
            await running
        client.close()
        return stopped.is_set()

    assert asyncio.run(elect())


def test_what_happens_again_is_counted_or_becomes_a_series(plane: Plane, namespace: str) -> None:
    async def record() -> list[dict[str, Any]]:
        client = client_of(plane)
        about = await client.create(CONFIG_MAPS, namespace, config_map("about"))
        about |= {"apiVersion": "v1", "kind": "ConfigMap"}
        counted, series = (
            EventRecorder(client, "one", logged=False),
            SeriesRecorder(client, "two", "two-host"),
        )
        tasks = [asyncio.ensure_future(each.run()) for each in (counted, series)]
        for _ in range(3):
            counted.act(about, "Normal", "Done", "Doing", "It was done")
            series.act(about, "Warning", "Failed", "Trying", "It failed")
        path = f"/api/v1/namespaces/{namespace}/events"

        async def events() -> list[dict[str, Any]]:
            return list((await client.request("GET", path))["items"])

        async with asyncio.timeout(SECONDS):
            while True:
                found = await events()
                if any(e.get("count") == 3 for e in found) and any(e.get("series") for e in found):
                    break
                await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        client.close()
        return sorted(found, key=lambda event: event["reason"])

    done, failed = asyncio.run(record())
    assert (done["message"], done["count"], done["source"]) == ("It was done", 3, {"component": "one"})
    assert (failed["message"], failed["type"], failed["action"]) == ("It failed", "Warning", "Trying")
    assert (failed["reportingComponent"], failed["reportingInstance"]) == ("two", "two-host")
    assert failed["series"]["count"] >= 2
