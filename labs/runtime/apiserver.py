"""When may a container report to the evidence? As the catalogue's API server, with nothing slipped in.

Whoever can make the API server run other code than its image's could write false evidence. So its program
must be started directly, no mount may lie over what it executes or is configured by, its environment is
reduced to what an API server has a use for, and its root is read-only but for directories of data.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from labs.runtime.images import Image

#: The number of the descriptor in the container.
ENVIRONMENT_VARIABLE = "CKS_EVIDENCE_FD"

#: What an API server may write to (a log whose directory nobody has mounted, say); no code is looked for
#: in any of it.
SCRATCH = ("/etc/kubernetes", "/var", "/srv", "/mnt", "/data", "/tmp", "/root", "/home", "/run")
#: Data of an API server: mounts below these cover no code.
_DATA = (
    *SCRATCH,
    "/etc/ssl/certs",
    "/etc/ca-certificates",
    "/etc/pki",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/etc/localtime",
    "/dev/termination-log",
    "/dev/shm",
)
_NAMES = ("HOSTNAME", "TZ", "NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY")
_PREFIXES = ("KUBERNETES_", "KUBE_", "GO", "POD_", "NODE_")


def is_trusted(image: Image, argv: Sequence[str], mounts: Iterable[str]) -> bool:
    """Whether this command of `image`, with mounts at `mounts`, is the API server and nothing else."""
    if image.evidence is None or argv[0] not in (image.evidence, Path(image.evidence).name):
        return False
    return all(_is_data(os.path.normpath(destination)) for destination in mounts)


def _is_data(destination: str) -> bool:
    return any(destination == place or destination.startswith(f"{place}/") for place in _DATA)


def environment(image: Image, wanted: Mapping[str, str]) -> dict[str, str]:
    """Of the environment that the manifest wants, what no loader, interpreter or library is steered by."""
    kept = {name: value for name, value in wanted.items() if name in _NAMES or name.startswith(_PREFIXES)}
    return kept | dict(image.env)
