"""Paths below something, as subPaths and the files of volumes are."""

from __future__ import annotations

from labs.core.field import Findings


def check_no_backsteps(found: Findings, path: str, target: str) -> None:
    """No part of it goes up (`validatePathNoBacksteps`)."""
    if ".." in target.split("/"):
        found.invalid(path, target, "must not contain '..'")


def check_descending(found: Findings, path: str, target: str) -> None:
    """A relative path that stays below (`validateLocalDescendingPath`)."""
    if target.startswith("/"):
        found.invalid(path, target, "must be a relative path")
    check_no_backsteps(found, path, target)


def check_file(found: Findings, path: str, target: str) -> None:
    """The same of a file that a volume has, whose own names begin with two dots."""
    check_descending(found, path, target)
    if target.startswith("..") and not target.startswith("../"):
        found.invalid(path, target, "must not start with '..'")


def check_mode(found: Findings, path: str, mode: int | None) -> None:
    """Who may read a file."""
    if mode is not None and not 0 <= mode <= 0o777:
        found.invalid(path, mode, "must be a number between 0 and 0777 (octal), both inclusive")
