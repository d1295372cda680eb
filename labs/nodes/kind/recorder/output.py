"""The recorder's stdout."""

import json
import sys
from datetime import UTC, datetime
from typing import Any


def tell(**message: Any) -> None:
    """Write one line. It waits while the supervisor is busy: no answer may overtake what happened before."""
    sys.stdout.buffer.write(json.dumps(message, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
    sys.stdout.buffer.flush()


def rfc3339(seconds: float) -> str:
    """A moment, given in seconds since 1970, as records have it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
