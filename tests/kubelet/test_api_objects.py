"""ConfigMaps, Secrets and tokens in pods of the API, as a real kubelet 1.36.2 gives them."""

import asyncio
import base64
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from labs.kubelet.api_objects import (
    CONFIG_MAP,
    SECRET,
    Reference,
    TokenReference,
    environment_references,
    volume_references,
)
from labs.kubelet.pod.model import Pod
from tests.kubelet.node import Node, api_pod, manifest, node
from tests.kubelet.test_api_pods import phase, running, runs, status_of
from tests.kubelet.virtual_time import virtual


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def with_volume(name: str = "web", **source: Any) -> dict[str, Any]:
    mount = {"name": "v", "mountPath": "/v"}
    return api_pod(name, container={"volumeMounts": [mount]}, volumes=[{"name": "v", **source}])


def folder(n: Node, name: str = "web") -> Path:
    """What the container sees at /v."""
    (container,) = running(n, name)
    (mount,) = [m for m in n.runtime.config_of(container.id).mounts if m.container_path == "/v"]
    assert mount.readonly
    return n.root / mount.host_path[1:]


def files(n: Node, name: str = "web") -> dict[str, str]:
    at = folder(n, name)
    visible = [p for p in at.iterdir() if not p.name.startswith("..")]
    return {p.name: p.read_text() for p in visible if p.is_file()}


def variables(n: Node, name: str = "web") -> dict[str, str]:
    (container,) = running(n, name)
    return {e.key: e.value for e in n.runtime.config_of(container.id).envs}


def mount_failures(n: Node, name: str = "web") -> set[str]:
    return {e["message"] for e in n.api.events(name) if e["reason"] == "FailedMount"}


# volumes


@virtual
async def test_a_config_map_s_keys_are_files(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.api.put("configmaps", "settings", data={"a": "1"}, binaryData={"b": b64("2")})
        n.api.user_creates(with_volume(configMap={"name": "settings"}))
        await runs(n)

        assert files(n) == {"a": "1", "b": "2"}
        assert folder(n).parent.name == "kubernetes.io~configmap"
        assert stat.S_IMODE((folder(n) / "a").stat().st_mode) == 0o644
        assert str((folder(n) / "a").readlink()) == "..data/a"


@virtual
async def test_a_secret_s_values_are_decoded(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.api.put("secrets", "keys", data={"password": b64("hunter2")})
        n.api.user_creates(with_volume(secret={"secretName": "keys", "defaultMode": 0o400}))
        await runs(n)

        assert files(n) == {"password": "hunter2"}
        assert folder(n).parent.name == "kubernetes.io~secret"
        assert stat.S_IMODE((folder(n) / "password").stat().st_mode) == 0o400


@virtual
async def test_items_choose_keys_paths_and_modes(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.api.put("configmaps", "settings", data={"a": "1", "b": "2"})
        items = [{"key": "a", "path": "deep/er", "mode": 0o400}]
        n.api.user_creates(with_volume(configMap={"name": "settings", "items": items}))
        await runs(n)

        at = folder(n)
        assert sorted(p.name for p in at.iterdir() if not p.name.startswith("..")) == ["deep"]
        assert (at / "deep/er").read_text() == "1"
        assert stat.S_IMODE((at / "deep/er").stat().st_mode) == 0o400


@virtual
async def test_an_optional_config_map_that_is_missing_is_an_empty_volume(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.api.user_creates(with_volume(configMap={"name": "absent", "optional": True}))
        await runs(n)

        assert files(n) == {}


@virtual
async def test_an_optional_key_that_is_missing_is_left_out(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.api.put("configmaps", "settings", data={"a": "1"})
        items = [{"key": "a", "path": "a"}, {"key": "k", "path": "k"}]
        source = {"name": "settings", "items": items, "optional": True}
        n.api.user_creates(with_volume(configMap=source))
        await runs(n)

        assert files(n) == {"a": "1"}


ITEM = [{"key": "k", "path": "k"}]
FAILURES = {
    "config map": ({"configMap": {"name": "absent"}}, 'configmap "absent" not found'),
    "secret": ({"secret": {"secretName": "absent"}}, 'secret "absent" not found'),
    "key": (
        {"configMap": {"name": "there", "items": ITEM}},
        "configmap references non-existent config key: k",
    ),
    "secret's key": (
        {"secret": {"secretName": "there", "items": ITEM}},
        "references non-existent secret key: k",
    ),
    "several": (
        {"projected": {"sources": [{"configMap": {"name": "absent"}}, {"secret": {"name": "absent2"}}]}},
        '[configmap "absent" not found, secret "absent2" not found]',
    ),
    "projected key": (
        {"projected": {"sources": [{"configMap": {"name": "there", "items": ITEM}}]}},
        "configmap references non-existent config key: k",
    ),
    "token": (
        {"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
        'failed to fetch token: serviceaccounts "default" not found',
    ),
}


@pytest.mark.parametrize("what", FAILURES)
def test_a_volume_that_cannot_be_filled_keeps_the_pod_waiting(what: str, tmp_path: Path) -> None:
    @virtual
    async def story() -> None:
        async with node(tmp_path) as n:
            source, why = FAILURES[what]
            n.api.accounts.clear()
            n.api.put("configmaps", "there", data={"a": "1"})
            n.api.put("secrets", "there", data={"a": b64("1")})
            n.api.user_creates(with_volume(**source))
            await asyncio.sleep(20)

            assert mount_failures(n) == {f'MountVolume.SetUp failed for volume "v" : {why}'}
            assert not n.runtime.sandboxes
            (container,) = status_of(n)["containerStatuses"]
            assert container["state"] == {"waiting": {"reason": "ContainerCreating"}}

    story()


@virtual
async def test_a_pod_starts_when_what_it_misses_is_made(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.api.user_creates(with_volume(configMap={"name": "late"}))
        await n.until(lambda: mount_failures(n))
        n.api.put("configmaps", "late", data={"a": "1"})

        await n.until(lambda: phase(n) == "Running", 10)
        assert files(n) == {"a": "1"}


@virtual
async def test_an_edited_config_map_shows_at_the_pod_s_next_sync(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.api.put("configmaps", "settings", data={"a": "1", "b": "2"})
        n.api.user_creates(with_volume(configMap={"name": "settings"}))
        await runs(n)
        await asyncio.sleep(5)
        n.api.put("configmaps", "settings", data={"a": "11", "c": "3"})

        took = await n.until(lambda: files(n) != {"a": "1", "b": "2"})
        assert 50 < took < 91
        assert files(n) == {"a": "11", "c": "3"}
        assert len(n.runtime.of_pod("web")) == 1


@virtual
async def test_a_config_map_that_is_deleted_later_stops_nobody(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.api.put("configmaps", "settings", data={"a": "1"})
        n.api.user_creates(with_volume(configMap={"name": "settings"}))
        await runs(n)
        n.api.remove("configmaps", "settings")
        await n.until(lambda: mount_failures(n))
        n.runtime.kill(running(n)[0].id)

        await n.until(lambda: running(n), 20)
        assert files(n) == {"a": "1"}


@virtual
async def test_what_a_pod_was_given_is_given_again_while_the_api_is_away(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.api.put("configmaps", "settings", data={"a": "1"})
        reference = {"configMapRef": {"name": "settings"}}
        n.api.user_creates(api_pod(container={"envFrom": [reference]}))
        await runs(n)
        n.api.down = True
        n.runtime.kill(running(n)[0].id)

        await n.until(lambda: running(n), 20)
        assert variables(n)["a"] == "1"


@virtual
async def test_a_new_pod_is_not_given_what_an_old_one_had(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.api.put("configmaps", "settings", data={"a": "1"})
        n.api.user_creates(with_volume("old", configMap={"name": "settings"}))
        await runs(n, "old")
        n.api.put("configmaps", "settings", data={"a": "2"})
        n.api.user_creates(with_volume("new", configMap={"name": "settings"}))
        await runs(n, "new")

        assert (files(n, "old"), files(n, "new")) == ({"a": "1"}, {"a": "2"})


# tokens


TOKEN = {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}


@virtual
async def test_the_account_s_volume_has_token_authority_and_namespace(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.api.put("configmaps", "kube-root-ca.crt", data={"ca.crt": "PEM"})
        authority = {
            "configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
        }
        field = {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}
        sources = [TOKEN, authority, {"downwardAPI": {"items": [field]}}]
        made = n.api.user_creates(with_volume(projected={"sources": sources}))
        await runs(n)

        found = files(n)
        assert (found["ca.crt"], found["namespace"]) == ("PEM", "default")
        assert found["token"].startswith("default/default/api/")
        (request,) = [body for method, where, body in n.api.requests if where.endswith("/token")]
        assert request["spec"] == {
            "expirationSeconds": 3607,
            "boundObjectRef": {
                "kind": "Pod", "apiVersion": "v1", "name": "web", "uid": made["metadata"]["uid"],
            },
        }  # fmt: skip


@virtual
async def test_a_token_names_its_audience_and_its_account(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.api.accounts.add("robot")
        source = {"serviceAccountToken": {"path": "token", "audience": "vault", "expirationSeconds": 600}}
        pod = with_volume(projected={"sources": [source]})
        pod["spec"]["serviceAccountName"] = "robot"
        n.api.user_creates(pod)
        await runs(n)

        assert files(n)["token"].startswith("default/robot/vault/")


@virtual
async def test_a_token_is_renewed_after_four_fifths_of_its_life(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        source = {"serviceAccountToken": {"path": "token", "expirationSeconds": 1000}}
        n.api.user_creates(with_volume(projected={"sources": [source]}))
        await runs(n)
        first = files(n)["token"]
        took = await n.until(lambda: files(n)["token"] != first, 1000)

        assert 780 < took < 900


@virtual
async def test_an_old_token_serves_while_the_api_is_away(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        source = {"serviceAccountToken": {"path": "token", "expirationSeconds": 1000}}
        n.api.user_creates(with_volume(projected={"sources": [source]}))
        await runs(n)
        first = files(n)["token"]
        await asyncio.sleep(700)
        n.api.down = True
        await asyncio.sleep(250)
        assert (files(n)["token"], len(running(n))) == (first, 1)
        n.api.down = False

        await n.until(lambda: files(n)["token"] != first, 100)


@pytest.mark.parametrize(
    ("security", "mode"), [({}, 0o644), ({"fsGroup": os.getgid()}, 0o640), ({"runAsUser": 0}, 0o600)]
)
def test_a_token_s_file_is_open_to_who_runs_only(security: dict[str, int], mode: int, tmp_path: Path) -> None:
    @virtual
    async def story() -> None:
        async with node(tmp_path) as n:
            pod = with_volume(projected={"sources": [TOKEN], "defaultMode": 0o644})
            pod["spec"]["securityContext"] = security
            n.api.user_creates(pod)
            await runs(n)

            assert stat.S_IMODE((folder(n) / "token").stat().st_mode) == mode

    story()


# variables


@virtual
async def test_variables_come_from_keys_and_whole_objects(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.api.put("configmaps", "settings", data={"colour": "red", "size": "9"})
        n.api.put("secrets", "keys", data={"size": b64("10"), "word": b64("hush")})
        container = {
            "envFrom": [
                {"prefix": "C_", "configMapRef": {"name": "settings"}},
                {"configMapRef": {"name": "settings"}},
                {"secretRef": {"name": "keys"}},
                {"configMapRef": {"name": "absent", "optional": True}},
            ],
            "env": [
                {"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "word"}}},
                {"name": "colour", "value": "blue"},
                {"name": "ALL", "value": "$(WORD) $(colour) $(size)"},
                {
                    "name": "NONE",
                    "valueFrom": {"configMapKeyRef": {"name": "absent", "key": "k", "optional": True}},
                },
                {
                    "name": "NO_KEY",
                    "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "k", "optional": True}},
                },
            ],
        }
        n.api.user_creates(api_pod(container=container))
        await runs(n)

        assert variables(n) == {
            "C_colour": "red",
            "C_size": "9",
            "colour": "blue",
            "size": "10",
            "word": "hush",
            "WORD": "hush",
            "ALL": "hush blue 10",
        }


def of_key(source: str, name: str) -> dict[str, Any]:
    return {"env": [{"name": "X", "valueFrom": {source: {"name": name, "key": "k"}}}]}


CONFIG_FAILURES = {
    "secret": (of_key("secretKeyRef", "absent"), 'secret "absent" not found'),
    "config map": (of_key("configMapKeyRef", "absent"), 'configmap "absent" not found'),
    "key": (of_key("configMapKeyRef", "there"), "couldn't find key k in ConfigMap default/there"),
    "secret's key": (of_key("secretKeyRef", "there"), "couldn't find key k in Secret default/there"),
    "whole config map": (
        {"envFrom": [{"configMapRef": {"name": "absent"}}]},
        'configmap "absent" not found',
    ),
    "whole secret": ({"envFrom": [{"secretRef": {"name": "absent"}}]}, 'secret "absent" not found'),
}


@pytest.mark.parametrize("what", CONFIG_FAILURES)
def test_a_container_whose_variables_cannot_be_had_waits(what: str, tmp_path: Path) -> None:
    @virtual
    async def story() -> None:
        async with node(tmp_path) as n:
            container, why = CONFIG_FAILURES[what]
            n.api.put("configmaps", "there", data={"a": "1"})
            n.api.put("secrets", "there", data={"a": b64("1")})
            n.api.user_creates(api_pod(container=container))
            await n.until(lambda: "CreateContainerConfigError" in str(status_of(n)))
            await n.until(lambda: "Failed" in n.api.reasons("web"))

            (entry,) = status_of(n)["containerStatuses"]
            assert entry["state"] == {"waiting": {"reason": "CreateContainerConfigError", "message": why}}
            assert [e["message"] for e in n.api.events("web") if e["reason"] == "Failed"] == [f"Error: {why}"]
            assert not n.runtime.of_pod("web")

            n.api.put("configmaps", "absent", data={"k": "1"})
            n.api.put("secrets", "absent", data={"k": b64("1")})
            n.api.put("configmaps", "there", data={"k": "1"})
            n.api.put("secrets", "there", data={"k": b64("1")})
            await n.until(lambda: running(n), 20)

    story()


# pull secrets


@virtual
async def test_a_missing_pull_secret_is_told_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.api.put("secrets", "there", data={})
        n.api.user_creates(api_pod(imagePullSecrets=[{"name": "there"}, {"name": "absent"}]))
        await runs(n)

        reason = "FailedToRetrieveImagePullSecret"
        await n.until(lambda: reason in n.api.reasons("web"))
        assert {e["message"] for e in n.api.events("web") if e["reason"] == reason} == {
            "Unable to retrieve some image pull secrets (absent); attempting to pull the image may not "
            "succeed."
        }


# what is asked for


def test_only_what_a_pod_names_is_asked_for() -> None:
    pod = with_volume(projected={"sources": [TOKEN, {"secret": {"name": "a"}}, {"configMap": {"name": "b"}}]})
    pod["metadata"]["uid"] = "u"
    found = Pod.of(pod)

    assert volume_references(found) == (
        {Reference(SECRET, "a"), Reference(CONFIG_MAP, "b")},
        {TokenReference("", 3607)},
    )
    assert environment_references(found.containers[0]) == set()


@virtual
async def test_static_pods_ask_for_nothing(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        await n.runs()

        assert not [where for _, where, _ in n.api.requests if "configmaps" in where or "secrets" in where]
