"""The `Warning` header: what a client is told besides its answer.

Mirrors `k8s.io/apiserver/pkg/endpoints/filters/warning.go`.
"""

from __future__ import annotations

from collections.abc import Iterable

from labs.controlplane import klog

#: Of all warnings together, and of each once they are more than that; in characters.
TOTAL_LIMIT, EACH_LIMIT = 4096, 256


def header(texts: Iterable[str]) -> str:
    """The header's value, "" where nothing can be said: no warning has a control character."""
    told = [text for text in dict.fromkeys(texts) if text.isprintable()]
    if sum(map(len, told)) > TOTAL_LIMIT:
        told = [text[:EACH_LIMIT] for text in told][: TOTAL_LIMIT // EACH_LIMIT]
    return ", ".join(f"299 - {klog.quote(text)}" for text in told)
