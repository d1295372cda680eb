"""What every object carries: UIDs, times, generated names; and what of it never changes."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime
from typing import Any

from labs.core.field import FieldError, invalid

#: The letters of generated names: no vowels and nothing that looks like another.
_NAME_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def now() -> str:
    """The time as `metav1.Time` is written: whole seconds, UTC."""
    return stamp(datetime.now(UTC))


def stamp(moment: datetime) -> str:
    """A moment as `metav1.Time`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def micro(moment: datetime) -> str:
    """A moment as `metav1.MicroTime`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime | None:
    """The moment a timestamp names; None when it is not one."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def new_uid() -> str:
    """An object's identity for as long as it exists."""
    return str(uuid.uuid4())


def generated_name(base: str) -> str:
    """`generateName` with five letters more, cut so that the whole stays a name."""
    return base[:58] + "".join(secrets.choice(_NAME_LETTERS) for _ in range(5))


def validate_metadata_update(new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
    """What may never change once an object exists."""
    return [
        invalid(f"metadata.{name}", new.get(name, ""), "field is immutable")
        for name in ("name", "namespace", "uid")
        if new.get(name, "") != old.get(name, "")
    ]
