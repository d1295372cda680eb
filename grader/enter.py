"""As root only: show bubblewrap what it may bind, then stop being root and start it.

`python -I -S labs/nodes/boot.py grader.enter UID SOURCE… -- ARGV…`, run by `grader.sandbox`. An ordinary
user cannot reach what lies below a 0700 directory such as /root, so each SOURCE is bound at /mnt/0, /mnt/1, …
of a mount namespace of its own while this process may still see it. ARGV is then run as UID, a number that
owns nothing on this machine.
"""

import os
import sys
from pathlib import Path

from labs.nodes import namespaces

PLACE = Path("/mnt")


def main(uid: int, sources: list[str], argv: list[str]) -> None:
    namespaces.unshare(namespaces.CLONE_NEWNS)
    namespaces.mount("none", "/", flags=namespaces.MS_REC | namespaces.MS_PRIVATE)
    namespaces.mount("tmpfs", str(PLACE), "tmpfs", data="mode=0755")
    for number, source in enumerate(sources):
        namespaces.bind(Path(source), PLACE / str(number))
    parent = os.getppid()
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    namespaces.die_with_parent(parent)
    os.execv(argv[0], argv)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    split = arguments.index("--")
    main(int(arguments[0]), arguments[1:split], arguments[split + 1 :])
