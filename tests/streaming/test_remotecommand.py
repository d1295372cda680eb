"""A command's streams, from our server to our client, over both protocols; other clients are in test_wire."""

from __future__ import annotations

import asyncio
import json

import pytest

from labs.streaming import client, http, remotecommand, status
from labs.streaming.errors import RefusedError
from labs.streaming.http import Connection, Request
from labs.streaming.remotecommand import V3, V4, V5, Session
from tests.streaming.harness import running, serving

ALL = remotecommand.wanted(stdin=True, stdout=True, stderr=True, tty=False)
TERMINAL = remotecommand.wanted(stdin=True, stdout=True, stderr=True, tty=True)
BOTH = pytest.mark.parametrize("by", ["websocket", "spdy"])


def stream(session: Session, name: str) -> remotecommand.Stream:
    found = session.get(name)
    assert found is not None
    return found


async def shout(session: Session) -> None:
    """Reads stdin to its end, prints it in capitals, complains, and ends with 7."""
    text = await stream(session, "stdin").read_all()
    await stream(session, "stdout").write(text.upper())
    await stream(session, "stderr").write(b"too loud\n")
    await session.finish(status.exited(7))


@BOTH
def test_each_stream_arrives_whole_and_apart_and_the_exit_code_at_the_end(by: str) -> None:
    text = b"hello " * 100_000

    async def scenario() -> tuple[bytes, bytes, tuple[int, str]]:
        async with running(shout) as url:
            command = await client.connect(url, ALL, by=by)
            reading = asyncio.gather(*(command.streams[name].read_all() for name in ("stdout", "stderr")))
            for at in range(0, len(text), 10_000):
                await command.streams["stdin"].write(text[at : at + 10_000])
            await command.close_stdin()
            result = await command.result()
            out, err = await reading
            await command.close()
            return out, err, result

    out, err, (code, message) = asyncio.run(scenario())

    assert out == text.upper()
    assert err == b"too loud\n"
    assert (code, message) == (7, "command terminated with non-zero exit code: exit status 7")


@BOTH
def test_a_terminal_has_one_output_and_the_size_of_the_clients_window(by: str) -> None:
    async def tell_sizes(session: Session) -> None:
        assert session.get("stderr") is None
        async for rows, columns in session.sizes():
            await stream(session, "stdout").write(f"{rows}x{columns} ".encode())
            if rows == 40:
                break
        await session.finish(status.success())

    async def scenario() -> tuple[bytes, tuple[int, str]]:
        async with running(tell_sizes, tty=True) as url:
            command = await client.connect(url, TERMINAL, by=by)
            await command.resize(24, 80)
            await command.resize(40, 100)
            result = await command.result()
            out = await command.streams["stdout"].read_all()
            await command.close()
            return out, result

    assert asyncio.run(scenario()) == (b"24x80 40x100 ", (0, ""))


@BOTH
def test_a_command_learns_that_its_client_has_gone(by: str) -> None:
    async def scenario() -> bytes:
        told: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def wait(session: Session) -> None:
            await session.wait_closed()
            told.set_result(await stream(session, "stdin").read_all())
            await session.finish(status.success())

        async with running(wait) as url:
            command = await client.connect(url, ALL, by=by)
            await command.streams["stdin"].write(b"last words")
            await command.close()
            return await told

    assert asyncio.run(scenario()) == b"last words"


@BOTH
def test_a_client_that_reads_slowly_holds_the_command_back(by: str) -> None:
    async def scenario() -> tuple[bool, int]:
        written = 0

        async def flood(session: Session) -> None:
            nonlocal written
            while written < 64 << 20:
                await stream(session, "stdout").write(bytes(1 << 16))
                written += 1 << 16
            await session.finish(status.success())

        async with running(flood) as url:
            command = await client.connect(url, ALL, by=by)
            seen = -1
            while seen != written:  # until it moves no more
                seen = written
                await asyncio.sleep(0.2)
            held = written < 64 << 20
            total = 0
            while total < 64 << 20:
                total += len(await command.streams["stdout"].read())
            await command.close()
            return held, total

    assert asyncio.run(scenario()) == (True, 64 << 20)


def test_before_version_4_a_failure_is_a_sentence() -> None:
    async def fail(session: Session) -> None:
        await session.finish(status.failed("no such container"))

    async def scenario() -> tuple[int, str]:
        async with running(fail) as url:
            command = await client.connect(url, ALL, by="spdy", version=V3)
            result = await command.result()
            await command.close()
            return result

    assert asyncio.run(scenario()) == (1, "Internal error occurred: no such container")


def test_version_4_by_websocket_knows_no_end_of_input() -> None:
    async def first_line(session: Session) -> None:
        await stream(session, "stdout").write(await stream(session, "stdin").read())
        await session.finish(status.success())

    async def scenario() -> bytes:
        async with running(first_line) as url:
            command = await client.connect(url, ALL, version=V4)
            await command.close_stdin()  # means nothing there
            await command.streams["stdin"].write(b"line\n")
            await command.result()
            out = await command.streams["stdout"].read_all()
            await command.close()
            return out

    assert asyncio.run(scenario()) == b"line\n"


@pytest.mark.parametrize(
    ("headers", "code", "reason"),
    [
        ({}, 400, "missing upgrade headers"),
        ({"Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "v9"}, 403, "unable to negotiate protocol"),
        ({"Upgrade": "websocket", "Sec-WebSocket-Protocol": "chat"}, 403, "unable to negotiate protocol"),
    ],
)
def test_what_cannot_be_upgraded_is_refused_with_the_reason(
    headers: dict[str, str], code: int, reason: str
) -> None:
    async def scenario() -> RefusedError:
        async with running(shout) as url:
            with pytest.raises(RefusedError) as refused:
                await http.dial(url, "POST", headers)
            return refused.value

    refused = asyncio.run(scenario())

    assert refused.code == code
    assert reason in str(refused)


@BOTH
def test_who_stands_between_passes_everything_on(by: str) -> None:
    async def scenario() -> tuple[tuple[int, str], bytes]:
        async with running(shout) as url:

            async def between(request: Request, connection: Connection) -> None:
                assert request.target == "/exec/token?x=1"
                await http.relay(request, connection, url)

            async with serving(between) as door:
                command = await client.connect(door, ALL, by=by)
                await command.streams["stdin"].write(b"psst")
                await command.close_stdin()
                result = await command.result()
                out = await command.streams["stdout"].read_all()
                await command.close()
                return result, out

    (code, _), out = asyncio.run(scenario())
    assert (code, out) == (7, b"PSST")


def test_who_stands_between_passes_a_refusal_on() -> None:
    async def refuse(_: Request, connection: Connection) -> None:
        await remotecommand.refuse(connection, 404, "no such pod")

    async def scenario() -> RefusedError:
        async with serving(refuse) as url:

            async def between(request: Request, connection: Connection) -> None:
                await http.relay(request, connection, url)

            async with serving(between) as door:
                with pytest.raises(RefusedError) as refused:
                    await client.connect(door, ALL, version=V5)
                return refused.value

    refused = asyncio.run(scenario())
    assert (refused.code, str(refused)) == (404, "no such pod")


@pytest.mark.parametrize(
    ("said", "code", "message"),
    [
        (b"", 0, ""),
        (json.dumps(status.success()).encode(), 0, ""),
        (json.dumps(status.exited(0)).encode(), 0, ""),
        (
            json.dumps(status.exited(137)).encode(),
            137,
            "command terminated with non-zero exit code: exit status 137",
        ),
        (json.dumps(status.failed("gone")).encode(), 1, "Internal error occurred: gone"),
        (b"a sentence", 1, "a sentence"),
    ],
)
def test_what_the_error_stream_says_becomes_an_exit_code(said: bytes, code: int, message: str) -> None:
    assert status.exit_code(said) == (code, message)
