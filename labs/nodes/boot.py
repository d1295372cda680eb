"""Run one of the project's modules as a program inside a node: `python -I -S boot.py MODULE [ARG...]`.

A node's trusted programs start without `site`, so that nothing a student writes (a `.pth` file, a
`sitecustomize.py`, an environment variable) is ever executed by them; this file puts the two
directories they do need on the path. Both are read-only binds (see `labs.nodes.embedded`).

With $CKS_PROGRAM set (`/usr/bin/kubelet`), `ps`, `pgrep` and /proc/PID/cmdline show that program and the
arguments, as they would on a node that has the real one.
"""

import gc
import os
import runpy
import signal
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
SITE_PACKAGES = SOURCE.parent / "site-packages"
#: Objects between two looks for cycles. Python's own 700 are met hundreds of times in an import alone, a
#: fifth of a start, and find nothing.
ALLOCATIONS = 100_000


def call_itself(program: str, arguments: list[str]) -> None:
    """Overwrite the command line that the kernel shows of this process, and its short name.

    The new one is never longer than what it replaces: the interpreter and this file's path.
    """
    Path("/proc/self/comm").write_text(program.rpartition("/")[2])
    # proc(5): arg_start and arg_end are fields 48 and 49, and the third follows the name's parenthesis
    stat = Path("/proc/self/stat").read_text()
    start, end = (int(field) for field in stat.rpartition(")")[2].split()[45:47])
    line = b"".join(os.fsencode(word) + b"\0" for word in (program, *arguments))
    if len(line) <= end - start:
        memory = os.open("/proc/self/mem", os.O_WRONLY | os.O_CLOEXEC)
        os.pwrite(memory, line.ljust(end - start, b"\0"), start)
        os.close(memory)


if __name__ == "__main__":
    sys.path[:0] = [str(SOURCE), str(SITE_PACKAGES)]
    sys.argv = sys.argv[1:]
    if "CKS_PROGRAM" in os.environ:
        call_itself(os.environ.pop("CKS_PROGRAM"), sys.argv[1:])
    if os.getpid() == 1:
        # Process 1 of a container gets no signal that it does not handle, and Go handles them from the first
        # moment: the module may do so later, for now the process ends. What has come already has waited.
        signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    gc.set_threshold(ALLOCATIONS)
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
