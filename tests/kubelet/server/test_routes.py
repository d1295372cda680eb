"""Paths of port 10250, with the statuses, types and words that a real kubelet 1.36.2 was seen to answer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.kubelet.server.serving import OPEN, Answer, served

TEXT = "text/plain; charset=utf-8"


def ask(root: Path, path: str, method: str = "GET", **settings: object) -> Answer:
    """What a kubelet that lets everybody in answers; POD in a path is its static pod's name."""

    async def scenario() -> Answer:
        async with served(root, **{**OPEN, **settings}) as kubelet:  # type: ignore[arg-type]
            return await kubelet.ask(path.replace("POD", kubelet.pod), method)

    return asyncio.run(scenario())


#: Request line, and what is answered; POD is the static pod's name.
ANSWERS = [
    ("GET /", 404, "404 page not found\n"),
    ("GET /nope", 404, "404 page not found\n"),
    ("POST /nope", 404, "404 page not found\n"),
    ("GET /podsx", 404, "404 page not found\n"),
    ("GET /metrics/nope", 404, "404 page not found\n"),
    ("GET /healthz", 200, "ok"),
    ("POST /healthz", 200, "ok"),
    ("GET /healthz?verbose", 200, "[+]ping ok\n[+]log ok\n[+]syncloop ok\nhealthz check passed\n"),
    ("GET /healthz/ping", 200, "ok"),
    ("GET /healthz/log", 200, "ok"),
    ("GET /healthz/syncloop", 200, "ok"),
    ("GET /healthz/nope", 404, "404 page not found\n"),
    ("HEAD /healthz", 200, ""),
    ("GET /stats/", 404, "404: Page Not Found"),
    ("GET /stats/container", 404, "404: Page Not Found"),
    ("GET /exec", 404, "404: Page Not Found"),
    ("GET /exec/default", 404, "404: Page Not Found"),
    ("POST /pods", 405, "405: Method Not Allowed"),
    ("POST /logs/", 405, "405: Method Not Allowed"),
    ("DELETE /runningpods/", 405, "405: Method Not Allowed"),
    ("PUT /exec/default/POD/main", 405, "405: Method Not Allowed"),
    ("GET /run/default/POD/main", 405, "405: Method Not Allowed"),
    ("GET /exec/default/POD/main", 400, "you must specify at least 1 of stdin, stdout, stderr"),
    ("GET /attach/default/POD/main", 400, "you must specify at least 1 of stdin, stdout, stderr"),
    ("GET /exec/default/POD/main?command=ls&output=1", 500, "Upgrade request required\n"),
    ("GET /exec/default/POD/uid/main?command=ls&output=1", 500, "Upgrade request required\n"),
    ("GET /portForward/default/POD", 500, "Upgrade request required\n"),
    ("GET /exec/default/POD/nope?command=ls&output=1", 500, 'container not found ("nope")'),
    ("GET /exec/default/nope/main?command=ls&output=1", 404, "pod does not exist"),
    ("GET /portForward/default/nope", 404, "pod does not exist"),
    ("GET /portForward/default/POD/uid", 404, "pod not found"),
    ("POST /run/default/POD/main?cmd=ls%20/", 200, "out\nerr\n"),
    ("POST /run/default/POD/nope?cmd=ls", 500, 'container not found ("nope")'),
    ("POST /run/default/nope/main?cmd=ls", 404, "pod does not exist"),
    ("GET /containerLogs/default/nope/main", 404, 'pod "nope" does not exist'),
    ("GET /containerLogs/default/POD/main?tailLines=-1", 422, '{"message": "Invalid request."}'),
    ("GET /containerLogs/default/POD/main?tailLines=x", 400, '{"message": "Unable to decode query."}'),
    ("GET /logs/nope", 404, "404 page not found\n"),
]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    """What one kubelet answers to all of them."""

    async def scenario() -> dict[str, Answer]:
        async with served(tmp_path_factory.mktemp("node"), **OPEN) as kubelet:  # type: ignore[arg-type]
            lines = {line: line.replace("POD", kubelet.pod).split() for line, _, _ in ANSWERS}
            return {line: await kubelet.ask(path, method) for line, (method, path) in lines.items()}

    return asyncio.run(scenario())


@pytest.mark.parametrize(("request_line", "status", "text"), ANSWERS)
def test_each_path_answers_as_the_real_kubelets(
    answers: dict[str, Answer], request_line: str, status: int, text: str
) -> None:
    answer = answers[request_line]

    assert (answer.status, answer.text) == (status, text)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/containerLogs/default/POD/nope", 'container "nope" not found in pod "web-node-1"'),
        (
            "/containerLogs/default/POD/main?previous=true",
            'previous terminated container "main" in pod "web-node-1" not found',
        ),
    ],
)
def test_a_log_that_is_not_there_is_named(tmp_path: Path, path: str, text: str) -> None:
    assert ask(tmp_path, path).text == text


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/runningpods", "/runningpods/"),
        ("/stats", "/stats/"),
        ("/logs", "/logs/"),
        ("/logs/../../etc/passwd", "/etc/passwd"),
    ],
)
def test_untidy_paths_are_redirected(tmp_path: Path, path: str, place: str) -> None:
    answer = ask(tmp_path, path)

    assert (answer.status, answer.headers["location"]) == (307, place)
    assert answer.text == f'<a href="{place}">Temporary Redirect</a>.\n\n'


def test_pods_shows_the_kubelets_own_view(tmp_path: Path) -> None:
    answer = ask(tmp_path, "/pods")

    (pod,) = json.loads(answer.text)["items"]
    assert answer.kind == "application/json"
    assert pod["metadata"]["annotations"]["kubernetes.io/config.hash"] == pod["metadata"]["uid"]
    assert pod["status"]["phase"] == "Running"


def test_runningpods_shows_the_runtimes(tmp_path: Path) -> None:
    (pod,) = json.loads(ask(tmp_path, "/runningpods/").text)["items"]

    assert (pod["metadata"]["name"], pod["status"]) == ("web-node-1", {})
    (container,) = pod["spec"]["containers"]
    assert (container["name"], container["resources"]) == ("main", {})
    assert container["image"].startswith("sha256:")


def test_the_nodes_log_directory_is_a_tree(tmp_path: Path) -> None:
    async def scenario() -> list[Answer]:
        async with served(tmp_path, **OPEN) as kubelet:  # type: ignore[arg-type]
            log = kubelet.node.root / "var/log"
            (log / "alert <1>.log").write_text("line\n")
            (log / "escape").symlink_to("../../../clients/jane.key")
            paths = ("/logs/", "/logs/alert%20%3C1%3E.log", "/logs/pods", "/logs/escape")
            return [await kubelet.ask(path) for path in paths]

    listing, file, directory, escape = asyncio.run(scenario())

    assert '<a href="alert%20%3C1%3E.log">alert &lt;1&gt;.log</a>' in listing.text
    assert '<a href="pods/">pods/</a>' in listing.text
    assert file.text == "line\n"
    assert (directory.status, directory.headers["location"]) == (301, "pods/")
    assert escape.status == 404


@pytest.mark.parametrize(
    ("path", "method", "name", "value"),
    [
        ("/nope", "GET", "x-content-type-options", "nosniff"),
        ("/healthz", "GET", "x-content-type-options", "nosniff"),
        ("/healthz/ping", "GET", "x-content-type-options", None),
        ("/pods", "POST", "allow", "GET"),
    ],
)
def test_headers_are_those_of_the_real_one(
    tmp_path: Path, path: str, method: str, name: str, value: str | None
) -> None:
    assert ask(tmp_path, path, method).headers.get(name) == value


def test_debugging_handlers_can_be_taken_away(tmp_path: Path) -> None:
    answer = ask(tmp_path, "/exec/default/POD/main?command=ls&output=1", enable_debugging_handlers=False)

    assert (answer.status, answer.text) == (405, "Debug endpoints are disabled.\n")


def test_the_log_tree_can_be_taken_away(tmp_path: Path) -> None:
    answer = ask(tmp_path, "/logs/", enable_system_log_handler=False)

    assert (answer.status, answer.text) == (405, "logs endpoint is disabled.\n")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/pods", 200),
        ("/healthz", 200),
        ("/metrics", 200),
        ("/stats/summary", 200),
        ("/exec/default/POD/main?command=ls&output=1", 404),
        ("/configz", 404),
        ("/logs/", 404),
    ],
)
def test_the_read_only_port_shows_and_does_nothing(tmp_path: Path, path: str, status: int) -> None:
    async def scenario() -> int:
        async with served(tmp_path, secure=False) as kubelet:
            return (await kubelet.ask(path.replace("POD", kubelet.pod), plain=True)).status

    assert asyncio.run(scenario()) == status


def test_what_is_no_request_ends_the_connection_and_nothing_else(tmp_path: Path) -> None:
    async def scenario() -> tuple[bytes, int]:
        async with served(tmp_path, secure=False) as kubelet:
            reader, writer = await asyncio.open_connection("127.0.0.1", kubelet.port)
            writer.write(b"hello\r\n\r\n")
            said = await reader.read()
            writer.close()
            return said, (await kubelet.ask("/healthz", plain=True)).status

    said, status = asyncio.run(scenario())

    assert (said.partition(b"\r\n")[0], status) == (b"HTTP/1.1 400 Bad Request", 200)


def test_one_connection_takes_many_requests(tmp_path: Path) -> None:
    async def scenario() -> list[bytes]:
        async with served(tmp_path, secure=False) as kubelet:
            reader, writer = await asyncio.open_connection("127.0.0.1", kubelet.port)
            answers = []
            for _ in range(3):
                writer.write(b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
                head = await reader.readuntil(b"\r\n\r\n")
                answers.append(head.split()[1] + await reader.readexactly(2))
            writer.close()
            return answers

    assert asyncio.run(scenario()) == [b"200ok"] * 3
