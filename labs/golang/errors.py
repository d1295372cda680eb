"""Several errors as one (`k8s.io/apimachinery/pkg/util/errors`)."""

from __future__ import annotations

from collections.abc import Iterable


def aggregate(faults: Iterable[str]) -> str:
    """What `NewAggregate` says of one or more: the same one is said once."""
    different = list(dict.fromkeys(faults))
    return different[0] if len(different) == 1 else f"[{', '.join(different)}]"
