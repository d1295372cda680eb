"""Managed fields and server-side apply."""

from ._manager import APPLY, UPDATE, Manager, applied, updated
from ._typed import TypedError, check

__all__ = ["APPLY", "UPDATE", "Manager", "TypedError", "applied", "check", "updated"]
