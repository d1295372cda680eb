"""The scheduler's rules: filters say whether a pod may go to a node, scores which node suits it best."""

from __future__ import annotations

from .filters import FILTERS
from .framework import Filter, Rejection, Score
from .scores import SCORES

__all__ = ["FILTERS", "SCORES", "Filter", "Rejection", "Score"]
