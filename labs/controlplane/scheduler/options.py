"""The flags of `kube-scheduler`."""

from __future__ import annotations

from pathlib import Path

from labs.controlplane.flags import FlagSet

FLAGS = FlagSet.of("kube-scheduler", Path(__file__).with_name("usage.txt"))
