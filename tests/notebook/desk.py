"""A student's socket with nobody but this test behind it.

It speaks the supervisor's protocol: commands run right here, in a shell of this machine, and what is asked
about exercises gets the answers that the test has put down. So the notebook's part is tested by itself, fast.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

Answer = Callable[[dict[str, Any]], Iterable[dict[str, Any]]]


class Desk:
    """The socket at `path`. `asked` holds the verbs and arguments that came, `answers` what is to be said."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Answer] = {}
        self.hurried = False  # a command's end is told in one breath with its beginning
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        self._clients: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """The cluster goes down."""
        for one in (self._listener, *self._clients):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self.path.unlink()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._clients.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError):
            data, descriptors, _, _ = socket.recv_fds(client, 1 << 16, 3)
            request = json.loads(data)
            match request["op"]:
                case "status":
                    _say(client, ok=True, name="desk", nodes=["desk-control-plane"], api=True)
                case "exec":
                    self._exec(client, request, descriptors)
                case "exercise":
                    self._answer(client, request["verb"], request.get("args", {}))

    def _exec(self, client: socket.socket, request: dict[str, Any], descriptors: list[int]) -> None:
        stdin, stdout, stderr = descriptors
        process = subprocess.Popen(
            request["argv"], stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True
        )
        for one in descriptors:
            os.close(one)
        if self.hurried:
            status = process.wait()
            client.sendall(json.dumps({"ok": True, "pid": process.pid}).encode() + b"\n" + _exit(status))
            return
        _say(client, ok=True, pid=process.pid)
        threading.Thread(target=_pass_signals_on, args=(client, process), daemon=True).start()
        client.sendall(_exit(process.wait()))

    def _answer(self, client: socket.socket, verb: str, arguments: dict[str, Any]) -> None:
        self.asked.append((verb, arguments))
        if verb not in self.answers:
            _say(client, ok=False, error=f"'{verb}' is not offered here")
            return
        for line in self.answers[verb](arguments):
            _say(client, ok=True, **line)


def _say(client: socket.socket, **message: Any) -> None:
    client.sendall(json.dumps(message).encode() + b"\n")


def _exit(status: int) -> bytes:
    return json.dumps({"exit": status if status >= 0 else 128 - status}).encode() + b"\n"


def _pass_signals_on(client: socket.socket, process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError, ValueError):
        while data := client.recv(1 << 12):
            for line in data.splitlines():
                os.killpg(process.pid, json.loads(line)["signal"])
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGHUP)


@contextmanager
def desk(path: Path) -> Iterator[Desk]:
    """A desk for the length of a test."""
    made = Desk(path)
    try:
        yield made
    finally:
        made.close()
