"""What this machine remembers of a node's container, in the cluster's directory.

Written last: a container that is not noted was never provisioned whole.
"""

import json
from dataclasses import asdict, dataclass
from typing import Self

from labs.nodes.layout import Layout

FILE = "container.json"


@dataclass(frozen=True)
class Note:
    """A provisioned container."""

    id: str
    address: str
    """Its address when manifests and certificates were last written for one."""
    started: float
    """When the container was last started, in seconds since 1970; what ran earlier, has ended."""

    @classmethod
    def load(cls, layout: Layout) -> Self | None:
        """The note in the cluster's directory; None when no container was ever provisioned whole."""
        file = layout.directory / FILE
        return cls(**json.loads(file.read_text())) if file.exists() else None

    def save(self, layout: Layout) -> None:
        """Write it, at once."""
        draft = layout.directory / f"{FILE}.new"
        draft.write_text(json.dumps(asdict(self)) + "\n")
        draft.rename(layout.directory / FILE)
