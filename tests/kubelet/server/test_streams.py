"""Into a container: the kubelet joins a client's streams with the runtime's, whatever each of them speaks."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from labs.streaming import client, http, remotecommand, spdy, status, websocket
from labs.streaming.errors import RefusedError
from labs.streaming.http import Connection, Request
from labs.streaming.portforward import PROTOCOL, TUNNELED, Tunnel
from labs.streaming.portforward import serve as serve_ports
from labs.streaming.remotecommand import Session
from tests.kubelet.server.serving import OPEN, Served, served
from tests.streaming.harness import running, serving
from tests.streaming.test_portforward import ask, dial


async def shout(session: Session) -> None:
    """A command that prints its input in capitals and a word on stderr, and ends with 3."""
    given = b""
    for name, stream in session.streams.items():
        if name == "stdin":
            given = await stream.read_all()
    await session.streams["stdout"].write(given.upper())
    await session.streams["stderr"].write(b"done")
    await session.finish(status.exited(3))


def url(kubelet: Served, path: str) -> str:
    return f"https://127.0.0.1:{kubelet.port}{path.replace('POD', kubelet.pod)}"


@pytest.mark.parametrize("by", ["websocket", "spdy"])
def test_a_command_has_its_streams_and_its_exit_code(tmp_path: Path, by: str) -> None:
    async def scenario() -> tuple[bytes, bytes, tuple[int, str], list[tuple[str, str]]]:
        async with served(tmp_path, **OPEN) as kubelet, running(shout) as there:  # type: ignore[arg-type]
            kubelet.node.runtime.streaming_url = there
            path = "/exec/default/POD/main?command=tr&command=a-z&input=1&output=1&error=1"
            names = remotecommand.wanted(stdin=True, stdout=True, stderr=True, tty=False)
            command = await client.connect(url(kubelet, path), names, by=by, tls=kubelet.trusting())
            await command.streams["stdin"].write(b"hello")
            await command.close_stdin()
            out, err = await asyncio.gather(
                command.streams["stdout"].read_all(), command.streams["stderr"].read_all()
            )
            ended = await command.result()
            await command.close()
            return out, err, ended, kubelet.node.runtime.calls

    out, err, (code, _), calls = asyncio.run(scenario())

    assert (out, err, code) == (b"HELLO", b"done", 3)
    assert ("Exec", "tr a-z ['stderr', 'stdin', 'stdout']") in calls


def test_a_terminal_has_one_output_and_a_size(tmp_path: Path) -> None:
    async def tell_size(session: Session) -> None:
        async for rows, columns in session.sizes():
            await session.streams["stdout"].write(f"{rows}x{columns}".encode())
            break
        await session.finish(status.success())

    async def scenario() -> tuple[bytes, tuple[int, str]]:
        async with served(tmp_path, **OPEN) as kubelet, running(tell_size, tty=True) as there:  # type: ignore[arg-type]
            kubelet.node.runtime.streaming_url = there
            names = remotecommand.wanted(stdin=True, stdout=True, stderr=False, tty=True)
            path = "/attach/default/POD/main?input=1&output=1&error=1&tty=1"
            command = await client.connect(url(kubelet, path), names, tls=kubelet.trusting())
            await command.resize(24, 80)
            out = await command.streams["stdout"].read_all()
            ended = await command.result()
            await command.close()
            return out, ended

    assert asyncio.run(scenario()) == (b"24x80", (0, ""))


def test_what_the_runtime_refuses_is_told_as_by_the_real_proxy(tmp_path: Path) -> None:
    async def refuse(_: Request, connection: Connection) -> None:
        await remotecommand.refuse(connection, 404, "404: Page Not Found")

    async def scenario() -> tuple[tuple[int, str], str]:
        async with served(tmp_path, **OPEN) as kubelet, serving(refuse) as there:  # type: ignore[arg-type]
            kubelet.node.runtime.streaming_url = there
            at = url(kubelet, "/exec/default/POD/main?command=ls&output=1")
            tls = kubelet.trusting()
            by_websocket = await client.connect(at, {"stdout", "error"}, tls=tls)
            ended = await by_websocket.result()
            await by_websocket.close()
            with pytest.raises(RefusedError) as refused:
                await client.connect(at, {"stdout", "error"}, by="spdy", tls=tls)
            return ended, str(refused.value)

    ended, refused = asyncio.run(scenario())

    assert ended == (
        1,
        "Internal error occurred: unable to upgrade connection: 404: Page Not Found",
    )
    assert refused == "404: Page Not Found"


def test_a_client_that_goes_takes_its_command_along(tmp_path: Path) -> None:
    async def scenario() -> None:
        gone = asyncio.Event()

        async def wait(session: Session) -> None:
            await session.wait_closed()
            gone.set()

        async with served(tmp_path, **OPEN) as kubelet, running(wait) as there:  # type: ignore[arg-type]
            kubelet.node.runtime.streaming_url = there
            names = remotecommand.wanted(stdin=True, stdout=True, stderr=True, tty=False)
            at = url(kubelet, "/exec/default/POD/main?command=sleep&input=1&output=1&error=1")
            command = await client.connect(at, names, tls=kubelet.trusting())
            await command.close()
            await asyncio.wait_for(gone.wait(), 20)

    asyncio.run(scenario())


@pytest.mark.parametrize("by", ["websocket", "spdy"])
def test_ports_are_forwarded(tmp_path: Path, by: str) -> None:
    async def forward(request: Request, connection: Connection) -> None:
        assert request.upgrades_to(spdy.NAME)
        await serve_ports(request, connection, "web", dial)

    async def connect(kubelet: Served) -> spdy.Connection:
        at, tls = url(kubelet, "/portForward/default/POD"), kubelet.trusting()
        if by == "spdy":
            asked = {"Upgrade": spdy.NAME, "X-Stream-Protocol-Version": PROTOCOL}
            connection, _ = await http.dial(at, "POST", asked, tls=tls)
            return spdy.Connection(connection, client=True)
        key, headers = websocket.request_headers(TUNNELED)
        connection, answered = await http.dial(at, "GET", headers, tls=tls)
        websocket.check_answer(key, answered)
        tunnel = Tunnel(websocket.WebSocket(connection, client=True))
        return spdy.Connection(await tunnel.open(), client=True)

    async def scenario() -> list[tuple[bytes, bytes]]:
        async with served(tmp_path, **OPEN) as kubelet, serving(forward) as there:  # type: ignore[arg-type]
            kubelet.node.runtime.streaming_url = there
            pod = await connect(kubelet)
            answers = [await ask(pod, number, 8080 + number, b"hello") for number in range(2)]
            await pod.close()
            return answers

    assert asyncio.run(scenario()) == [(b"8080:hello", b""), (b"8081:hello", b"")]
