"""The manifests directory as a recorder tells of it."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from labs.nodes.kind.recorder.files import Manifests

MANIFESTS = "/etc/kubernetes/manifests"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc/kubernetes/manifests").mkdir(parents=True)
    return tmp_path


def write(root: Path, name: str, text: str) -> str:
    (root / MANIFESTS.lstrip("/") / name).write_text(text)
    return hashlib.sha256(text.encode()).hexdigest()


def told(capfdbinary: pytest.CaptureFixture[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]


def test_what_is_there_at_the_start_is_told(root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    digest = write(root, "web.yaml", "kind: Pod\n")
    Manifests({}, root)

    (record,) = told(capfdbinary)

    assert record == {
        "source": "file",
        "path": f"{MANIFESTS}/web.yaml",
        "event": "written",
        "sha256": digest,
        "content": "kind: Pod\n",
    }


def test_what_the_evidence_holds_is_not_told_again(
    root: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    same, old = write(root, "same.yaml", "a"), write(root, "changed.yaml", "b")
    write(root, "changed.yaml", "c")
    known = {f"{MANIFESTS}/{name}.yaml": digest for name, digest in (("same", same), ("changed", old))}
    Manifests(known, root)

    assert [(one["path"], one["content"]) for one in told(capfdbinary)] == [
        (f"{MANIFESTS}/changed.yaml", "c")
    ]


def test_what_went_away_meanwhile_is_told(root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    Manifests({f"{MANIFESTS}/gone.yaml": "1"}, root)

    assert [(one["path"], one["event"]) for one in told(capfdbinary)] == [
        (f"{MANIFESTS}/gone.yaml", "removed")
    ]


def test_a_file_that_comes_back_as_it_was_is_told(
    root: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    digest = write(root, "web.yaml", "a")
    manifests = Manifests({f"{MANIFESTS}/web.yaml": digest}, root)
    (root / MANIFESTS.lstrip("/") / "web.yaml").unlink()
    asyncio.run(manifests.settle())
    write(root, "web.yaml", "a")
    asyncio.run(manifests.settle())

    assert [one["event"] for one in told(capfdbinary)] == ["removed", "written"]
