"""How deeply a YAML text is nested, found before libyaml's composer overflows the C stack on it."""

from __future__ import annotations

from typing import Any

import yaml

#: goyaml follows 10,000 levels and says `EXCEEDED` of more; Python's stack takes some hundred, objects 20.
MAX_DEPTH = 500
EXCEEDED = "exceeded max depth of 10000"


def too_deep(data: bytes, loader: Any = yaml.SafeLoader) -> bool:
    """Whether the first document has more levels than `MAX_DEPTH`. Raises what `yaml.parse` raises."""
    widest = max(map(len, data.splitlines()), default=0)
    if widest <= MAX_DEPTH and data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return False  # a block's depth shows in its indentation
    depth = 0
    for event in yaml.parse(data, Loader=loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            return True
        if isinstance(event, yaml.DocumentEndEvent):
            break
    return False
