"""Clients that write to an API server which may die at any moment, and know what it acknowledged."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]
#: Opens a connection; raises `OSError` while nobody listens.
Connect = Callable[[], http.client.HTTPSConnection]
PATH = "/api/v1/namespaces/default/configmaps"
RETRY_SECONDS = 0.02


@dataclass
class Known:
    """What is known of one object: what was acknowledged last, and what was tried since without an answer."""

    acknowledged: str | None = None
    tried: list[str | None] = field(default_factory=list)

    def may_be(self, value: str | None) -> bool:
        """Whether the object may have this value now; None: not be there."""
        return value == self.acknowledged or value in self.tried


class Writer(threading.Thread):
    """Creates, changes and deletes objects that are nobody else's, until it is told to stop."""

    def __init__(self, name: str, connect: Connect, seed: int) -> None:
        super().__init__(name=name, daemon=True)
        self.known: dict[str, Known] = {}
        self.acknowledged = 0
        self.unanswered = 0
        self._connect = connect
        self._connection: http.client.HTTPSConnection | None = None
        self._random = random.Random(seed)
        self._over = threading.Event()

    def stop(self) -> None:
        """Finish the write that is under way."""
        self._over.set()
        self.join()

    def run(self) -> None:
        """Write on and on."""
        count = 0
        while not self._over.is_set():
            count += 1
            names = [name for name, known in self.known.items() if known.acknowledged is not None]
            if not names or self._random.random() < 0.4:
                name = f"{self.name}-{count}"
                self._write("POST", PATH, name, f"{name}.0", None)
                continue
            name = self._random.choice(names[-20:])
            present = self._settled(name)
            if present is None:
                continue
            version = present["metadata"]["resourceVersion"]
            if self._random.random() < 0.2:
                self._write("DELETE", f"{PATH}/{name}", name, None, version)
            else:
                self._write("PUT", f"{PATH}/{name}", name, f"{name}.{count}", version)

    def _write(self, method: str, path: str, name: str, value: str | None, version: str | None) -> None:
        known = self.known.setdefault(name, Known())
        if method == "DELETE":
            body: Object = {"preconditions": {"resourceVersion": version}}
        else:
            body = {"metadata": {"name": name, "resourceVersion": version}, "data": {"value": value}}
        known.tried.append(value)
        code, answer = self._request(method, path, body)
        if code in (200, 201):
            self.acknowledged += 1
            known.acknowledged, known.tried = value, []
        elif 400 <= code < 500:
            # a try that got no answer was heard all the same; what it says is asked before the next one
            assert code in (404, 409), (code, answer)
        else:
            self.unanswered += 1

    def _settled(self, name: str) -> Object | None:
        """The object as it is now, once somebody says so; what it is becomes what is known."""
        while not self._over.is_set():
            code, answer = self._request("GET", f"{PATH}/{name}")
            if code in (200, 404):
                value = answer["data"]["value"] if code == 200 else None
                known = self.known[name]
                assert known.may_be(value), f"{name} is {value}: {known}"
                known.acknowledged, known.tried = value, []
                return answer if code == 200 else None
        return None

    def _request(self, method: str, path: str, body: Object | None = None) -> tuple[int, Object]:
        """Status and answer; 0 where none came."""
        try:
            connection = self._connection or self._connect()
            self._connection = None
            headers = {"Content-Type": "application/json"}
            connection.request(method, path, json.dumps(body) if body else None, headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError):
            time.sleep(RETRY_SECONDS)  # nobody listens, and it takes no time to find that out
            return 0, {}
        self._connection = connection
        return response.status, answer


def values(connect: Connect) -> dict[str, str]:
    """The value of every object that is there."""
    connection = connect()
    connection.request("GET", PATH)
    items = json.loads(connection.getresponse().read())["items"]
    connection.close()
    return {
        each["metadata"]["name"]: each["data"]["value"] for each in items if "value" in each.get("data", {})
    }


def lost(writers: list[Writer], present: dict[str, str]) -> list[tuple[str, Known, str | None]]:
    """The objects that are not as they were acknowledged: name, what is known, and what is there."""
    return [
        (name, known, present.get(name))
        for writer in writers
        for name, known in writer.known.items()
        if not known.may_be(present.get(name))
    ]
