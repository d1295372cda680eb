"""A real JupyterLab on a copy of the course, and a real browser in front of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import nbformat
from playwright.sync_api import Browser, Locator, Page, Playwright, expect

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

#: A kernel that starts, boots a cluster or waits for one may take this long, in milliseconds.
PATIENCE = 60_000


def executable() -> str | None:
    """The browser that this machine has, if any."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def launch(playwright: Playwright, path: str) -> Browser:
    """Start it, without what phones home and without a sandbox where root could not have one."""
    arguments = ["--disable-quic", "--disable-background-networking", "--disable-dev-shm-usage"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    return playwright.chromium.launch(executable_path=path, args=arguments)


@contextmanager
def server(root: Path, environment: Mapping[str, str], *, theme: str = "JupyterLab Light") -> Iterator[str]:
    """JupyterLab with `root` as its files; yields its address, with the token."""
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--port=0", f"--ServerApp.root_dir={root}"]
    if os.geteuid() == 0:
        command.append("--allow-root")
    home = root.parent / "jupyter"
    _settle(home, theme)
    variables = {
        "JUPYTERLAB_SETTINGS_DIR": home / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
    }
    own = {name: str(path) for name, path in variables.items()}
    log = (home / "log").open("w+")
    process = subprocess.Popen(
        command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **own, **environment}
    )
    try:
        yield _address(process, Path(log.name))
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def _settle(home: Path, theme: str) -> None:
    """Settings of its own for the server, so that nobody's are used and no question about news pops up."""
    for plugin, setting in {
        "notebook-extension/tracker": {"windowingMode": "none"},
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "apputils-extension/themes": {"theme": theme},
    }.items():
        path = home / "settings" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(setting))


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Read the server's log until it names its address."""
    with log.open() as lines:
        while process.poll() is None:
            found = re.search(r"http://(?:127\.0\.0\.1|localhost):\d+/lab\?token=\w+", lines.readline())
            if found:
                return found[0]
    raise AssertionError(f"JupyterLab ended at once:\n{log.read_text()}")


class Notebook:
    """A notebook that is open in JupyterLab, used as a student would: by clicking and typing."""

    def __init__(self, page: Page, address: str, path: Path) -> None:
        self.page = page
        self._ids = [cell.id for cell in nbformat.read(path, as_version=4).cells]
        page.set_default_timeout(PATIENCE)
        base, token = address.split("?")
        page.goto(f"{base}/tree/{path.name}?{token}&reset")
        expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(len(self._ids), timeout=PATIENCE)
        expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=PATIENCE)

    def cell(self, id: str) -> Locator:
        """The cell of that name."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(self._ids.index(id))

    def run(self, id: str) -> Locator:
        """Run a cell by the keyboard and wait until it has ended; returns what it shows."""
        cell = self._into(id)
        prompt = cell.locator(".jp-InputPrompt")
        before = prompt.inner_text()
        self.page.keyboard.press("Control+Enter")
        expect(prompt).not_to_have_text(before, timeout=PATIENCE)
        expect(prompt).to_have_text(re.compile(r"^\[\d+\]:$"), timeout=PATIENCE)
        return cell.locator(".jp-OutputArea-output")

    def type(self, id: str, text: str) -> Locator:
        """Type over what a cell says, and run it."""
        self._into(id)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(text)
        return self.run(id)

    def _into(self, id: str) -> Locator:
        cell = self.cell(id)
        cell.locator(".cm-content").click()
        return cell
