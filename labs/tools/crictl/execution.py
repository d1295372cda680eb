"""`crictl exec`: a command in a container, on this very terminal or with these very files.

The bundled runtime takes them over a socket beside its own (see `labs.runtime.terminal`), so nothing of gRPC
is needed here. Any other runtime is asked by ExecSync: without an input, and with the output at the end.
"""

import json
import os
import select
import socket
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from labs.tools.crictl.errors import CrictlError

if TYPE_CHECKING:
    from labs.tools.crictl.connection import Connection

_SOCKET = "exec.sock"
_MESSAGE_MAX = 256 * 1024


def run(connect: Callable[[], "Connection"], endpoint: str, options: Namespace) -> int:
    """The command `exec`."""
    if not options.command:
        raise CrictlError("execing command in container: command is required")
    door = None if options.sync else _door(endpoint)
    if door is None:
        return _run_sync(connect(), options)
    where = f"execing command in container {options.id}"
    try:
        code = _run(door, options.id, options.command, stdin=options.interactive, tty=options.tty)
    except CrictlError as failure:
        raise CrictlError(f"{where}: {failure}") from failure
    if code:
        raise CrictlError(f"{where}: command terminated with exit code {code}")
    return 0


def _door(endpoint: str) -> Path | None:
    """The socket that takes terminals, if this runtime has one."""
    path = Path(endpoint.removeprefix("unix://")).with_name(_SOCKET)
    return path if path.is_socket() else None


def _run_sync(connection: "Connection", options: Namespace) -> int:
    from labs.tools.crictl.connection import cri

    where = f"execing command in container {options.id} synchronously"
    if options.interactive or options.tty:
        raise CrictlError(
            f"{where}: this runtime streams by HTTP only, which is not supported yet: leave out -i and -t"
        )
    request = cri.ExecSyncRequest(container_id=options.id, cmd=options.command, timeout=options.timeout)
    try:
        answer = connection.runtime("ExecSync", request)
    except CrictlError as failure:
        raise CrictlError(f"{where}: {failure}") from failure
    sys.stdout.buffer.write(answer.stdout)
    sys.stdout.buffer.flush()
    sys.stderr.buffer.write(answer.stderr)
    sys.stderr.buffer.flush()
    if answer.exit_code:
        command, text = " ".join(options.command), answer.stderr.decode("utf-8", "replace")
        raise CrictlError(f"{where}: command '{command}' exited with {answer.exit_code}: {text}")
    return 0


def _run(path: Path, container: str, argv: Sequence[str], *, stdin: bool, tty: bool) -> int:
    """Run `argv` in `container`; its exit status."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as runtime:
        runtime.connect(str(path))
        request: dict[str, object] = {"container": container, "argv": list(argv), "tty": None}
        if tty:
            request["tty"] = _window()
            runtime.send(json.dumps(request).encode())
            answer, fds = _receive(runtime)
            return _on_terminal(runtime, fds[0], stdin=stdin)
        with Path(os.devnull).open("rb") as null:
            source = sys.stdin.fileno() if stdin else null.fileno()
            socket.send_fds(runtime, [json.dumps(request).encode()], [source, 1, 2])
            _receive(runtime)
        answer, _ = _receive(runtime)
        return int(answer["exit"])


def _receive(runtime: socket.socket) -> tuple[dict[str, int | str], list[int]]:
    data, fds, _, _ = socket.recv_fds(runtime, _MESSAGE_MAX, 1)
    if not data:
        raise CrictlError("the container runtime ended while the command was running")
    answer = json.loads(data)
    if "error" in answer:
        raise CrictlError(f"rpc error: code = Unknown desc = {answer['error']}")
    return answer, fds


def _window() -> dict[str, int]:
    """The size of the terminal we are on."""
    try:
        size = os.get_terminal_size(sys.stdin.fileno())
    except OSError:  # it is none
        return {"rows": 24, "cols": 80}
    return {"rows": size.lines, "cols": size.columns}


def _on_terminal(runtime: socket.socket, master: int, *, stdin: bool) -> int:
    """Be the wire between our terminal and the command's, until the command ends."""
    import termios
    import tty

    ours = sys.stdin.fileno()
    before = termios.tcgetattr(ours) if os.isatty(ours) else None
    wakeup, _ = resized = os.pipe()
    _report_resizes(resized)
    sources = [master, runtime.fileno(), wakeup, *([ours] if stdin else [])]
    try:
        if before is not None:
            tty.setraw(ours, termios.TCSANOW)  # what was typed ahead is the command's
        while True:
            ready, _, _ = select.select(sources, [], [])
            if wakeup in ready:
                os.read(wakeup, 1024)
                size = _window()
                termios.tcsetwinsize(master, (size["rows"], size["cols"]))
            if ours in ready and not _copy(ours, master):
                sources.remove(ours)
            if master in ready and not _copy(master, 1):
                sources.remove(master)
            elif runtime.fileno() in ready and master not in ready:  # after all that it wrote
                answer, _ = _receive(runtime)
                return int(answer["exit"])
    finally:
        if before is not None:
            termios.tcsetattr(ours, termios.TCSADRAIN, before)


def _report_resizes(pipe: tuple[int, int]) -> None:
    """Have a change of our window written into `pipe`."""
    import signal

    for end in pipe:
        os.set_blocking(end, False)
    signal.set_wakeup_fd(pipe[1], warn_on_full_buffer=False)
    signal.signal(signal.SIGWINCH, lambda *_: None)


def _copy(source: int, target: int) -> bool:
    """Move what is there; False at the end of `source`."""
    try:
        data = os.read(source, 65536)
    except OSError:  # a terminal that nobody is on any more
        return False
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]
    return bool(data)
