"""The editor of nodes whose host has no vi, used as a person uses vi."""

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path


def edit(file: Path, *keys: str) -> int:
    """Open `file` in the editor, press `keys` once it is on the screen, and return its status."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "labs.tools.vi", str(file)]
    environment = os.environ | {"TERM": "xterm", "HOME": str(file.parent)}
    editor = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
    )
    os.close(slave)
    screen = ""
    deadline = time.monotonic() + 30
    while "(1,1)" not in screen:
        assert select.select([master], [], [], max(0, deadline - time.monotonic()))[0], screen
        screen += os.read(master, 65536).decode(errors="replace")
    for key in keys:
        os.write(master, key.encode())
    while editor.poll() is None:
        assert time.monotonic() < deadline, screen
        if select.select([master], [], [], 0.1)[0]:
            try:
                screen += os.read(master, 65536).decode(errors="replace")
            except OSError:
                break
    os.close(master)
    return editor.wait(10)


def test_a_file_is_changed_and_written(tmp_path: Path) -> None:
    manifest = tmp_path / "web.yaml"
    manifest.write_text("image: nginx\n")

    assert edit(manifest, "cc", "image: busybox", "\x1b", ":wq\r") == 0
    assert manifest.read_text() == "image: busybox\n"


def test_a_tab_is_two_spaces_because_yaml_has_no_tabs(tmp_path: Path) -> None:
    manifest = tmp_path / "web.yaml"
    manifest.write_text("spec:\n")

    assert edit(manifest, "o", "\tnodeName: a", "\x1b", ":wq\r") == 0
    assert manifest.read_text() == "spec:\n  nodeName: a\n"


def test_changes_can_be_thrown_away(tmp_path: Path) -> None:
    manifest = tmp_path / "web.yaml"
    manifest.write_text("spec:\n")

    assert edit(manifest, "dd", ":q!\r") == 0
    assert manifest.read_text() == "spec:\n"
