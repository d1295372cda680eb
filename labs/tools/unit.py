"""A unit in words: the head of `systemctl status` and the properties of `systemctl show`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from labs.tools import timestamps

#: A unit as the node's process 1 describes it.
Unit = dict[str, Any]

#: Links here start units at boot.
WANTS = Path("/etc/systemd/system/multi-user.target.wants")

_DOTS = {"failed": "×", "inactive": "○"}
_COLORS = {"active": "\033[0;1;32m", "failed": "\033[0;1;31m"}


def enabled(name: str) -> str:
    return "enabled" if (WANTS / name).is_symlink() else "disabled"


def describe(unit: Unit, *, color: bool = False) -> list[str]:
    """The head of `systemctl status`: everything but the journal."""
    paint, plain = (_COLORS.get(unit["active"], ""), "\033[0m") if color else ("", "")
    plain = plain if paint else ""
    name, ending = unit["name"], unit["ending"]
    lines = [f"{paint}{_DOTS.get(unit['active'], '●')}{plain} {name} - {unit['description']}"]

    def field(title: str, text: str) -> None:
        lines.append(f"{title:>11}: {text}")

    if unit["load"] == "masked":
        field("Loaded", f"masked (Reason: Unit {name} is masked.)")
    elif unit["load"] == "bad-setting":
        field("Loaded", f"bad-setting (Reason: Unit {name} has a bad unit file setting.)")
    else:
        field("Loaded", f"{unit['load']} ({unit['path']}; {enabled(name)}; preset: enabled)")
    if unit["dropins"]:
        field("Drop-In", str(Path(unit["dropins"][0]).parent))
        lines.append(" " * 13 + "└─" + ", ".join(Path(path).name for path in unit["dropins"]))
    field("Active", _activity(unit, paint, plain))
    documents = " ".join(unit["documentation"]).split()
    if documents:
        field("Docs", documents[0])
        lines += [" " * 13 + document for document in documents[1:]]
    if not unit["pid"] and ending is not None:
        if unit["last_pid"]:
            field("Process", f"{unit['last_pid']} ExecStart={unit['exec']} ({ending['text']})")
            field("Main PID", f"{unit['last_pid']} ({ending['text']})")
    elif unit["pid"]:
        field("Main PID", f"{unit['pid']} ({Path(unit['command'][0]).name})")
        if "tasks" in unit:
            field("Tasks", f"{unit['tasks']} (limit: {_tasks_max()})")
            field("Memory", _size(unit["memory"]))
            field("CPU", timestamps.duration(unit["cpu"]))
        field("CGroup", f"/system.slice/{name}")
        lines.append(" " * 13 + f"└─{unit['pid']} {' '.join(unit['command'])}")
    return lines


def _activity(unit: Unit, paint: str, plain: str) -> str:
    result = "" if unit["result"] == "success" else f" (Result: {unit['result']})"
    text = f"{paint}{unit['active']} ({unit['sub']}){plain}"
    if unit["active"] == "failed":
        text = f"{paint}failed{plain}"
    if not unit["since"]:
        return text + result
    since = unit["since"] / 1e9
    return f"{text}{result} since {timestamps.full(since)}; {timestamps.ago(max(0.0, time.time() - since))}"


def _tasks_max() -> int:
    """systemd's DefaultTasksMax: 15 % of what the kernel allows."""
    kernel = Path("/proc/sys/kernel")
    return min(int((kernel / name).read_text()) for name in ("pid_max", "threads-max")) * 15 // 100


def _size(count: int) -> str:
    size = float(count)
    for unit in "BKMG":
        if size < 1024 or unit == "G":
            return f"{count}B" if unit == "B" else f"{size:.1f}{unit}"
        size /= 1024
    raise AssertionError("unreachable")


def properties(unit: Unit | None, name: str) -> dict[str, str]:
    """What `systemctl show` knows of a unit, which need not exist."""
    if unit is None:
        return {
            "Id": name,
            "Names": name,
            "LoadState": "not-found",
            "ActiveState": "inactive",
            "SubState": "dead",
        }
    ending = unit["ending"] or {"code": "", "status": 0}
    since = timestamps.full(unit["since"] / 1e9) if unit["since"] else ""
    return {
        "Restart": unit["restart"],
        "NRestarts": str(unit["restarts"]),
        "MainPID": str(unit["pid"]),
        "ExecMainCode": {"exited": "1", "killed": "2"}.get(ending["code"], "0"),
        "ExecMainStatus": str(ending["status"]),
        "Result": unit["result"],
        "Id": name,
        "Names": name,
        "Description": unit["description"],
        "LoadState": unit["load"],
        "ActiveState": unit["active"],
        "SubState": unit["sub"],
        "StateChangeTimestamp": since,
        "ActiveEnterTimestamp": since if unit["active"] == "active" else "",
        "FragmentPath": unit["path"],
        "DropInPaths": " ".join(unit["dropins"]),
        "UnitFileState": enabled(name),
        "NeedDaemonReload": "yes" if unit["stale"] else "no",
    }
