"""What a cluster is made of, as its directory says: the choices of whoever asked for it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

EMBEDDED, KIND = "embedded", "kind"
BACKENDS = (EMBEDDED, KIND)
BUNDLED, KUBELET, REAL = "bundled", "kubelet", "real"
ENGINES = (BUNDLED, KUBELET)
CONTROL_PLANES = (BUNDLED, REAL)

#: The static pods that make a node a control plane, by the names of their manifests.
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")

FILE = "cluster.json"


@dataclass(frozen=True)
class Spec:
    """What the nodes of a cluster are, and what runs on them."""

    backend: str = EMBEDDED
    engine: str = BUNDLED
    """Which kubelet: ours (`bundled`), or the node's own (`kubelet`)."""
    control_plane: str = BUNDLED
    """Whose API server and friends: ours, or the `real` ones."""
    attached: bool = False
    """The kind CLI made it, and `labs down` leaves it to the kind CLI."""
    workers: int = 0
    """How many nodes it has beside the control plane."""

    @classmethod
    def load(cls, directory: Path) -> Self:
        """The spec in a cluster's directory; one whose making was cut short has the defaults."""
        file = directory / FILE
        stored = json.loads(file.read_text()) if file.exists() else {}
        default = cls()
        return cls(
            stored.get("backend", default.backend),
            stored.get("engine", default.engine),
            stored.get("control_plane", default.control_plane),
            stored.get("attached", default.attached),
            stored.get("workers", default.workers),
        )

    @property
    def components(self) -> tuple[str, ...]:
        """The static pods of its control plane."""
        return COMPONENTS
