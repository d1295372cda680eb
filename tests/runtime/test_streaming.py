"""Exec, Attach and PortForward at the URLs that the runtime answers with, by our own client."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest
from cri_api.v1 import api_pb2 as cri

from tests.runtime.harness import RuntimeNode

#: What came on each stream, and how it ended; with `leave`, the client goes after the first output.
CLIENT = """
import asyncio, json
from labs.streaming import client
asked = json.loads(sys.argv[1])
async def main():
    command = await client.connect(asked["url"], asked["names"], by=asked["by"])
    outputs = [name for name in asked["names"] if name in ("stdout", "stderr")]
    wholly = [] if asked["leave"] else outputs
    reading = [asyncio.create_task(command.streams[name].read_all()) for name in wholly]
    if asked["window"]:
        await command.resize(*asked["window"])
    if asked["stdin"] is not None:
        await command.streams["stdin"].write(asked["stdin"].encode())
        if not asked["window"] and not asked["leave"]:
            await command.close_stdin()
    told = {}
    if asked["leave"]:
        while outputs and not (output := await command.streams[outputs[0]].read()):
            pass
    else:
        told["code"], told["message"] = await command.result()
    told.update({name: (await task).decode() for name, task in zip(outputs, reading)})
    await command.close()
    print(json.dumps(told))
asyncio.run(main())
"""

#: The status of a plain request.
GET = """
import http.client, urllib.parse
url = urllib.parse.urlsplit(sys.argv[1])
connection = http.client.HTTPConnection(url.netloc)
connection.request("GET", url.path)
print(connection.getresponse().status)
"""

#: A server in a pod, on its loopback: says it all again, louder.
LOUD = """
import socket
server = socket.create_server(("127.0.0.1", 8000))
print("listening", flush=True)
while True:
    client = server.accept()[0]
    client.sendall(client.recv(100).upper())
    client.close()
"""

#: url, port, data -> the answer of a port of the pod, and what the server says.
FORWARD = """
import asyncio, json
from labs.streaming import http, spdy
url, port, data = json.loads(sys.argv[1])
async def main():
    asked = {"Upgrade": spdy.NAME, "X-Stream-Protocol-Version": "portforward.k8s.io"}
    connection, _ = await http.dial(url, "POST", asked)
    pod = spdy.Connection(connection, client=True)
    error = await pod.open({"streamtype": "error", "port": str(port), "requestid": "0"})
    await error.close()
    stream = await pod.open({"streamtype": "data", "port": str(port), "requestid": "0"})
    await stream.write(data.encode())
    answer, said = (await stream.read_all()).decode(), (await error.read_all()).decode()
    await pod.close()
    print(json.dumps([answer, said]))
asyncio.run(main())
"""

BOTH = pytest.mark.parametrize("by", ["websocket", "spdy"])


@pytest.fixture(scope="module")
def sandbox(node: RuntimeNode) -> str:
    return node.sandbox("stream")


@pytest.fixture(scope="module")
def container(node: RuntimeNode, sandbox: str) -> str:
    return node.run_container(sandbox, "sleep", "100000", name="sleeper", env={"COLOUR": "blue"})


def talk(
    node: RuntimeNode,
    url: str,
    by: str = "websocket",
    stdin: str | None = None,
    window: Any = None,
    *,
    leave: bool = False,
    outputs: tuple[str, ...] = ("stdout", "stderr"),
) -> dict[str, Any]:
    """What a client in the node is told at `url`."""
    outputs = ("stdout", "resize") if window else outputs
    names = ["error", *outputs, *(["stdin"] if stdin is not None else [])]
    asked = {"url": url, "by": by, "names": names, "stdin": stdin, "window": window, "leave": leave}
    answer: dict[str, Any] = node.python(CLIENT, json.dumps(asked))
    return answer


def exec_url(node: RuntimeNode, container: str, *command: str, **options: Any) -> str:
    options = {"stdout": True, "stderr": not options.get("tty"), **options}
    return str(node.cri.Exec(cri.ExecRequest(container_id=container, cmd=command, **options)).url)


def attach_url(node: RuntimeNode, container: str, **options: Any) -> str:
    request = cri.AttachRequest(container_id=container, stdin=True, stdout=True, **options)
    return str(node.cri.Attach(request).url)


@BOTH
def test_a_command_has_three_streams_and_an_exit_code(node: RuntimeNode, container: str, by: str) -> None:
    url = exec_url(node, container, "sh", "-c", "cat; echo $COLOUR >&2; exit 7", stdin=True)

    told = talk(node, url, by, "hello\n" * 10_000)

    assert told["stdout"] == "hello\n" * 10_000
    assert told["stderr"] == "blue\n"
    assert (told["code"], told["message"]) == (7, "command terminated with non-zero exit code: exit status 7")


@BOTH
def test_a_terminal_has_the_size_of_the_clients_window(node: RuntimeNode, container: str, by: str) -> None:
    url = exec_url(node, container, "sh", "-c", "read go; tty; stty size", stdin=True, tty=True)

    told = talk(node, url, by, "go\r", window=(40, 100))

    lines = told["stdout"].split("\r\n")
    assert lines[1].startswith("/dev/pts/")
    assert lines[2] == "40 100"
    assert told["code"] == 0


def test_a_missing_command_is_told_in_runcs_words(node: RuntimeNode, container: str) -> None:
    told = talk(node, exec_url(node, container, "nothing"))

    assert told["code"] == 1
    assert told["message"].endswith('exec: "nothing": executable file not found in $PATH: unknown')


def test_a_command_whose_client_has_gone_is_killed(node: RuntimeNode, container: str) -> None:
    url = exec_url(node, container, "sh", "-c", "echo started; sleep 4730")

    talk(node, url, leave=True)

    node.sh("while pgrep -x -f 'sleep 4730' > /dev/null; do :; done")


def test_a_url_is_good_for_one_connection(node: RuntimeNode, container: str) -> None:
    url = exec_url(node, container, "true")
    talk(node, url)

    assert node.python(GET, url) == 404


def test_what_is_attached_sees_and_types_and_ends_an_input_that_is_given_once(
    node: RuntimeNode, sandbox: str
) -> None:
    shell = node.run_container(sandbox, "sh", name="once", stdin=True, stdin_once=True)

    told = talk(node, attach_url(node, shell, stderr=True), "spdy", "echo out; echo err >&2; exit 4\n")

    assert (told["stdout"], told["stderr"], told["code"]) == ("out\n", "err\n", 0)
    assert node.wait_exit(shell).exit_code == 4
    assert [line.split(" ", 3)[1:] for line in node.log_of(shell).splitlines()] == [
        ["stdout", "F", "out"],
        ["stderr", "F", "err"],
    ]


def test_an_input_stays_open_for_the_next_who_attaches(fresh_node: RuntimeNode) -> None:
    node = fresh_node
    shell = node.run_container(node.sandbox(), "sh", name="shell", stdin=True)
    url = attach_url(node, shell)
    talk(node, url, stdin="X=1; echo set\n", outputs=("stdout",), leave=True)

    node.kill_runtime()
    told = talk(node, attach_url(node, shell), stdin="echo X is $X; exit\n", outputs=("stdout",))

    assert told["stdout"] == "X is 1\n"


def test_an_attached_terminal_is_the_containers(node: RuntimeNode, sandbox: str) -> None:
    shell = node.run_container(sandbox, "sh", name="terminal", stdin=True, tty=True)

    told = talk(node, attach_url(node, shell, tty=True), "websocket", "stty size; exit\r", window=(41, 101))

    assert "41 101\r\n" in told["stdout"]


def test_a_container_goes_on_when_who_was_attached_has_gone(node: RuntimeNode, sandbox: str) -> None:
    flood = node.run_container(
        sandbox, "sh", "-c", "read go; seq 1 200000", name="flood", stdin=True, stdin_once=True
    )
    watcher = attach_url(node, flood)
    talk(node, watcher, "spdy", "go\n", outputs=("stdout",), leave=True)

    assert node.wait_exit(flood).exit_code == 0
    assert node.log_of(flood).splitlines()[-1].endswith(" stdout F 200000")


def test_a_port_of_a_pod_is_reached_and_one_where_nobody_listens_says_so(node: RuntimeNode) -> None:
    pod = node.sandbox("ports")
    container = node.run_python(pod, LOUD)
    node.wait_log(container, "listening")

    def forward(port: int) -> Any:
        url = node.cri.PortForward(cri.PortForwardRequest(pod_sandbox_id=pod)).url
        return node.python(FORWARD, json.dumps([url, port, "hello\n"]))

    assert forward(8000) == ["HELLO\n", ""]
    answers = forward(8001)
    assert answers[0] == ""
    assert answers[1].startswith(f"error forwarding port 8001 to pod {pod}")
    assert answers[1].endswith("dial tcp4 127.0.0.1:8001: connect: connection refused")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"tty": True, "stdout": True, "stderr": True}, "tty and stderr cannot both be true"),
        ({}, "one of stdin, stdout, or stderr must be set"),
    ],
)
def test_what_makes_no_sense_is_refused(
    node: RuntimeNode, container: str, options: dict[str, bool], reason: str
) -> None:
    with pytest.raises(grpc.RpcError) as call:
        node.cri.Exec(cri.ExecRequest(container_id=container, cmd=["true"], **options))

    assert call.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert call.value.details() == reason


def test_a_container_that_does_not_run_has_no_streams(node: RuntimeNode, sandbox: str) -> None:
    created = node.create(sandbox, "sleep", "1", name="idle")

    for call in (lambda: exec_url(node, created, "true"), lambda: attach_url(node, created)):
        with pytest.raises(grpc.RpcError) as refused:
            call()
        assert refused.value.details() == "container is in CONTAINER_CREATED state"
