"""Waiting for a real node to be as it should be."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

POLL_SECONDS = 0.5


def until(
    seen: Callable[[], object], wanted: object, limit: float, hint: Callable[[], object] = lambda: ""
) -> float:
    """Ask until what is seen is what is wanted; the seconds it took. Fails with both, and a hint."""
    started = time.monotonic()
    while (found := seen()) != wanted:
        if time.monotonic() - started > limit:
            pytest.fail(f"after {limit:.0f} s there is {found}, wanted is {wanted}; {hint()}")
        time.sleep(POLL_SECONDS)
    return time.monotonic() - started
