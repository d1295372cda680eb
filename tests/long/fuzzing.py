"""Whoever throws anything at an API server and remembers what it acknowledged."""

from __future__ import annotations

import http.client
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.controlplane.plane import Plane

Object = dict[str, Any]

#: The real server has these 5xx answers to a client's own mistakes, in these words.
REAL_5XX = re.compile(
    r"Too large resource version|failed to (create typed patch|convert new) object|request is too large"
)
#: What an API server never writes into its log, whatever it is asked.
TROUBLE = re.compile(r"Traceback|panic|never retrieved|Unhandled|Task was destroyed")
_NAMESPACED = re.compile(r"(/api/v1|/apis/[^/]+/[^/]+)/namespaces/([^/]+)/([^/]+)(?:/([^/]+))?(?:/.*)?")
_CLUSTER = re.compile(r"(/api/v1|/apis/[^/]+/[^/]+)/([^/]+)(?:/([^/]+))?(?:/.*)?")
#: Below a namespace these are parts of it, and no kind.
_NAMESPACE_PARTS = ("status", "finalize")
JSON = {"Content-Type": "application/json"}
METADATA = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}
TABLE = {"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}


#: Of the objects that are thrown about, and one that does not exist.
NAMESPACES = ("fuzz", "fuzz", "default", "missing")


@dataclass(frozen=True)
class Answer:
    """What came back; `body` is what its JSON holds, the text where it holds none, None of a stream."""

    status: int
    body: Any

    @property
    def message(self) -> str:
        """What a Status says."""
        return str(self.body.get("message", "")) if isinstance(self.body, dict) else str(self.body)


@dataclass
class Witness:
    """The only client of a control plane without controllers: nothing changes there but by its requests."""

    plane: Plane
    #: By path: the object as it was acknowledged, None for one that was deleted.
    known: dict[str, Object | None] = field(default_factory=dict)
    _connection: http.client.HTTPSConnection | None = None

    def settle(self) -> None:
        """Make the namespaces, with the accounts that pods need."""
        self.json("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACES[0]}})
        for namespace in NAMESPACES[1:3]:
            self.plane.give_account(namespace)

    def kill_server(self) -> None:
        """End the API server by force, and start another one."""
        self.plane.kill()
        self._connection = None
        self.plane.start()

    def send(
        self, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        """One request, whose answer may be anything but a fault of the server's."""
        answer = self._exchange(method, target, body, headers or {})
        assert answer.status < 500 or REAL_5XX.search(answer.message), (
            f"{method} {target} {headers} {body[:2000]!r}: {answer}"
        )
        if 200 <= answer.status < 300 and method != "GET" and "dryRun" not in target:
            self._note(method, urlsplit(target).path, answer)
        return answer

    def json(self, method: str, target: str, body: Any) -> Answer:
        """A request with a JSON body."""
        return self.send(method, target, json.dumps(body).encode(), JSON)

    def read(self, path: str) -> Object | None:
        """The object at a path, as it is now."""
        answer = self._exchange("GET", path, b"", {})
        assert answer.status in (200, 404), f"{path}: {answer}"
        return answer.body if answer.status == 200 else None

    def check(self) -> None:
        """All that was acknowledged is there as it was acknowledged, and can be shown in every form."""
        for path, acknowledged in self.known.items():
            assert self.read(path) == acknowledged, path
        for collection in sorted({path.rpartition("/")[0] for path in self.known}):
            for form in ({}, TABLE, METADATA):
                answer = self.send("GET", collection, headers=form)
                assert answer.status == 200, f"{collection} {form}: {answer}"
        log = self.plane.log.read_text()
        found = TROUBLE.search(log)
        assert found is None, log[max(0, found.start() - 2000) : found.end() + 2000]

    # -- what was acknowledged
    def _note(self, method: str, target: str, answer: Answer) -> None:
        where = _where(target)
        if where is None:
            return
        collection, name = where
        # answered and not kept; completed by the server itself where roles are aggregated
        if collection.endswith(("reviews", "/clusterroles")):
            return
        if method == "DELETE" and not name:
            for path, before in list(self.known.items()):
                if before is not None and path.startswith(collection):
                    self._deleted(path, before)
            return
        stored = isinstance(answer.body, dict) and (answer.body.get("metadata") or {})
        name = name or (stored and stored.get("name")) or ""
        path = f"{collection}/{name}"
        if not name or target.endswith("/token"):
            return
        now = self.read(path)
        if method == "DELETE":
            gone = now is None or "deletionTimestamp" in now["metadata"]
            assert gone, f"{path} was deleted and is there: {now}"
        elif stored and stored.get("resourceVersion"):
            if now is None:  # the last finalizer was taken off
                assert "deletionTimestamp" in stored, f"{path} was acknowledged and is not there"
            else:
                for part in ("uid", "resourceVersion"):
                    assert now["metadata"][part] == stored[part], f"{path}: {now} {answer.body}"
        self.known[path] = now

    def _deleted(self, path: str, before: Object) -> None:
        now = self.read(path)
        if now is not None and now != before:
            assert "deletionTimestamp" in now["metadata"], f"{path}: {now}"
        self.known[path] = now

    # -- HTTP
    def _exchange(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> Answer:
        connection = self._connection or self.plane.connection("super-admin")
        self._connection = None
        try:
            connection.request(method, target, body or None, headers)
            response = connection.getresponse()
        except OSError as error:
            ended = self.plane.ended()
            assert ended is None, f"{method} {target} {headers} {body[:2000]!r} ended the server: {ended}"
            raise AssertionError(f"{method} {target} {headers} {body[:2000]!r}: {error!r}") from error
        if response.headers.get("Transfer-Encoding") == "chunked":
            connection.close()
            return Answer(response.status, None)
        text = response.read()
        if response.will_close:
            connection.close()
        else:
            self._connection = connection
        is_json = response.headers.get("Content-Type", "").startswith("application/json")
        return Answer(response.status, json.loads(text) if is_json and text else text.decode())


def _where(path: str) -> tuple[str, str] | None:
    """The collection and the name that a path means; events are the same in both their groups."""
    path = path.replace("/apis/events.k8s.io/v1/", "/api/v1/")
    match = _NAMESPACED.fullmatch(path)
    if match and match[3] not in _NAMESPACE_PARTS:
        return f"{match[1]}/namespaces/{match[2]}/{match[3]}", match[4] or ""
    match = _CLUSTER.fullmatch(path)
    return (f"{match[1]}/{match[2]}", match[3] or "") if match else None
