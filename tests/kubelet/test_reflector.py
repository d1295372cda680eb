"""Lists and watches of the API: what is heard, and what the journal is told when they fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from labs.kubelet.api_client import ApiError
from labs.kubelet.reflector import Reflector
from tests.kubelet.virtual_time import virtual

REFUSED = ApiError(0, 'Get "https://api:6443/api/v1/nodes": dial tcp api:6443: connect: connection refused')


class Server:
    """Answers lists by turns, and the watch with nothing that ends."""

    def __init__(self, *answers: ApiError | list[str]) -> None:
        self._answers = list(answers)
        self.asked: list[float] = []

    async def request(self, *_: object) -> dict[str, Any]:
        self.asked.append(round(asyncio.get_running_loop().time(), 1))
        answer = self._answers.pop(0)
        if isinstance(answer, ApiError):
            raise answer
        items = [{"metadata": {"name": name}} for name in answer]
        return {"items": items, "metadata": {"resourceVersion": "7"}}

    async def watch(self, path: str) -> AsyncIterator[dict[str, Any]]:
        if not self._answers:
            await asyncio.Event().wait()
        raise ApiError(410, "too old resource version: 7 (9)")
        yield {}


async def told(server: Server, seconds: float = 60) -> list[tuple[str, str]]:
    """What the handler hears."""
    heard: list[tuple[str, str]] = []
    reflector = Reflector(
        server, "/api/v1/nodes", "Node", "metadata.name=n",
        lambda kind, item: heard.append((kind, item["metadata"]["name"])),
    )  # fmt: skip
    running = asyncio.create_task(reflector.run())
    await asyncio.sleep(seconds)
    running.cancel()
    return heard


@virtual
async def test_a_list_after_a_watch_that_broke_tells_only_what_changed() -> None:
    server = Server(["a", "b"], ["b", "c"])

    assert await told(server) == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a"), ("ADDED", "c")]


@virtual
async def test_while_nothing_listens_there_it_is_tried_again_quietly(
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = Server(*[REFUSED] * 7, ["a"])

    assert await told(server) == [("ADDED", "a")]
    assert server.asked == [0.0, 0.2, 0.6, 1.4, 3.0, 6.2, 11.2, 16.2]
    assert capsys.readouterr().err == ""


@virtual
@pytest.mark.parametrize(
    "error",
    [
        ApiError(0, 'Get "https://api/x": tls: failed to verify certificate: x509: certificate has expired'),
        ApiError(401, "Unauthorized"),
    ],
)
async def test_any_other_failure_to_list_is_told(error: ApiError, capsys: pytest.CaptureFixture[str]) -> None:
    await told(Server(error, ["a"]))

    text = f"failed to list *v1.Node: {error}".replace('"', '\\"')
    assert (
        capsys.readouterr()
        .err.rstrip("\n")
        .endswith(
            f'reflector.go:227] "Failed to watch" err="{text}" logger="UnhandledError" '
            'reflector="k8s.io/client-go/informers/factory.go:177" type="*v1.Node"'
        )
    )
