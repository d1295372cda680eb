"""What this machine remembers of each node's container, in the cluster's directory.

Written last: a container that is not noted was never provisioned whole.
"""

import json
from dataclasses import asdict, dataclass
from typing import Self

from labs.nodes.layout import Layout


@dataclass(frozen=True)
class Note:
    """A provisioned container."""

    id: str
    address: str
    """Its address when manifests and certificates were last written for one."""
    started: float
    """When the container was last started, in seconds since 1970; what ran earlier, has ended."""

    @classmethod
    def load(cls, layout: Layout, node: str) -> Self | None:
        """What is noted of `node`; None when its container was never provisioned whole."""
        file = layout.container(node)
        return cls(**json.loads(file.read_text())) if file.exists() else None

    def save(self, layout: Layout, node: str) -> None:
        """Write it, at once."""
        file = layout.container(node)
        draft = file.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self)) + "\n")
        draft.rename(file)
