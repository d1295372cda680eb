"""Run one of the project's modules as a program inside a node: `python -I -S boot.py MODULE [ARG...]`.

A node's trusted programs start without `site`, so that nothing a student writes (a `.pth` file, a
`sitecustomize.py`, an environment variable) is ever executed by them; this file puts the two
directories they do need on the path. Both are read-only binds (see `labs.nodes.embedded`).
"""

import runpy
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
SITE_PACKAGES = SOURCE.parent / "site-packages"

if __name__ == "__main__":
    sys.path[:0] = [str(SOURCE), str(SITE_PACKAGES)]
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
