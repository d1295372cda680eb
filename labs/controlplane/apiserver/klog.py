"""Log lines as Kubernetes components write them (klog's text format) on standard error."""

from __future__ import annotations

import os
import sys
import threading
from datetime import datetime, timezone
from types import FrameType


def info(message: str, **values: object) -> None:
    """What happened."""
    _write("I", message, values)


def warning(message: str, **values: object) -> None:
    """What may become a problem."""
    _write("W", message, values)


def error(message: str, **values: object) -> None:
    """What went wrong; `err=` carries the cause."""
    _write("E", message, values)


def _write(severity: str, message: str, values: dict[str, object]) -> None:
    caller: FrameType = sys._getframe(2)
    name = os.path.basename(caller.f_code.co_filename).removesuffix(".py")  # noqa: PTH119
    stamp = datetime.now(timezone.utc).strftime("%m%d %H:%M:%S.%f")
    if values:
        pairs = " ".join(f"{key}={quote(value)}" for key, value in values.items())
        message = f"{quote(message)} {pairs}"
    line = f"{severity}{stamp} {threading.get_native_id():7d} {name}.go:{caller.f_lineno}] {message}\n"
    sys.stderr.write(line)
    sys.stderr.flush()


def quote(value: object) -> str:
    """A value as Go's %q and klog print it: strings quoted, numbers and booleans bare."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
