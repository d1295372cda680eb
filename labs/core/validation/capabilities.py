"""What a process lets pods do at all: one setting for all it validates, as upstream's `pkg/capabilities`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Capabilities:
    """As the kubelet has them; an API server's flags may say otherwise before it validates anything."""

    #: Whether containers may be privileged.
    privileged: bool = True


ALLOWED = Capabilities()
