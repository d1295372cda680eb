"""Running the installed `labs` command as a person does."""

import os
import subprocess
import sys
from pathlib import Path

LABS = str(Path(sys.executable).with_name("labs"))


def labs(
    *arguments: str, input: str | None = None, state: Path | None = None, timeout: float = 240
) -> subprocess.CompletedProcess[str]:
    """Run `labs ARGUMENTS`, below the state directory `state` unless that is the test process' own."""
    environment = os.environ | ({"XDG_STATE_HOME": str(state)} if state else {})
    return subprocess.run(
        [LABS, *arguments],
        check=False,
        input=input,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def processes_naming(text: str) -> list[str]:
    """The command lines of live processes that name `text`; zombies have none."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if text in command:
            found.append(command)
    return found
