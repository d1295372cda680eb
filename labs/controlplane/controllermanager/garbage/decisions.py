"""What to do with one object, once it is known which of its owners are there (`attemptToDeleteItem`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum

from ..objects import Object
from .graph import FOREGROUND, ORPHAN


class Owner(Enum):
    """How an owner stands to the object."""

    SOLID = "there, and not waiting for its dependents"
    DANGLING = "gone"
    WAITING = "there, and waiting for its dependents to go"


@dataclass(frozen=True)
class Release:
    """Take owner references off the object; it has an owner left."""

    uids: tuple[str, ...]


@dataclass(frozen=True)
class Delete:
    """Delete the object, and its dependents as the policy says."""

    policy: str
    #: Take `blockOwnerDeletion` off first: dependents that wait themselves would wait in a circle.
    unblock: bool = False


def decide(
    obj: Object, owners: Mapping[str, Owner], dependents_deleting: Collection[bool]
) -> Release | Delete | None:
    """What becomes of `obj`; None when nothing.

    `owners` tells of each of its owner references by UID, `dependents_deleting` of each of its dependents
    whether it is itself waiting for dependents.
    """
    gone = [uid for uid, owner in owners.items() if owner is Owner.DANGLING]
    waiting = [uid for uid, owner in owners.items() if owner is Owner.WAITING]
    if not owners:
        return None
    if Owner.SOLID in owners.values():
        return Release((*gone, *waiting)) if gone or waiting else None
    if waiting and dependents_deleting:
        return Delete("Foreground", unblock=any(dependents_deleting))
    finalizers = obj["metadata"].get("finalizers") or []
    if ORPHAN in finalizers:
        return Delete("Orphan")
    return Delete("Foreground" if FOREGROUND in finalizers else "Background")
