"""A container's last words: what it wrote to its termination log, or the end of its log."""

import os

from labs.kubelet.container_logs import LogOptions, tail_offset, text_of
from labs.kubelet.hostfs import HostFs, reason_of
from labs.kubelet.runtime_status import ContainerState

MAX_MESSAGE = 4096
MAX_LOG, MAX_LOG_LINES = 2048, 80
FALLBACK = "FallbackToLogsOnError"


def termination_message(fs: HostFs, container: ContainerState) -> str:
    """What `state.terminated.message` adds to the runtime's own (`getTerminationMessage`)."""
    failed = container.exit_code != 0 and container.reason != "ContainerCannotRun"
    wants_log = container.termination_policy == FALLBACK and failed
    path = container.termination_file
    if path:
        try:
            written = _end_of(fs, path, MAX_MESSAGE)
        except FileNotFoundError:
            written = b""
        except OSError as error:
            return f"Error on reading termination log {path}: open {path}: {reason_of(error)}"
        if written:
            return written.decode(errors="replace")
    return _end_of_log(fs, container.log_path) if wants_log else ""


def _end_of(fs: HostFs, path: str, size: int) -> bytes:
    with os.fdopen(fs.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - size))
        return file.read(size)


def _end_of_log(fs: HostFs, path: str) -> str:
    """The last lines that the container wrote, at most so many bytes of them."""
    try:
        number = fs.open(path, os.O_RDONLY)
    except OSError as error:
        return f"Error on reading termination message from logs: {reason_of(error)}"
    with os.fdopen(number, "rb") as file:
        file.seek(tail_offset(number, MAX_LOG_LINES))
        lines = (text_of(line.rstrip(b"\n"), LogOptions()) for line in file)
        return b"".join(line for line in lines if line)[-MAX_LOG:].decode(errors="replace")
