"""The controllers of this process, in the order in which they are started."""

from __future__ import annotations

from .context import Descriptor

CONTROLLERS: tuple[Descriptor, ...] = ()
