"""What is installed is the same through each door, and says nothing of where it came from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

HOUSE = Path(__file__).parents[1]
LOCK = (HOUSE / "requirements.lock").read_text()
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)


def test_each_locked_package_has_hashes() -> None:
    for block in re.split(r"\n(?=[a-z0-9])", LOCK.strip()):
        assert "--hash=sha256:" in block, block


def test_the_lock_names_no_registry() -> None:
    assert "://" not in LOCK
    assert "index-url" not in LOCK


def test_every_declared_dependency_is_locked() -> None:
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text())
    declared = [*project["project"]["dependencies"]]
    for group in project["dependency-groups"].values():
        declared += group
    locked = {name for name, _ in PIN.findall(LOCK)}

    wanted = {re.match(r"[A-Za-z0-9._-]+", line).group().lower().replace("_", "-") for line in declared}  # type: ignore[union-attr]

    assert wanted <= locked


def test_conda_gets_the_locked_versions_and_the_project_itself() -> None:
    environment = yaml.safe_load((HOUSE / "environment.yml").read_text())
    packages = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    locked = set(PIN.findall(LOCK))

    pinned = [PIN.match(line) for line in packages[:-1]]

    assert packages[-1] == "-e ."
    assert len(pinned) > 50
    assert {(found[1], found[2]) for found in pinned if found} <= locked
    assert all(pinned)
