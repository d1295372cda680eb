"""postStart, preStop, last words, and images that cannot be had."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labs.kubelet.cri import CriError
from labs.kubelet.hostfs import HostFs
from labs.kubelet.lifecycle import HookError, run_hook
from labs.kubelet.pod.manifest import pod_from_file
from labs.kubelet.runtime_status import EPOCH, ContainerState, State
from labs.kubelet.termination_message import termination_message
from tests.kubelet.node import manifest, node
from tests.kubelet.virtual_time import virtual

HOOK = ("hook",)


@virtual
async def test_a_post_start_hook_that_fails_kills_the_container(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", commands={HOOK: 5})
        hook = {"postStart": {"exec": {"command": list(HOOK)}}}
        n.put("web.yaml", manifest(container={"lifecycle": hook}))
        await n.until(lambda: "CrashLoopBackOff" in n.waiting_reasons())

        messages = {(e["reason"], e["message"]) for e in n.api.events("web-node-1")}
        assert ("FailedPostStartHook", "PostStartHook failed") in messages
        assert ("Killing", "FailedPostStartHook") in messages
        assert "Failed" not in {reason for reason, _ in messages}


@virtual
async def test_a_post_start_hook_that_failed_is_the_reason_for_waiting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", commands={HOOK: 5})
        hook = {"postStart": {"exec": {"command": list(HOOK)}}}
        n.put("web.yaml", manifest(container={"lifecycle": hook}))
        await n.until(lambda: "Killing" in n.api.reasons("web-node-1"))
        await asyncio.sleep(1)

        said = capsys.readouterr().err
        assert 'with PostStartHookError: \\"Exec lifecycle hook ([hook]) for Container' in said
        assert "failed - error: command 'hook' exited with 5: , message:" in said


@virtual
async def test_a_pre_stop_hook_runs_first_and_takes_from_the_grace_period(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        hook = {"preStop": {"sleep": {"seconds": 4}}}
        n.put("web.yaml", manifest(container={"lifecycle": hook}, terminationGracePeriodSeconds=10))
        await n.runs()

        n.remove("web.yaml")
        took = await n.until(lambda: not n.running())

        (grace,) = (about.split()[1] for call, about in n.runtime.calls if call == "StopContainer")
        assert grace == "6"
        assert 4 <= took < 5


@virtual
async def test_a_pre_stop_hook_that_fails_is_told_and_the_container_stops(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", commands={HOOK: 1})
        hook = {"preStop": {"exec": {"command": list(HOOK)}}}
        n.put("web.yaml", manifest(container={"lifecycle": hook}))
        await n.runs()

        n.remove("web.yaml")
        await n.until(lambda: not n.running())
        await n.until(lambda: "FailedPreStopHook" in n.api.reasons("web-node-1"))

        messages = {e["message"] for e in n.api.events("web-node-1") if e["reason"] == "FailedPreStopHook"}
        assert messages == {"PreStopHook failed"}
        command = " ".join(HOOK)
        said = f'"PreStop hook failed" err="command \'{command}\' exited with 1: "'
        assert said in capsys.readouterr().err


#: Its last words are in /term, its log in /0.log.
EXITED = ContainerState(
    "c", "main", State.EXITED, "", "", "", 0, EPOCH, EPOCH, EPOCH, 0, "Error", "", "/term", "File", "/0.log"
)


def ended(
    root: Path, policy: str = "File", code: int = 1, log: bytes = b"", words: bytes | None = b""
) -> str:
    """The termination message of a container that has ended so."""
    if words is not None:
        (root / "term").write_bytes(words)
    else:
        (root / "term").unlink(missing_ok=True)
    (root / "0.log").write_bytes(log)
    container = replace(EXITED, exit_code=code, termination_policy=policy)
    return termination_message(HostFs(str(root)), container)


def logged(*lines: str) -> bytes:
    return "".join(f"2026-11-23T17:55:13Z stdout F {line}\n" for line in lines).encode()


def test_last_words_are_the_end_of_the_termination_log(tmp_path: Path) -> None:
    assert ended(tmp_path, words=b"x" * 5000 + b"end") == "x" * 4093 + "end"


def test_last_words_that_are_no_text_are_shown_as_far_as_they_are(tmp_path: Path) -> None:
    assert ended(tmp_path, words=b"a\xff") == "a\ufffd"
    assert (
        ended(tmp_path, "FallbackToLogsOnError", log=b"2026-11-23T17:55:13Z stdout F a\xff\n") == "a\ufffd\n"
    )


def test_a_directory_in_place_of_the_last_words_or_of_the_log_is_told(tmp_path: Path) -> None:
    for name in ("term", "1.log"):
        (tmp_path / name).mkdir()
    container = replace(EXITED, exit_code=1, log_path="/1.log")

    said = termination_message(HostFs(str(tmp_path)), container)

    assert said == "Error on reading termination log /term: open /term: is a directory"


def test_without_last_words_the_log_speaks_if_the_policy_says_so(tmp_path: Path) -> None:
    log = logged("one", "two")

    assert ended(tmp_path, "FallbackToLogsOnError", log=log) == "one\ntwo\n"
    assert ended(tmp_path, "FallbackToLogsOnError", log=log, words=b"own") == "own"
    assert ended(tmp_path, "FallbackToLogsOnError", code=0, log=log) == ""
    assert ended(tmp_path, "File", log=log) == ""
    assert ended(tmp_path, "FallbackToLogsOnError", log=log, words=None) == "one\ntwo\n"


def test_no_more_than_the_last_2048_bytes_of_the_log(tmp_path: Path) -> None:
    text = ended(tmp_path, "FallbackToLogsOnError", log=logged(*("x" * 99 for _ in range(200))))

    assert len(text) == 2048
    assert text.endswith("x\n")


@virtual
async def test_an_image_that_cannot_be_pulled_is_tried_with_growing_delays(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest(container={"image": "nothing.invalid/a:1"}))
        await n.until(lambda: "ImagePullBackOff" in n.waiting_reasons())
        await asyncio.sleep(200)

        pulls = [call for call, _ in n.runtime.calls if call == "PullImage"]
        assert [r for r in n.waiting_reasons() if "Image" in r][:2] == ["ErrImagePull", "ImagePullBackOff"]
        assert 4 <= len(pulls) <= 6
        message = n.status()["state"]["waiting"]["message"]
        assert message.startswith(
            ('Back-off pulling image "nothing.invalid/a:1": ErrImagePull: ', "failed to")
        )


@virtual
async def test_an_image_with_a_wrong_name_is_told_in_the_real_words(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest(container={"image": "BUSYBOX:1.36"}))
        await n.until(lambda: n.waiting_reasons()[-1:] == ["InvalidImageName"])

        await n.until(lambda: {"InspectFailed", "Failed"} <= n.api.reasons("web-node-1"))
        messages = {e["message"] for e in n.api.events("web-node-1")}
        assert "Error: InvalidImageName" in messages


@virtual
async def test_a_hook_of_a_kind_that_is_none_of_a_hook_s_cannot_be_run() -> None:
    hook = {"postStart": {"tcpSocket": {"port": 80}}}
    text = json.dumps(manifest(container={"lifecycle": hook})).encode()
    pod = pod_from_file(text, "/m/web.yaml", "n")
    (container,) = pod.containers
    assert container.post_start is not None
    nothing: Any = None

    with pytest.raises(HookError) as caught:
        await run_hook(nothing, pod, container, "id", container.post_start, ("10.244.0.5",))

    why = (
        "invalid handler: &LifecycleHandler{Exec:nil,HTTPGet:nil,"
        "TCPSocket:&TCPSocketAction{Port:{0 80 },Host:,},Sleep:nil,}"
    )
    assert (str(caught.value), caught.value.cause) == (f"Cannot run handler: {why}", why)


async def hooked(server: list[bytes], scheme: str, *, begins: bytes = b"") -> str:
    """What comes of a hook to a server that answers so; `server` gets what it is asked in plain HTTP."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readexactly(1) == b"\x16":  # a ClientHello's record
            writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTPS request to an HTTP server.\n")
        else:
            server.append(b"G" + await reader.readline())
            writer.write(begins or b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with listener:
        get = {"port": listener.sockets[0].getsockname()[1], "path": "/told", "scheme": scheme}
        given = manifest(container={"lifecycle": {"postStart": {"httpGet": get}}})
        pod = pod_from_file(json.dumps(given).encode(), "/m/web.yaml", "n")
        container = pod.containers[0]
        nothing: Any = None
        assert container.post_start is not None
        try:
            await run_hook(nothing, pod, container, "id", container.post_start, ("127.0.0.1",))
        except HookError as error:
            return str(error)
    return ""


def test_any_answer_is_enough_for_a_hook() -> None:
    asked: list[bytes] = []

    assert asyncio.run(hooked(asked, "HTTP")) == ""
    assert asyncio.run(hooked(asked, "HTTP", begins=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")) == ""
    assert asked == [b"GET /told HTTP/1.1\r\n"] * 2


def test_a_server_without_tls_is_asked_by_a_hook_without() -> None:
    asked: list[bytes] = []

    assert asyncio.run(hooked(asked, "HTTPS")) == ""
    assert asked == [b"GET /told HTTP/1.1\r\n"]


def test_what_is_no_answer_fails_a_hook() -> None:
    said = asyncio.run(hooked([], "HTTP", begins=b"hello there\r\n\r\n"))

    assert "HTTP lifecycle hook (/told) for Container" in said
    assert said.endswith('net/http: HTTP/1.x transport connection broken: malformed HTTP status code "there"')


@virtual
async def test_a_command_that_cannot_be_run_has_printed_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with node(tmp_path) as n:
        n.runtime.failing["ExecSync"] = CriError("Unknown", "no such file or directory: unknown")
        n.put("web.yaml", manifest(container={"lifecycle": {"postStart": {"exec": {"command": ["hook"]}}}}))
        await n.until(lambda: "FailedPostStartHook" in n.api.reasons("web-node-1"))
        await asyncio.sleep(1)

    told = 'no such file or directory: unknown, message: \\"\\"" logger="UnhandledError"'
    assert told in capsys.readouterr().err
