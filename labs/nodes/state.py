"""Where clusters live on the host: one directory each, below $XDG_STATE_HOME/cks-labs/clusters."""

import os
import re
from pathlib import Path

from labs.errors import LabsError, UsageError

DEFAULT_NAME = "cks"
#: `NAME-control-plane` is a host name, and a host name has at most 63 characters.
LONGEST_NAME = 63 - len("-control-plane")

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


class NoSuchClusterError(LabsError):
    """The named cluster does not exist."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no cluster '{name}': 'labs up {name}' makes it, 'labs list' shows all")


class NotRunningError(LabsError):
    """The named cluster exists, but its processes do not."""

    def __init__(self, name: str) -> None:
        super().__init__(f"cluster '{name}' is stopped: 'labs up {name}' resumes it with its data")


def clusters_directory() -> Path:
    """The directory of all clusters; as the XDG specification has it, a relative setting does not count."""
    state = Path(os.environ.get("XDG_STATE_HOME") or "")
    return (state if state.is_absolute() else Path.home() / ".local/state") / "cks-labs/clusters"


def cluster_directory(name: str) -> Path:
    """The directory of cluster `name`, which may not exist; a bad name is refused."""
    if not _DNS_LABEL.fullmatch(name) or len(name) > LONGEST_NAME:
        raise UsageError(
            f"'{name}' cannot name a cluster: use at most {LONGEST_NAME} lower-case letters, digits and '-', "
            "with a letter or digit at both ends"
        )
    return clusters_directory() / name


def student_socket(name: str) -> Path:
    """The socket that runs commands on the nodes of the running cluster `name`."""
    directory = cluster_directory(name)
    if not directory.is_dir():
        raise NoSuchClusterError(name)
    socket = directory / "student.sock"
    if not socket.exists():
        raise NotRunningError(name)
    return socket
