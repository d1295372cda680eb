"""The URL source: `staticPodURL`, facts 1, 2, 15, 23, 26 and 53-55."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from labs.kubelet.config import KubeletConfig
from labs.kubelet.flags import config_fields, parse
from labs.kubelet.pod.errors import ManifestError
from labs.kubelet.pod.manifest import pods_from_url
from labs.kubelet.pod.model import Pod
from labs.kubelet.sources.http import Answer, FetchError, UrlSource, _why, fetcher
from tests.kubelet.node import manifest, node
from tests.kubelet.virtual_time import virtual

URL = "http://pods.example/web.yaml"


class Server:
    """What stands behind the URL, and what the source made of it."""

    def __init__(self) -> None:
        self.answer: Answer | FetchError = Answer(200, "200 OK", b"")
        self.asked = 0
        self.published: list[list[Pod]] = []
        self.source = UrlSource(self.fetch, URL, "node-1", 20, self.published.append)

    async def fetch(self) -> Answer:
        self.asked += 1
        if isinstance(self.answer, FetchError):
            raise self.answer
        return self.answer

    def serve(self, *pods: dict[str, Any]) -> None:
        listed = {"apiVersion": "v1", "kind": "PodList", "items": list(pods)}
        document = pods[0] if len(pods) == 1 else listed
        self.answer = Answer(200, "200 OK", json.dumps(document).encode())

    def check(self) -> None:
        asyncio.run(self.source.check())

    @property
    def names(self) -> list[str]:
        return [pod.name for pod in self.published[-1]]


@pytest.fixture
def server() -> Server:
    return Server()


def test_fact_18_a_url_may_serve_one_pod_or_a_list(server: Server) -> None:
    server.serve(manifest("one"))
    server.check()
    assert server.names == ["one-node-1"]

    server.serve(manifest("one"), manifest("two"))
    server.check()
    assert server.names == ["one-node-1", "two-node-1"]


def test_fact_23_the_uid_is_the_urls_and_not_the_nodes() -> None:
    data = json.dumps(manifest("web")).encode()

    here, there = pods_from_url(data, URL, "node-1"), pods_from_url(data, URL, "node-2")

    assert here[0].uid == there[0].uid
    assert here[0].uid != pods_from_url(data, URL + "?", "node-1")[0].uid


def test_fact_26_url_pods_tolerate_nothing_of_themselves() -> None:
    (pod,) = pods_from_url(json.dumps(manifest("web")).encode(), URL, "node-1")

    assert "tolerations" not in pod.object["spec"]


def test_fact_53_without_an_answer_the_pods_stay(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.serve(manifest("web"))
    server.check()
    server.answer = Answer(404, "404 Not Found", b"no")
    server.check()
    server.answer = FetchError(f'Get "{URL}": EOF')
    server.check()

    assert len(server.published) == 1
    assert f'"Failed to read pods from URL" err="{URL}: 404 Not Found"' in capsys.readouterr().err


def test_fact_53_an_empty_body_takes_the_pods_away_and_is_an_error(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.serve(manifest("web"))
    server.check()
    server.answer = Answer(200, "200 OK", b"")
    server.check()

    assert server.published[-1] == []
    assert f'err="zero-length data received from {URL}"' in capsys.readouterr().err


def test_fact_53_unchanged_bytes_are_skipped(server: Server) -> None:
    server.serve(manifest("web"))
    server.check()
    server.check()

    assert (server.asked, len(server.published)) == (2, 1)


def test_fact_53_what_cannot_be_read_is_quoted_once_and_the_pods_stay(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.serve(manifest("web"))
    server.check()
    server.answer = Answer(200, "200 OK", b"{kind: Deployment, apiVersion: v1}")
    server.check()
    server.check()

    said = capsys.readouterr().err
    assert said.count("received '{kind: Deployment, apiVersion: v1}', but couldn't parse as single (") == 1
    assert ") or multiple pods (" in said
    assert len(server.published) == 1


def test_fact_54_three_failures_are_logged_the_fourth_says_that_more_are_not(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answer = Answer(500, "500 Internal Server Error", b"")
    for _ in range(6):
        server.check()
    said = capsys.readouterr().err
    assert said.count('"Failed to read pods from URL" err=') == 3
    assert said.count('"Failed to read pods from URL. Dropping verbosity of this message to V(4)" err=') == 1

    server.serve(manifest("web"))
    for _ in range(2):
        server.check()
    assert capsys.readouterr().err.count('"Successfully read pods from URL"') == 1


def test_fact_55_one_bad_pod_refuses_the_whole_list(server: Server) -> None:
    server.serve(manifest("good"), manifest("bad", container={"image": ""}))
    server.check()

    assert server.published == []


def test_fact_02_headers_are_sent_as_configured() -> None:
    async def ask() -> tuple[Answer, list[str]]:
        seen: list[str] = []

        async def answer(request: web.Request) -> web.Response:
            seen.extend((*request.headers.getall("X-Who"), request.headers["User-Agent"]))
            return web.Response(text="body")

        app = web.Application()
        app.router.add_get("/pods", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        try:
            return await fetcher(f"http://127.0.0.1:{port}/pods", {"X-Who": ["a", "b"]})(), seen
        finally:
            await runner.cleanup()

    answer, seen = asyncio.run(ask())

    assert (answer.code, answer.body) == (200, b"body")
    assert seen == ["a", "b", "Go-http-client/1.1"]


def _fetched(answer: bytes | None) -> tuple[str, int]:
    """How fetching fails from a server that sends these bytes (none: nobody listens), and its port."""

    async def ask() -> tuple[str, int]:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer or b"")
            writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        if answer is None:
            server.close()
            await server.wait_closed()
        try:
            with pytest.raises(FetchError) as caught:
                await fetcher(f"http://127.0.0.1:{port}/pods", {})()
            return str(caught.value), port
        finally:
            server.close()

    return asyncio.run(ask())


def test_fact_53_nobody_who_listens_is_told_in_gos_words() -> None:
    said, port = _fetched(None)

    why = f"dial tcp 127.0.0.1:{port}: connect: connection refused"
    assert said == f'Get "http://127.0.0.1:{port}/pods": {why}'


@pytest.mark.parametrize(
    ("url", "address"),
    [("http://h/pods", "h:80"), ("https://h/pods", "h:443"), ("https://h:8443/pods", "h:8443")],
)
def test_fact_53_without_a_port_the_schemes_own_is_dialled(url: str, address: str) -> None:
    assert _why(ConnectionRefusedError(), url) == f"dial tcp {address}: connect: connection refused"


def test_fact_53_a_server_that_hangs_up_is_told() -> None:
    said, port = _fetched(b"")

    assert said.startswith(f'Get "http://127.0.0.1:{port}/pods": ')


def test_fact_53_a_server_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> tuple[str, int]:
        async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(keep_silent, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(FetchError) as caught:
                await asyncio.wait_for(fetcher(f"http://127.0.0.1:{port}/pods", {})(), 30)
            return str(caught.value), port

    monkeypatch.setattr("labs.kubelet.sources.http.TIMEOUT", 0.1)
    said, port = asyncio.run(ask())

    assert said == f'Get "http://127.0.0.1:{port}/pods": context deadline exceeded'


def test_fact_53_no_more_than_ten_mebibytes_are_read() -> None:
    size = 10 * 2**20 + 1

    said, _ = _fetched(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode() + b"x" * size)

    assert said == "read limit reached"


@pytest.mark.parametrize(
    ("code", "status"), [(404, "404 Not Found"), (500, "500 Internal Server Error"), (204, "204 No Content")]
)
def test_fact_53_another_status_than_200_is_an_error_with_its_words(
    server: Server, capsys: pytest.CaptureFixture[str], code: int, status: str
) -> None:
    server.answer = Answer(code, status, b"body")

    server.check()

    assert server.published == []
    said = capsys.readouterr().err
    assert f'http.go:66] "Failed to read pods from URL" err="{URL}: {status}"' in said


@virtual
async def test_fact_53_the_url_is_asked_at_once_and_then_in_its_period() -> None:
    server = Server()
    server.serve(manifest("one"))
    asking = asyncio.create_task(server.source.run())
    await asyncio.sleep(0.1)
    assert (server.asked, server.names) == (1, ["one-node-1"])
    await asyncio.sleep(60)
    asking.cancel()

    assert server.asked == 4


def test_fact_55_pods_of_a_url_are_of_the_version_of_the_kubelet() -> None:
    pod = manifest(container={"envFrom": [{"secretRef": {"name": "s"}}]})
    data = json.dumps(pod).encode()

    assert pods_from_url(data, URL, "n", (1, 33))[0].name == "web-n"
    with pytest.raises(ManifestError, match="static pods may not reference secrets"):
        pods_from_url(data, URL, "n")


def test_fact_02_url_and_headers_come_from_file_or_flags() -> None:
    text = (
        "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
        "staticPodURL: http://x\nstaticPodURLHeader: {A: [b, c]}\nhttpCheckFrequency: 5s\n"
    )
    config = KubeletConfig.from_file(text.encode(), "/c")
    flags, _ = parse(["--manifest-url=http://y", "--manifest-url-header=A:b,B:c,A:d"])
    changed = config.with_flags(config_fields(flags))

    assert (config.static_pod_url, config.static_pod_url_header) == ("http://x", {"A": ("b", "c")})
    assert config.http_check_frequency == 5
    assert changed.static_pod_url_header == {"A": ("b", "d"), "B": ("c",)}


@virtual
async def test_fact_01_pods_of_file_and_url_run_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server()
    server.serve(manifest("served"))
    monkeypatch.setattr("labs.kubelet.kubelet.fetcher", lambda *_: server.fetch)
    async with node(tmp_path, static_pod_url=URL) as n:
        n.put("web.yaml", manifest())
        await n.runs("web")
        await n.runs("served")

        sources = {name: n.mirror(name)["metadata"]["annotations"] for name in ("web", "served")}  # type: ignore[index]
        assert sources["web"]["kubernetes.io/config.source"] == "file"
        assert sources["served"]["kubernetes.io/config.source"] == "http"


@virtual
async def test_fact_15_of_two_pods_of_one_name_in_a_list_the_first_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server()
    server.serve(manifest("web"), manifest("web", container={"image": "busybox:1.37"}))
    monkeypatch.setattr("labs.kubelet.kubelet.fetcher", lambda *_: server.fetch)
    async with node(tmp_path, static_pod_url=URL) as n:
        container = await n.runs()

        assert container.image.image.endswith("1.36")
        await n.until(lambda: "FailedValidation" in n.api.reasons("web-node-1"))
