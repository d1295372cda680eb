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
def server(root: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """JupyterLab with `root` as its files; yields its address, with the token."""
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--port=0", f"--ServerApp.root_dir={root}"]
    if os.geteuid() == 0:
        command.append("--allow-root")
    home = root.parent / "jupyter"
    _settle(home)
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


def _settle(home: Path) -> None:
    """Settings of its own for the server, so that nobody's are used and no question about news pops up."""
    for plugin, setting in {
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "apputils-extension/themes": {"theme": os.environ.get("CKS_LABS_TEST_THEME", "JupyterLab Light")},
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
    """A notebook that is open in JupyterLab, used as a student would: by scrolling, clicking and typing."""

    def __init__(self, page: Page, address: str, path: str) -> None:
        self.page = page
        page.set_default_timeout(PATIENCE)
        base, token = address.split("?")
        page.goto(f"{base}/tree/{path}?{token}&reset")
        expect(page.locator(".jp-Notebook")).to_be_visible(timeout=PATIENCE)
        expect(page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").first).to_be_visible(
            timeout=PATIENCE
        )

    def cell(self, text: str) -> Locator:
        """The first code cell whose source contains the text."""
        return self._cells(text).first

    def _cells(self, text: str) -> Locator:
        return self.page.locator(".jp-CodeCell").filter(has=self.page.locator(".cm-content", has_text=text))

    def run(self, cell: Locator) -> Locator:
        """Run a cell with the keyboard and wait until it has ended; returns it."""
        self._into(cell)
        self.page.keyboard.press("Control+Enter")
        expect(cell.locator(".jp-InputPrompt")).to_have_text(re.compile(r"^\[\d+\]:$"), timeout=PATIENCE * 4)
        return cell

    def write(self, cell: Locator, text: str) -> Locator:
        """Replace a cell's text by typing."""
        self._into(cell)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(text)
        return cell

    def _into(self, cell: Locator) -> None:
        editor = cell.locator(".cm-content")
        editor.scroll_into_view_if_needed()
        editor.click()
