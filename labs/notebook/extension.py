"""Loading the extension: attach to the cluster, say so, and put the functions into the notebook."""

from __future__ import annotations

import time
from typing import Any

from IPython.display import display

from labs.errors import LabsError
from labs.notebook import pages
from labs.notebook.errors import show_in_one_line
from labs.notebook.functions import Functions
from labs.notebook.session import Session
from labs.notebook.shell import magic


def load(shell: Any) -> None:
    """Attach the kernel to its cluster; a second load does the same afresh."""
    shell.set_custom_exc((LabsError,), show_in_one_line)
    place = display(pages.line("Looking for the cluster …"), display_id=True)
    assert place is not None
    began = time.monotonic()
    session = Session(lambda sentence: place.update(pages.line(f"Booting the cluster: {sentence} …")))
    status = session.attach()
    shell.register_magic_function(magic(session), magic_kind="line_cell", magic_name="node")
    shell.push(Functions(shell, session).names(), interactive=False)
    node, took = status["nodes"][0], time.monotonic() - began
    place.update(pages.line(f"Cluster `{status['name']}` is up, with node `{node}` ({took:.1f} s)."))
