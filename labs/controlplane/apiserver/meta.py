"""What every object carries: names, UIDs, times, and the rules for them."""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from .status import FieldError, invalid, required

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
#: The letters of generated names: no vowels and nothing that looks like another.
_NAME_LETTERS = "bcdfghjklmnpqrstvwxz2456789"

SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
    "must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must "
    "start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
QUALIFIED_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
LABEL_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and "
    "must start "
    "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
    "validation "
    "is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
ANNOTATIONS_LIMIT = 256 * 1024


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


def is_subdomain(name: str) -> bool:
    """Whether a name is one that most objects may have."""
    return len(name) <= 253 and _SUBDOMAIN.fullmatch(name) is not None


def is_label(name: str) -> bool:
    """Whether a name may be a DNS label: a container's, a namespace's, a volume's."""
    return len(name) <= 63 and _LABEL.fullmatch(name) is not None


def validate_name(name: str, field: str = "metadata.name", *, label: bool = False) -> list[FieldError]:
    """An object's name: a DNS subdomain, or for some kinds a DNS label."""
    if label:
        return [] if is_label(name) else [invalid(field, name, LABEL_RULE)]
    if len(name) > 253:
        return [invalid(field, name, "must be no more than 253 bytes")]
    return [] if is_subdomain(name) else [invalid(field, name, SUBDOMAIN_RULE)]


def validate_path_name(name: str, field: str = "metadata.name") -> list[FieldError]:
    """A name that may be all that fits into a path."""
    if name in (".", ".."):
        return [invalid(field, name, f"may not be '{name}'")]
    return [invalid(field, name, f"may not contain '{mark}'") for mark in "/%" if mark in name]


def qualified_name_faults(key: str) -> list[str]:
    """What is wrong with a name that may have a prefix: a label's key, a finalizer (`IsQualifiedName`)."""
    if key.count("/") > 1:
        rule = QUALIFIED_RULE.removeprefix("name part")
        more = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [f"a valid label key{rule}{more}"]
    prefix, slash, name = key.rpartition("/")
    faults = []
    if slash and not prefix:
        faults.append("prefix part must be non-empty")
    elif slash and not is_subdomain(prefix):
        faults.append("prefix part " + SUBDOMAIN_RULE)
    if not name:
        faults.append("name part must be non-empty")
    elif len(name) > 63:
        faults.append("name part must be no more than 63 bytes")
    if not _QUALIFIED.fullmatch(name):
        faults.append(QUALIFIED_RULE)
    return faults


def validate_labels(labels: dict[str, str], field: str) -> list[FieldError]:
    """Label keys and values."""
    errors = []
    for key, value in labels.items():
        errors += [invalid(field, key, fault) for fault in qualified_name_faults(key)]
        errors += validate_label_values([value], field)
    return errors


def validate_label_values(values: Iterable[str], field: str) -> list[FieldError]:
    """Label values."""
    return [invalid(field, value, fault) for value in values for fault in label_value_faults(value)]


def label_value_faults(value: str) -> list[str]:
    """What is wrong with a label's value (`IsValidLabelValue`)."""
    faults = ["must be no more than 63 bytes"] if len(value.encode()) > 63 else []
    return faults if _LABEL_VALUE.fullmatch(value) else [*faults, LABEL_VALUE_RULE]


def validate_metadata(
    metadata: dict[str, Any], *, label_name: bool = False, path_name: bool = False
) -> list[FieldError]:
    """The part of validation that all kinds share."""
    errors: list[FieldError] = []
    name = metadata.get("name", "")
    if not name:
        errors.append(required("metadata.name", "name or generateName is required"))
    elif path_name:
        errors += validate_path_name(name)
    else:
        errors += validate_name(name, label=label_name)
    errors += validate_labels(metadata.get("labels") or {}, "metadata.labels")
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        errors += [
            invalid("metadata.annotations", key, fault) for fault in qualified_name_faults(key.lower())
        ]
    if sum(len(k.encode()) + len(v.encode()) for k, v in annotations.items()) > ANNOTATIONS_LIMIT:
        errors.append(
            FieldError(
                "FieldValueTooLong",
                "metadata.annotations",
                f"Too long: may not be more than {ANNOTATIONS_LIMIT} bytes",
            )
        )
    controllers = 0
    for owner in metadata.get("ownerReferences") or []:
        field = "metadata.ownerReferences"
        for part in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(part):
                what = "version must not be empty" if part == "apiVersion" else "must not be empty"
                errors.append(invalid(f"{field}.{part}", owner.get(part, ""), what))
        controllers += bool(owner.get("controller"))
    if controllers > 1:
        errors.append(
            invalid(
                "metadata.ownerReferences", controllers, "Only one reference can have Controller set to true"
            )
        )
    for index, finalizer in enumerate(metadata.get("finalizers") or []):
        errors += _finalizer_faults(finalizer, f"metadata.finalizers[{index}]")
    return errors


def _finalizer_faults(finalizer: str, field: str) -> list[FieldError]:
    errors = [invalid(field, finalizer, fault) for fault in qualified_name_faults(finalizer)]
    if not errors and "/" not in finalizer and finalizer not in STANDARD_FINALIZERS:
        detail = "name is neither a standard finalizer name nor is it fully qualified"
        errors.append(invalid(field, finalizer, detail))
    return errors


def validate_metadata_update(new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
    """What may never change once an object exists."""
    return [
        invalid(f"metadata.{name}", new.get(name, ""), "field is immutable")
        for name in ("name", "namespace", "uid")
        if new.get(name, "") != old.get(name, "")
    ]
