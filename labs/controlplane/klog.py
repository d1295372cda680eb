"""Log lines as Kubernetes components write them (klog's text format) on standard error.

The first argument is the place in Kubernetes' own source that says the line there: people find the
line's meaning by it.
"""

from __future__ import annotations

import json
import sys
import threading
from datetime import UTC, datetime

from labs.golang import quoting


def info(at: str, message: str, /, **values: object) -> None:
    """What happened."""
    _write("I", at, message, values)


def warning(at: str, message: str, /, **values: object) -> None:
    """What may become a problem."""
    _write("W", at, message, values)


def fatal(at: str, message: str) -> None:
    """Why the process ends, with status 255, now."""
    _write("F", at, message, {})


def error(at: str, message: str, /, **values: object) -> None:
    """What went wrong; `err=` carries the cause."""
    _write("E", at, message, values)


def _write(severity: str, at: str, message: str, values: dict[str, object]) -> None:
    stamp = datetime.now(UTC).strftime("%m%d %H:%M:%S.%f")
    if values:
        pairs = " ".join(f"{key}={_shown(value)}" for key, value in values.items())
        message = f"{quote(message)} {pairs}"
    sys.stderr.write(f"{severity}{stamp} {threading.get_native_id():7d} {at}] {message}\n")
    sys.stderr.flush()


def _shown(value: object) -> str:
    """A value after its key: text of several lines stands on lines of its own."""
    if isinstance(value, bool | int | float) or "\n" not in str(value):
        return quote(value)
    indented = str(value).replace("\n", "\n\t")
    return f"<\n\t{indented}\n >"


def quote(value: object) -> str:
    """A value as Go's %q and klog print it: strings quoted, numbers and booleans bare."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple):
        return json.dumps(value, separators=(",", ":"))
    return quoting.quote(str(value))
