"""A pod's RuntimeClass names the handler that its sandbox is made by."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from labs.kubelet.api_client import ApiError
from labs.kubelet.runtime_class import NoRuntimeClassError, RuntimeClasses
from tests.kubelet.node import manifest, node
from tests.kubelet.virtual_time import virtual

NAME = "web-node-1"


class Classes:
    """An API server that has these, or is away."""

    def __init__(self, **handlers: str) -> None:
        self.handlers = handlers
        self.away = False

    async def request(
        self, method: str, path: str, body: object = None, content_type: str = ""
    ) -> dict[str, Any]:
        name = path.removeprefix("/apis/node.k8s.io/v1/runtimeclasses/")
        if self.away:
            raise ApiError(0, "connection refused")
        if name not in self.handlers:
            raise ApiError(404, f'runtimeclasses.node.k8s.io "{name}" not found', "NotFound")
        return {"metadata": {"name": name}, "handler": self.handlers[name]}


def handler(classes: RuntimeClasses, name: str) -> str:
    return asyncio.run(classes.handler(name))


def test_a_class_names_a_handler_and_no_class_the_runtimes_own() -> None:
    classes = RuntimeClasses(Classes(safe="runsc"))

    assert (handler(classes, "safe"), handler(classes, "")) == ("runsc", "")


def test_a_class_that_there_is_not_is_named() -> None:
    with pytest.raises(NoRuntimeClassError, match=r'^runtimeclass\.node\.k8s\.io "kata" not found$'):
        handler(RuntimeClasses(Classes()), "kata")


def test_while_the_api_is_away_what_it_said_last_holds() -> None:
    api = Classes(safe="runsc")
    classes = RuntimeClasses(api)
    handler(classes, "safe")
    api.away = True

    assert handler(classes, "safe") == "runsc"
    with pytest.raises(NoRuntimeClassError):
        handler(classes, "unheard")


def test_a_class_that_was_removed_is_forgotten() -> None:
    api = Classes(safe="runsc")
    classes = RuntimeClasses(api)
    handler(classes, "safe")
    del api.handlers["safe"]

    with pytest.raises(NoRuntimeClassError):
        handler(classes, "safe")


def test_a_kubelet_without_an_api_server_knows_no_class() -> None:
    with pytest.raises(NoRuntimeClassError):
        handler(RuntimeClasses(None), "safe")


@virtual
async def test_a_pod_whose_class_is_missing_waits_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest(runtimeClassName="kata"))
        await n.until(lambda: "FailedCreatePodSandBox" in n.api.reasons(NAME))

        why = 'runtimeclass.node.k8s.io "kata" not found'
        (event,) = (e for e in n.api.events(NAME) if e["reason"] == "FailedCreatePodSandBox")
        assert event["message"] == f"Failed to create pod sandbox: {why}"
        assert n.running() == []
    journal = capsys.readouterr().err
    quoted = why.replace('"', '\\"')
    pod = f'pod="default/{NAME}"'
    assert f'"Failed to generate sandbox config for pod" err="{quoted}" {pod}' in journal
    assert f'"CreatePodSandbox for pod failed" err="{quoted}" {pod}' in journal
    assert (
        f'with CreatePodSandboxError: \\"Failed to generate sandbox config for pod \\\\\\"{NAME}_' in journal
    )
