"""The first lab as a student does it: a real JupyterLab in a real browser, on a real cluster.

`CKS_LABS_SCREENSHOT=1` renews the picture that the README shows.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from playwright.sync_api import Locator, expect, sync_playwright

from tests.browser import jupyter

if TYPE_CHECKING:
    from labs.cluster import Cluster

COURSE = Path(__file__).parents[2] / "course"
LAB = COURSE / "source" / "lab-03-the-mirror" / "the-mirror.ipynb"
PICTURE = COURSE / "images" / "first-lab.png"
SOLUTION = re.compile(r"### BEGIN SOLUTION\n.*?### END SOLUTION", re.DOTALL)

pytestmark = pytest.mark.browser


@pytest.fixture
def notebook(shared_cluster: Cluster, tmp_path: Path) -> Iterator[jupyter.Notebook]:
    """The lab, open in JupyterLab, as it is handed out."""
    browser = jupyter.executable()
    if browser is None:
        pytest.skip(f"no Chromium on this machine (looked for {', '.join(jupyter.BROWSERS)})")
    path = tmp_path / "course" / LAB.name
    path.parent.mkdir()
    lab = nbformat.read(LAB, as_version=4)
    for cell in lab.cells:
        cell.source = SOLUTION.sub("# Your work goes here.", cell.source)
    nbformat.write(lab, path)
    environment = {"CKS_LABS_CLUSTER": shared_cluster.name}
    # Playwright's event loop must not outlive the test: others of this process run their own
    with jupyter.server(path.parent, environment) as address, sync_playwright() as playwright:
        opened = jupyter.launch(playwright, browser)
        try:
            page = opened.new_page(viewport={"width": 1200, "height": 1200}, reduced_motion="reduce")
            yield jupyter.Notebook(page, address, path)
        finally:
            opened.close()


class Live:
    """The live view in a cell, read as a student reads it."""

    def __init__(self, output: Locator) -> None:
        self._output = output
        expect(output.locator(".cks-live")).to_be_visible(timeout=jupyter.PATIENCE)

    def field(self, column: str, label: str) -> Locator:
        """What stands behind a label in a column: `file`, `runtime` or `api`."""
        return self._output.locator(f'section[data-column={column}] dd[data-field="{label}"]').first

    def column(self, column: str) -> list[str]:
        """All that a column says, but for what grows older by itself."""
        fields = self._output.locator(f"section[data-column={column}] dd:not([data-since])")
        return fields.all_inner_texts()


def test_deleting_a_mirror_pod_turns_the_check_green(
    notebook: jupyter.Notebook, shared_cluster: Cluster
) -> None:
    expect(notebook.run("load").last).to_contain_text(f"Cluster {shared_cluster.name} is up")
    expect(notebook.run("delete-mirror-pod--start").last).to_contain_text("Delete a mirror pod: set up in")
    live = Live(notebook.run("delete-live"))
    first = uid(shared_cluster)
    expect(live.field("api", "UID")).to_have_text(first)

    question = notebook.run("delete-mirror-pod-prediction")
    question.get_by_text("the very container that ran before").click()
    expect(question).to_contain_text("Recorded: new-uid.")
    container = live.field("runtime", "container").inner_text()
    notebook.type("delete-mirror-pod-deed", '%%node\nkubectl delete pod "web-$(hostname)"')

    second = uid(shared_cluster)
    assert second != first
    expect(live.field("api", "UID")).to_have_text(second)
    expect(live.field("runtime", "container")).to_have_text(container)

    notebook.type("delete-mirror-pod-explanation", 'explain("delete-mirror-pod", "why", "file")')
    verdict = notebook.run("delete-mirror-pod")
    expect(verdict.locator("header")).to_contain_text("10 / 10 points")
    expect(verdict.locator("li.yes")).to_have_count(5)
    expect(verdict.locator("li.no, li.unknown")).to_have_count(0)
    take_picture(notebook)


def test_without_the_kubelet_only_the_first_column_changes(
    notebook: jupyter.Notebook, shared_cluster: Cluster
) -> None:
    notebook.run("load")
    notebook.run("edit-has-no-effect--start")
    live = Live(notebook.run("three-live"))
    expect(live.field("file", "image")).to_have_text("busybox:1.36")
    runtime, api = live.column("runtime"), live.column("api")

    notebook.run("three-stop")

    expect(live.field("file", "image")).to_have_text("busybox:1.37")
    assert live.column("runtime") == runtime
    assert live.column("api") == api

    notebook.run("three-start")
    expect(live.field("api", "image")).to_have_text("busybox:1.37", timeout=jupyter.PATIENCE)
    expect(live.field("runtime", "image")).to_have_text("busybox:1.37", timeout=jupyter.PATIENCE)


def uid(cluster: Cluster) -> str:
    """What kubectl says."""
    pod = f"web-{cluster.nodes[0]}"
    return cluster.run(["kubectl", "get", "pod", pod, "-o", "jsonpath={.metadata.uid}"]).stdout


def take_picture(notebook: jupyter.Notebook) -> None:
    """The lab after the check, with the live view beside it, for the README."""
    page = notebook.page
    notebook.cell("delete-live").locator(".cks-live").click(button="right")
    page.get_by_role("menuitem", name="Create New View for Cell Output").click()
    beside = page.locator(".jp-LinkedOutputView")
    expect(beside.locator(".cks-live")).to_be_visible()
    page.locator(".jp-SideBar.jp-mod-left .lm-TabBar-tab").first.click()  # closes the file browser
    handle = page.locator(".lm-DockPanel-handle").filter(visible=True)
    box = handle.last.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, 1200 - 300)
    page.mouse.up()
    notebook.cell("delete-check").evaluate("cell => cell.scrollIntoView({block: 'start'})")
    picture = page.screenshot()
    if os.environ.get("CKS_LABS_SCREENSHOT"):
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_bytes(picture)
