"""The three ways to send a change instead of an object: JSON, merge and strategic merge patch."""

from ._json import PatchError, json_patch, merge_patch
from ._strategic import strategic_merge

__all__ = ["PatchError", "json_patch", "merge_patch", "strategic_merge"]
