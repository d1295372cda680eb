"""The port of the host that leads to a cluster's API server (`labs.nodes.forwarder`)."""

import errno
import socket
from pathlib import Path


def listen(kept: Path) -> socket.socket:
    """Listen on the port noted in the file `kept`; on another one, noted there, when it is taken or unknown.

    A kubeconfig that someone copied thus stays valid when a cluster is resumed.
    """
    number = int(kept.read_text()) if kept.exists() else 0
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", number))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            listener.bind(("127.0.0.1", 0))
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what it accepts inherits that
        listener.listen(64)
        listener.setblocking(False)
        kept.write_text(f"{listener.getsockname()[1]}\n")
    except BaseException:
        listener.close()
        raise
    return listener
