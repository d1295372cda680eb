"""Times as the API has them."""

from __future__ import annotations

from datetime import UTC, datetime


def time_of(moment: datetime) -> str:
    """A `Time`: whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_time_of(moment: datetime) -> str:
    """A `MicroTime`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def now() -> str:
    """The `Time` it is."""
    return time_of(datetime.now(UTC))


def micro_now() -> str:
    """The `MicroTime` it is."""
    return micro_time_of(datetime.now(UTC))


def parse(text: str) -> datetime:
    """The moment of a `Time` or `MicroTime`."""
    return datetime.fromisoformat(text)
