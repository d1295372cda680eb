"""The first program in a submission's sandbox: takes the limits, then becomes the kernel.

Run by `grader.sandbox` as `python inside.py LIMITS CONNECTION_FILE READY_FD`, before anything a student
wrote; nothing of it is trusted afterwards. READY_FD gets one byte when the kernel's sockets are bound.
"""

import json
import os
import resource
import sys
from pathlib import Path


def main(limits: str, connection_file: str, ready: str) -> None:
    for name, value in json.loads(limits).items():
        kind = getattr(resource, f"RLIMIT_{name}")
        _, hard = resource.getrlimit(kind)
        limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (limit, limit))
    Path("/proc/self/oom_score_adj").write_text("1000")  # if the machine runs out of memory: this first

    from ipykernel.kernelapp import IPKernelApp

    kernel = IPKernelApp.instance()
    kernel.initialize(["-f", connection_file, "--HistoryManager.hist_file=:memory:"])
    os.write(int(ready), b"1")
    os.close(int(ready))
    kernel.start()


if __name__ == "__main__":
    main(*sys.argv[1:])
