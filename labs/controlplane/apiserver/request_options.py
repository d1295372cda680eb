"""Query parameters that a request must not have so; mirrors `metav1/validation` and its internal kin."""

from __future__ import annotations

from labs.controlplane.http import Request

from . import status
from .status import FieldError, forbidden_field, not_supported

_MATCH, _VERSION = "resourceVersionMatch", "resourceVersion"
_DRY_RUN_KINDS = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}
VALIDATIONS = ("", "Ignore", "Strict", "Warn")


def check_list(request: Request, *, watch: bool) -> None:
    """The options of a list or watch. Raises a Status for those that make no sense together."""
    version = request.argument(_VERSION)
    if version and not version.isdigit() and not watch:
        raise status.bad_request(
            f'invalid resource version: resourceVersion: Invalid value: "{version}": strconv.ParseUint: '
            f'parsing "{version}": invalid syntax'
        )
    errors = _watch_faults(request) if watch else _list_faults(request, version)
    if errors:
        raise status.invalid_object("meta.k8s.io", "ListOptions", "", errors)
    if request.argument("continue") and version not in ("", "0"):
        raise status.bad_request("specifying resource version is not allowed when using continue")


def _list_faults(request: Request, version: str) -> list[FieldError]:
    match = request.argument(_MATCH)
    errors = []
    if match:
        if not version:
            detail = f"{_MATCH} is forbidden unless resourceVersion is provided"
            errors.append(forbidden_field(_MATCH, detail))
        if request.argument("continue"):
            errors.append(forbidden_field(_MATCH, f"{_MATCH} is forbidden when continue is provided"))
        if match not in ("Exact", "NotOlderThan"):
            errors.append(not_supported(_MATCH, match, ("Exact", "NotOlderThan", "")))
        if match == "Exact" and version == "0":
            detail = f'{_MATCH} "exact" is forbidden for resourceVersion "0"'
            errors.append(forbidden_field(_MATCH, detail))
    if "sendInitialEvents" in request.query:
        errors.append(forbidden_field("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return errors


def _watch_faults(request: Request) -> list[FieldError]:
    match, errors = request.argument(_MATCH), []
    if "sendInitialEvents" in request.query:
        if match != "NotOlderThan":
            detail = f"sendInitialEvents requires setting {_MATCH} to NotOlderThan"
            errors.append(forbidden_field(_MATCH, detail))
    elif match:
        detail = f"{_MATCH} is forbidden for watch unless sendInitialEvents is provided"
        errors.append(forbidden_field(_MATCH, detail))
    return errors


def check_write(request: Request, verb: str) -> None:
    """`dryRun` and `fieldValidation`. Raises a Status for values they cannot have."""
    errors = []
    dry_run = request.query.get("dryRun", [])
    if dry_run and dry_run != ["All"]:
        errors.append(not_supported("dryRun", dry_run, ("All",)))
    validation = request.argument("fieldValidation")
    if validation not in VALIDATIONS:
        errors.append(not_supported("fieldValidation", validation, VALIDATIONS))
    if errors:
        raise status.invalid_object("meta.k8s.io", _DRY_RUN_KINDS[verb], "", errors)
