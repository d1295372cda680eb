"""How the controller manager ends."""

from __future__ import annotations

from ..plane import Plane
from .manager import Manager, until


def test_told_to_end_it_ends_by_the_signal_as_the_real_one_which_does_not_handle_it(plane: Plane) -> None:
    manager = Manager(plane, "ending")
    manager.start(controllers="serviceaccount-controller")
    until(lambda: manager.says("Serving securely on"))

    assert manager.stop() == 128 + 15
