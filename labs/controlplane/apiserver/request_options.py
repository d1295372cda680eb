"""Query parameters that a request must not have so; mirrors `metav1/validation` and its internal kin."""

from __future__ import annotations

import re

from labs.controlplane.http import Request
from labs.core.field import FieldError, forbidden, invalid, not_supported

from . import status

_MATCH, _VERSION = "resourceVersionMatch", "resourceVersion"
_KINDS = {
    "create": "CreateOptions",
    "update": "UpdateOptions",
    "patch": "PatchOptions",
    "delete": "DeleteOptions",
}
VALIDATIONS = ("", "Ignore", "Strict", "Warn")
FIELD_MANAGER_LIMIT = 128


def integer(text: str) -> int:
    """A number of a query (`strconv.ParseInt`); nothing is 0. Raises a Status for what is none."""
    return _number(text, "ParseInt", r"[+-]?[0-9]+", -(1 << 63), (1 << 63) - 1) if text else 0


def version(text: str) -> int:
    """A resourceVersion of a query; nothing is 0. Raises a Status for what is none."""
    return _number(text, "ParseUint", r"[0-9]+", 0, (1 << 64) - 1) if text else 0


def _number(text: str, function: str, pattern: str, least: int, most: int) -> int:
    # more digits than these are out of range, and Python does not read any number of them
    value = int(text[:40]) if re.fullmatch(pattern, text) else None
    if value is None or not least <= value <= most:
        why = "invalid syntax" if value is None else "value out of range"
        raise status.bad_request(f'strconv.{function}: parsing "{text}": {why}')
    return value


def check_list(request: Request, *, watch: bool) -> None:
    """The options of a list or watch. Raises a Status for those that make no sense together."""
    given = request.argument(_VERSION)
    try:
        version(given)
    except status.APIError as error:
        about = "" if watch else "invalid resource version: "
        raise status.bad_request(f'{about}resourceVersion: Invalid value: "{given}": {error}') from error
    integer(request.argument("timeoutSeconds"))
    errors = _watch_faults(request) if watch else _list_faults(request, given)
    if errors:
        raise status.invalid_object("meta.k8s.io", "ListOptions", "", errors)
    if request.argument("continue") and given not in ("", "0"):
        raise status.bad_request("specifying resource version is not allowed when using continue")


def _list_faults(request: Request, given: str) -> list[FieldError]:
    match = request.argument(_MATCH)
    errors = []
    if match:
        if not given:
            detail = f"{_MATCH} is forbidden unless resourceVersion is provided"
            errors.append(forbidden(_MATCH, detail))
        if request.argument("continue"):
            errors.append(forbidden(_MATCH, f"{_MATCH} is forbidden when continue is provided"))
        if match not in ("Exact", "NotOlderThan"):
            errors.append(not_supported(_MATCH, match, ("Exact", "NotOlderThan", "")))
        if match == "Exact" and given == "0":
            detail = f'{_MATCH} "exact" is forbidden for resourceVersion "0"'
            errors.append(forbidden(_MATCH, detail))
    if "sendInitialEvents" in request.query:
        errors.append(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return errors


def _watch_faults(request: Request) -> list[FieldError]:
    match, errors = request.argument(_MATCH), []
    if "sendInitialEvents" in request.query:
        if match != "NotOlderThan":
            detail = f"sendInitialEvents requires setting {_MATCH} to NotOlderThan"
            errors.append(forbidden(_MATCH, detail))
    elif match:
        detail = f"{_MATCH} is forbidden for watch unless sendInitialEvents is provided"
        errors.append(forbidden(_MATCH, detail))
    return errors


def check_write(request: Request, verb: str) -> None:
    """`dryRun`, `fieldValidation`, `fieldManager`. Raises a Status for values they cannot have."""
    errors = []
    dry_run = request.query.get("dryRun", [])
    if dry_run and dry_run != ["All"]:
        errors.append(not_supported("dryRun", dry_run, ("All",)))
    validation = request.argument("fieldValidation")
    if validation not in VALIDATIONS:
        errors.append(not_supported("fieldValidation", validation, VALIDATIONS))
    errors += _manager_faults(request.argument("fieldManager"))
    if errors:
        raise status.invalid_object("meta.k8s.io", _KINDS[verb], "", errors)


def _manager_faults(name: str) -> list[FieldError]:
    """`ValidateFieldManager`."""
    if len(name.encode()) > FIELD_MANAGER_LIMIT:
        detail = f"Too long: may not be more than {FIELD_MANAGER_LIMIT} bytes"
        return [FieldError("FieldValueTooLong", "fieldManager", detail)]
    for position, letter in enumerate(name):
        if not letter.isprintable():
            detail = f"invalid character U+{ord(letter):04X} (at position {position})"
            return [invalid("fieldManager", name, detail)]
    return []
