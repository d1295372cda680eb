"""`systemctl` on a node: asks the node's process 1 over its private socket, and words it as systemd does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from labs.tools import journal
from labs.tools.options import BadOption, parse, spellings
from labs.tools.unit import WANTS, Unit, describe, enabled, properties

SOCKET = "/run/systemd/private"

#: Exit statuses of the LSB: what `systemctl status` and `is-active` say to scripts.
_NOT_RUNNING, _UNKNOWN = 3, 4


_OPTIONS = spellings(
    flags="""
        -l --full, -a --all, -q --quiet, -f --force, -r --recursive, --no-pager, --no-legend, --now, --value,
        --system, --plain, --no-block, --no-reload, -h --help, --version
    """,
    values="-n --lines, -o --output, -p --property, -t --type, -s --signal, --state, --kill-who",
)

_OUTDATED = """\
# Warning: {name} changed on disk, the version systemd has loaded is outdated.
# This output shows the current version of the unit's original fragment and drop-in files.
# If fragments or drop-ins were added or removed, they are not properly reflected in this output.
# Run 'systemctl daemon-reload' to reload units."""

_HELP = """\
systemctl [OPTIONS...] COMMAND ...

Query or send control commands to the system manager.

  list-units                  List units currently in memory
  is-active|is-failed|is-enabled UNIT...
  status [UNIT...]            Show runtime status of one or more units
  show UNIT...                Show properties of one or more units
  cat UNIT...                 Show files and drop-ins of specified units
  start|stop|restart UNIT...  Start, stop, or start and restart units
  kill UNIT...                Send signal to processes of a unit
  reset-failed [UNIT...]      Reset failed state
  enable|disable [--now] UNIT...
  daemon-reload               Reload systemd manager configuration
"""


class Refused(Exception):
    """What was asked cannot be done; the message is the answer, with an exit status."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def ask(verb: str, unit: str = "") -> dict[str, Any]:
    """One request to process 1 and its answer, for which stops and starts are waited for."""
    try:
        with socket.socket(socket.AF_UNIX) as manager:
            manager.connect(SOCKET)
            manager.sendall(json.dumps({"verb": verb, "unit": unit}).encode() + b"\n")
            with manager.makefile("rb") as stream:
                line = stream.readline()
    except OSError as failure:
        raise Refused(f"Failed to connect to bus: {failure.strerror}") from None
    if not line:
        raise Refused("Failed to connect to bus: Connection reset by peer")
    answer: dict[str, Any] = json.loads(line)
    return answer


def ask_unit(verb: str, name: str) -> Unit:
    answer = ask(verb, name)
    if "error" in answer:
        raise Refused(answer["error"], answer.get("code", 1))
    unit: Unit = answer["unit"]
    return unit


class Call:
    """One command line."""

    def __init__(self, arguments: list[str]) -> None:
        try:
            options, words = parse(arguments, _OPTIONS)
        except BadOption as bad:
            raise Refused(f"systemctl: {bad}") from None
        self.options = dict(options)
        self.verb = words[0] if words else "list-units"
        self.names = [journal.unit_name(word) for word in words[1:]]
        self.color = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"

    def run(self) -> int:
        method = getattr(self, "do_" + self.verb.replace("-", "_"), None)
        if method is None:
            raise Refused(f"Unknown command verb {self.verb}.")
        if not self.names and self.verb not in (
            "list-units",
            "status",
            "daemon-reload",
            "reset-failed",
            "list-unit-files",
        ):
            raise Refused("Too few arguments.")
        return int(method())

    # -- what changes something ---------------------------------------------------------------------------

    def _change(self, verb: str) -> int:
        status = 0
        for name in self.names:
            try:
                unit = ask_unit(verb, name)
            except Refused as refusal:
                print(refusal, file=sys.stderr)
                status = refusal.status
            else:
                warn_when_stale(unit)
        return status

    def do_start(self) -> int:
        return self._change("start")

    def do_stop(self) -> int:
        return self._change("stop")

    def do_restart(self) -> int:
        return self._change("restart")

    do_reload_or_restart = do_restart

    def do_try_restart(self) -> int:
        return self._change("try-restart")

    def do_reset_failed(self) -> int:
        self.names = self.names or _installed()
        return self._change("reset-failed")

    def do_reload(self) -> int:
        name = self.names[0]
        ask_unit("status", name)
        raise Refused(f"Failed to reload {name}: Job type reload is not applicable for unit {name}.")

    def do_daemon_reload(self) -> int:
        ask("daemon-reload")
        return 0

    do_daemon_reexec = do_daemon_reload

    def do_kill(self) -> int:
        wanted = self.options.get("signal") or "TERM"
        number = (
            int(wanted)
            if wanted.isdigit()
            else getattr(signal, "SIG" + wanted.upper().removeprefix("SIG"), None)
        )
        if number is None:
            raise Refused(f"Failed to parse signal string {wanted}.")
        for name in self.names:
            pid = ask_unit("status", name)["pid"]
            if not pid:
                raise Refused(f"Failed to kill unit {name}: Unit {name} is not loaded.")
            os.kill(pid, number)
        return 0

    def do_enable(self) -> int:
        for name in self.names:
            unit = self._file_of("enable", name)
            link = WANTS / name
            WANTS.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(unit["path"])
                print(f"Created symlink {link} → {unit['path']}.", file=sys.stderr)
        return self._change("start") if "now" in self.options else 0

    def do_disable(self) -> int:
        for name in self.names:
            self._file_of("disable", name)
            link = WANTS / name
            if link.is_symlink():
                link.unlink()
                print(f'Removed "{link}".', file=sys.stderr)
        return self._change("stop") if "now" in self.options else 0

    def _file_of(self, verb: str, name: str) -> Unit:
        try:
            return ask_unit("status", name)
        except Refused as refusal:
            if refusal.status != _UNKNOWN:
                raise
            raise Refused(f"Failed to {verb} unit: Unit file {name} does not exist.") from None

    # -- what only looks ----------------------------------------------------------------------------------

    def do_status(self) -> int:
        status, first = 0, True
        for name in self.names or _installed():
            try:
                unit = ask_unit("status", name)
            except Refused as refusal:
                print(refusal, file=sys.stderr)
                status = refusal.status
                continue
            if not first:
                print()
            first = False
            warn_when_stale(unit)
            print("\n".join(describe(unit, color=self.color)))
            self._show_journal(name)
            if (
                unit["active"] not in ("active", "activating", "deactivating")
                or unit["active"] == "activating"
            ):
                status = _NOT_RUNNING
        return status

    def _show_journal(self, name: str) -> None:
        text = self.options.get("lines") or str(journal.LINES)
        if not text.isdigit():
            raise Refused(f"Failed to parse lines '{text}'.")
        form = journal.FORMATS.get(self.options.get("output") or "short")
        if form is None:
            raise Refused(f"Unknown output '{self.options['output']}'.")
        chosen = [entry for entry in journal.entries() if journal.of_unit(entry, name)]
        chosen = chosen[-int(text) :] if int(text) else []
        width = shutil.get_terminal_size().columns if self.color and "full" not in self.options else 0
        if chosen:
            print()
        for entry in chosen:
            line = form(entry)
            print(line if not width or len(line) <= width else line[: width - 1] + "…")

    def do_is_active(self) -> int:
        states = [self._state(name) for name in self.names]
        self._say(states)
        return 0 if "active" in states else _NOT_RUNNING

    def do_is_failed(self) -> int:
        states = [self._state(name) for name in self.names]
        self._say(states)
        return 0 if "failed" in states else 1

    def do_is_enabled(self) -> int:
        states = []
        for name in self.names:
            try:
                ask_unit("status", name)
            except Refused as refusal:
                if refusal.status != _UNKNOWN:
                    raise
                raise Refused(
                    f"Failed to get unit file state for {name}: No such file or directory"
                ) from None
            states.append(enabled(name))
        self._say(states)
        return 0 if "enabled" in states else 1

    def _state(self, name: str) -> str:
        try:
            return str(ask_unit("status", name)["active"])
        except Refused as refusal:
            if refusal.status == _UNKNOWN:
                return "inactive"
            raise

    def _say(self, states: list[str]) -> None:
        if "quiet" not in self.options:
            print("\n".join(states))

    def do_cat(self) -> int:
        first = True
        for name in self.names:
            try:
                unit = ask_unit("status", name)
            except Refused as refusal:
                if refusal.status != _UNKNOWN:
                    raise
                raise Refused(f"No files found for {name}.") from None
            if unit["stale"]:
                print(_OUTDATED.format(name=name))
            for path in [unit["path"], *unit["dropins"]]:
                try:
                    text = Path(path).read_text(encoding="utf-8", errors="replace")
                except OSError as failure:
                    print(f"Failed to cat {path}: {failure.strerror}", file=sys.stderr)
                    continue
                print(("" if first else "\n") + f"# {path}\n{text}", end="" if text.endswith("\n") else "\n")
                first = False
        return 0

    def do_show(self) -> int:
        wanted = self.options.get("property")
        for name in self.names:
            answer = ask("status", name)
            values = properties(answer.get("unit"), name)
            for key in wanted.split(",") if wanted else values:
                if key in values:
                    print(values[key] if "value" in self.options else f"{key}={values[key]}")
        return 0

    def do_list_units(self) -> int:
        units = [ask_unit("status", name) for name in _installed()]
        shown = [unit for unit in units if "all" in self.options or unit["active"] != "inactive"]
        widths = [max([len(head), *(len(unit[key]) for unit in shown)]) for head, key in _COLUMNS]
        legend = "no-legend" not in self.options

        def row(cells: list[str]) -> str:
            return "  ".join(
                ["", *(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))]
            ).rstrip()

        if legend:
            print(row([head for head, _ in _COLUMNS]))
        for unit in shown:
            line = row([unit[key] for _, key in _COLUMNS])
            print("●" + line[1:] if unit["active"] == "failed" else line)
        if legend:
            print(f"\n{len(shown)} loaded units listed.")
        return 0

    def do_list_unit_files(self) -> int:
        names = _installed()
        width = max(map(len, ["UNIT FILE", *names]))
        print(f"{'UNIT FILE'.ljust(width)} STATE    PRESET")
        for name in names:
            print(f"{name.ljust(width)} {enabled(name):8} enabled")
        print(f"\n{len(names)} unit files listed.")
        return 0


_COLUMNS = (
    ("UNIT", "name"),
    ("LOAD", "load"),
    ("ACTIVE", "active"),
    ("SUB", "sub"),
    ("DESCRIPTION", "description"),
)


def _installed() -> list[str]:
    return list(ask("list")["units"])


def warn_when_stale(unit: Unit) -> None:
    """What was edited counts only after a daemon-reload."""
    if unit["stale"]:
        print(
            "Warning: The unit file, source configuration file or drop-ins of "
            f"{unit['name']} changed on disk. Run 'systemctl daemon-reload' to reload units.",
            file=sys.stderr,
        )


def main() -> int:
    """The program. Returns its exit status."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        call = Call(sys.argv[1:])
        if "help" in call.options or "version" in call.options:
            sys.stdout.write(_HELP if "help" in call.options else "systemd 252 (252.39-1~deb12u2)\n")
            return 0
        return call.run()
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return refusal.status
    except OSError as failure:
        print(f"systemctl: {failure.filename or ''}: {failure.strerror}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
