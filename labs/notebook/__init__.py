"""The IPython extension of the course: `%load_ext labs.notebook`.

It attaches the kernel to a cluster (booting it where need be) and gives the notebook `%%node` and the
functions of `labs.notebook.functions`. It has no more rights than the student: all it holds is the student's
socket.
"""

from __future__ import annotations

from typing import Any


def load_ipython_extension(shell: Any) -> None:
    """Called by `%load_ext labs.notebook`."""
    from labs.notebook.extension import load  # `python -m labs.notebook` needs none of it

    load(shell)
