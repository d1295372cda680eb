"""Open the course in JupyterLab: `python -m labs.notebook [JUPYTER OPTION...]`, what `make lab` runs.

A student works on copies in `course/work/`, made from the released notebooks (without solutions), so
that neither a pull nor a new release ever overwrites what somebody wrote. nbgrader makes the release
anew only when a source notebook is newer than it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from labs.errors import LabsError

COURSE = Path(__file__).resolve().parents[2] / "course"
FIRST = "lab-03-the-mirror/the-mirror.ipynb"


def released(source: Path) -> Path:
    """The released copy of a source notebook, made anew when it is missing or older.

    Raises:
        LabsError: nbgrader could not make the release.
    """
    release = COURSE / "release" / source.relative_to(COURSE / "source")
    if release.exists() and release.stat().st_mtime >= source.stat().st_mtime:
        return release
    made = subprocess.run(
        [sys.executable, "-m", "nbgrader", "generate_assignment", source.parent.name, "--force", "--create"],
        cwd=COURSE,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        reason = (made.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise LabsError(f"the release of {source.parent.name} could not be made: {reason}")
    return release


def prepare() -> Path:
    """Give the student a copy of every notebook that has none yet; returns the folder of the copies."""
    work = COURSE / "work"
    for source in sorted((COURSE / "source").glob("*/*.ipynb")):
        copy = work / source.relative_to(COURSE / "source")
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(released(source), copy)
    return work


def main() -> None:
    """Prepare the copies, then become JupyterLab."""
    if not (COURSE / "source").is_dir():
        raise SystemExit("labs: no course/source here: run `make lab` in a checkout of the project")
    try:
        work = prepare()
    except LabsError as error:
        raise SystemExit(f"labs: {error}") from None
    options = sys.argv[1:]
    if os.geteuid() == 0:
        options = ["--allow-root", *options]
    # As the default address, so that the one which is printed leads to the first lab too.
    opened = f"--LabApp.default_url=/lab/tree/{FIRST}"
    argv = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={work}", opened, *options]
    # A student's JupyterLab: no instructor's panels, and no question about news before the first lab.
    places = [str(COURSE / "jupyter"), *filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")])]
    os.execve(sys.executable, argv, {**os.environ, "JUPYTER_CONFIG_PATH": os.pathsep.join(places)})


if __name__ == "__main__":
    main()
