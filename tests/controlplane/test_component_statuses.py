"""`kubectl get componentstatuses` and what is said of kinds that one had better not use.

As a real API server 1.36.2 has them.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path

import pytest

from labs.controlplane.apiserver import component_statuses
from labs.controlplane.apiserver.component_statuses import ComponentStatuses
from labs.controlplane.apiserver.etcd import Etcd

from .plane import Plane

DEPRECATED = "Warning: v1 ComponentStatus is deprecated in v1.19+\n"
ENDPOINTS = "Warning: v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice\n"


def condition(plane: Plane, name: str) -> dict[str, str]:
    code, answer = plane.request("GET", f"/api/v1/componentstatuses/{name}")
    assert (code, answer["metadata"]) == (200, {"name": name})
    (found,) = answer["conditions"]
    return dict(found)


def test_each_component_is_listed_with_how_it_is(plane: Plane) -> None:
    listed = plane.kubectl("get", "cs")

    heading, *rows = listed.stdout.splitlines()
    assert heading.split() == ["NAME", "STATUS", "MESSAGE", "ERROR"]
    assert [row.split()[0] for row in rows] == ["controller-manager", "scheduler", "etcd-0"]
    assert rows[-1].split() == ["etcd-0", "Healthy", "ok"]
    assert listed.stderr == DEPRECATED


def test_etcd_is_asked_for_a_key(plane: Plane) -> None:
    assert condition(plane, "etcd-0") == {"type": "Healthy", "status": "True", "message": "ok"}


def test_what_is_not_there_or_cannot_be_done_is_told(plane: Plane) -> None:
    missing = plane.kubectl("get", "cs", "nope")
    watch = plane.request("GET", "/api/v1/componentstatuses?watch=1")
    deleted = plane.kubectl("delete", "cs", "scheduler")

    assert missing.stderr == f'{DEPRECATED}Error from server (NotFound): componentstatus "nope" not found\n'
    assert watch[0] == 405
    assert watch[1]["message"] == 'watch is not supported on resources of kind "componentstatuses"'
    assert "the server does not allow this method on the requested resource" in deleted.stderr
    assert "Warning" not in deleted.stderr


def test_fields_and_labels_choose_from_them(plane: Plane) -> None:
    one = plane.kubectl("get", "cs", "--field-selector=metadata.name=etcd-0", "-o", "name")
    none = plane.kubectl("get", "cs", "-l", "a=b", "-o", "name")

    assert (one.stdout, none.stdout) == ("componentstatus/etcd-0\n", "")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", {"status": "True", "message": "ok"}),
        (
            b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
            {"status": "False", "message": "HTTP probe failed with statuscode: 500"},
        ),
        (
            None,
            {"status": "False", "message": 'Get "{url}": dial tcp {address}: connect: connection refused'},
        ),
    ],
)
def test_a_component_is_as_its_healthz_says(
    plane: Plane, monkeypatch: pytest.MonkeyPatch, answer: bytes | None, expected: dict[str, str]
) -> None:
    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer or b"")
        await writer.drain()
        writer.close()

    async def asked() -> tuple[int, dict[str, str]]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(Path(plane.pki) / "apiserver.crt", Path(plane.pki) / "apiserver.key")
        server = await asyncio.start_server(respond, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        if answer is None:
            server.close()
            await server.wait_closed()
        monkeypatch.setitem(component_statuses._PORTS, "scheduler", port)
        found = await ComponentStatuses(Etcd([], None)).get("scheduler")
        server.close()
        return port, found["conditions"][0]

    port, found = asyncio.run(asked())

    shown = {"url": f"https://127.0.0.1:{port}/healthz", "address": f"127.0.0.1:{port}"}
    assert found == {"type": "Healthy", **{key: text.format(**shown) for key, text in expected.items()}}


def test_whoever_uses_endpoints_is_told_of_slices(plane: Plane, namespace: str) -> None:
    body = json.dumps({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "p"}})

    applied = plane.kubectl("-n", namespace, "apply", "-f", "-", stdin=body)
    read = plane.kubectl("-n", namespace, "get", "endpoints", "-o", "name")
    missed = plane.kubectl("-n", namespace, "delete", "endpoints", "nope")
    slices = plane.kubectl("-n", namespace, "get", "endpointslices")

    assert (applied.stdout, applied.stderr) == ("endpoints/p created\n", ENDPOINTS)
    assert (read.stdout, read.stderr) == ("endpoints/p\n", ENDPOINTS)
    assert missed.stderr == f'{ENDPOINTS}Error from server (NotFound): endpoints "nope" not found\n'
    assert "deprecated" not in slices.stderr
