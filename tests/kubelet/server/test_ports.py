"""Ports of the kubelet that somebody else has."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from labs.kubelet import server
from labs.kubelet.hostfs import HostFs
from labs.kubelet.server import CannotListen
from tests.kubelet.node import node

HOST = "127.0.0.1"


def taken(port: int) -> str:
    return f'err="listen tcp {HOST}:{port}: bind: address already in use"'


async def serving(folder: Path, until: asyncio.Event | None = None, **settings: Any) -> None:
    """Serve until `until` is set, or until that fails."""
    async with node(folder, api=False, address=HOST, **settings) as n:
        assert n.kubelet is not None
        task = asyncio.create_task(server.serve(n.kubelet, HostFs(str(n.root))))
        try:
            if until is None:
                await asyncio.wait_for(task, 30)
            else:
                await asyncio.wait_for(until.wait(), 30)
        finally:
            task.cancel()


@pytest.fixture
def others() -> Any:
    """A port that another program listens on."""
    with socket.create_server((HOST, 0)) as listener:
        yield listener


@pytest.mark.parametrize(("setting", "line"), [("port", 209), ("read_only_port", 245)])
def test_without_its_port_it_ends(
    tmp_path: Path, others: socket.socket, setting: str, line: int, capsys: pytest.CaptureFixture[str]
) -> None:
    port = others.getsockname()[1]

    with pytest.raises(CannotListen):
        asyncio.run(serving(tmp_path, **{"port": 0, "healthz_port": 0, setting: port}))

    assert f'server.go:{line}] "Failed to listen and serve" {taken(port)}' in capsys.readouterr().err


def test_without_the_port_for_health_it_goes_on_and_tries_again(
    tmp_path: Path, others: socket.socket, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port, answered = others.getsockname()[1], asyncio.Event()
    monkeypatch.setattr(server, "RETRY", 0.05)
    refused = f'server.go:951] "Failed to start healthz server" {taken(port)}'
    said = ""

    async def ask() -> None:
        nonlocal said
        while said.count(refused) < 2:
            await asyncio.sleep(0.01)
            said += capsys.readouterr().err
        others.close()
        while not answered.is_set():
            try:
                reader, writer = await asyncio.open_connection(HOST, port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
                continue
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: k\r\nConnection: close\r\n\r\n")
            if (await reader.read()).endswith(b"ok"):
                answered.set()
            writer.close()

    async def scenario() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ask())
            tasks.create_task(serving(tmp_path, answered, port=0, healthz_port=port))

    asyncio.run(asyncio.wait_for(scenario(), 30))

    assert said.count(refused) >= 2
