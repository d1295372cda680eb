"""Log lines in klog's text form, on stderr: what `journalctl -u kubelet` shows on a real node.

    I1123 17:55:13.118413  132932 kubelet.go:3514] "Creating a mirror pod for static pod" pod="default/web-n"

Students grep for these lines in the exam, so each call names the upstream file and line it speaks for,
and the message is upstream's. Format: `k8s.io/klog/v2/internal/serialize`.
"""

import json
import os
import sys
from collections.abc import Mapping
from datetime import datetime

from labs.golang.quoting import quote

#: Lines above this verbosity (`-v`) are not written.
verbosity = 0


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    text = str(value)
    if "\n" in text:
        body = "\n".join("\t" + line for line in text.removesuffix("\n").split("\n"))
        return f"<\n{body}\n >"
    return quote(text)


def format_line(
    severity: str, at: datetime, pid: int, where: str, message: str, fields: Mapping[str, object]
) -> str:
    """One klog line, without its newline."""
    head = f"{severity}{at:%m%d %H:%M:%S.%f} {pid:>7} {where}] {quote(message)}"
    return head + "".join(f" {key}={_value(value)}" for key, value in fields.items())


def _write(severity: str, where: str, message: str, fields: Mapping[str, object]) -> None:
    line = format_line(severity, datetime.now().astimezone(), os.getpid(), where, message, fields)
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def info(where: str, message: str, /, *, v: int = 0, **fields: object) -> None:
    """klog.InfoS: `where` is upstream's file:line, `v` the verbosity from which on it is written."""
    if v <= verbosity:
        _write("I", where, message, fields)


def error(where: str, message: str, err: object = None, /, **fields: object) -> None:
    """klog.ErrorS: `err` is shown first, as upstream does, and left out when there is none."""
    _write("E", where, message, ({"err": err} if err is not None else {}) | fields)


def plain(severity: str, where: str, text: str) -> None:
    """klog.Infof and its like: the text as it is."""
    at = datetime.now().astimezone()
    sys.stderr.write(f"{severity}{at:%m%d %H:%M:%S.%f} {os.getpid():>7} {where}] {text}\n")
    sys.stderr.flush()
