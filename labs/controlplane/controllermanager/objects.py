"""What controllers ask of any object: who owns it, whom a selector selects, when something was.

Objects are the API's own dictionaries. Mirrors `apimachinery/pkg/apis/meta/v1` (`GetControllerOf`,
`LabelSelectorAsSelector`) and `pkg/controller/controller_utils.go` (`ComputeHash`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]

#: The letters of generated names: no vowels and nothing that looks like another (`util/rand`).
SAFE_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def key_of(obj: Object) -> str:
    """`namespace/name`, or the name alone of what is in no namespace."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace", "")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


def uid_of(obj: Object) -> str:
    """An object's identity for as long as it exists."""
    return str(obj["metadata"]["uid"])


def is_going(obj: Object) -> bool:
    """Whether somebody has asked for the object to be deleted."""
    return "deletionTimestamp" in obj["metadata"]


def annotation(obj: Object, name: str) -> str:
    """An annotation's value, or ""."""
    return str((obj["metadata"].get("annotations") or {}).get(name, ""))


# -- owners
def controller_of(obj: Object) -> Object | None:
    """The one owner reference whose owner manages the object."""
    references: list[Object] = obj["metadata"].get("ownerReferences") or []
    return next((reference for reference in references if reference.get("controller")), None)


def is_controlled_by(obj: Object, owner: Object) -> bool:
    """Whether `owner` manages the object."""
    reference = controller_of(obj)
    return reference is not None and reference["uid"] == uid_of(owner)


def controller_reference(owner: Object, api_version: str, kind: str) -> Object:
    """The reference by which `owner` manages what it creates or adopts."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": owner["metadata"]["name"],
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


# -- selectors
def is_empty_selector(selector: Object | None) -> bool:
    """Whether a selector selects everything."""
    return not (selector or {}).get("matchLabels") and not (selector or {}).get("matchExpressions")


# -- numbers and percentages
def scaled_value(value: int | str | None, total: int, *, round_up: bool) -> int:
    """An IntOrString of `total`: `2`, or `"25%"` rounded (`intstr.GetScaledValueFromIntOrPercent`)."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value
    percent = int(value.removesuffix("%"))
    return -(-percent * total // 100) if round_up else percent * total // 100


# -- times
def parse_time(text: str | None) -> datetime | None:
    """The moment of a `metav1.Time` or `MicroTime`; None when there is none."""
    return datetime.fromisoformat(text) if text else None


def stamp(moment: datetime) -> str:
    """A moment as `metav1.Time`: whole seconds, UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def created(obj: Object) -> tuple[str, str]:
    """Sorts objects by age, oldest first, then by name."""
    metadata = obj["metadata"]
    return metadata.get("creationTimestamp", ""), metadata["name"]


# -- conditions
def find_condition(obj: Object, kind: str) -> Object | None:
    """The condition of that type in an object's status."""
    conditions: Iterable[Object] = (obj.get("status") or {}).get("conditions") or []
    return next((condition for condition in conditions if condition["type"] == kind), None)


# -- hashes
def safe_encode(text: str) -> str:
    """Letters that spell no words (`rand.SafeEncodeString`)."""
    return "".join(SAFE_LETTERS[ord(letter) % len(SAFE_LETTERS)] for letter in text)


def template_hash(template: Object, collisions: int | None = None) -> str:
    """The value of `pod-template-hash`: a pod template in ten letters or less.

    FNV-1a over the template as in `ComputeHash`, though over JSON: upstream hashes a dump of Go structures,
    which no other program reproduces. Nothing but the template's own controller ever compares it.
    """
    data = json.dumps(template, sort_keys=True, separators=(",", ":")).encode()
    if collisions is not None:
        data += collisions.to_bytes(8, "little")
    value = 0x811C9DC5
    for byte in data:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return safe_encode(str(value))
