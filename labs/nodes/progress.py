"""How a starting supervisor tells whoever waits for the cluster how far it is."""

import json
import os
from typing import Any


class Progress:
    """Tells whoever waits for the cluster how far it is."""

    def __init__(self, descriptor: int | None) -> None:
        self.descriptor = descriptor

    def tell(self, **report: Any) -> None:
        """Write one line. `BrokenPipeError` when nobody waits any more."""
        if self.descriptor is not None:
            os.write(self.descriptor, json.dumps(report).encode() + b"\n")

    def end(self) -> None:
        """There is nothing more to tell."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None
