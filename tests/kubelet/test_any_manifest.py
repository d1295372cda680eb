"""Whatever lies in the manifests directory, the kubelet goes on, and the other pods do not notice."""

import asyncio
import contextlib
import io
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.kubelet.manifest_strategies import contents, file_names
from tests.kubelet.node import MANIFESTS, Node, manifest, node
from tests.kubelet.virtual_time import VirtualLoop

#: Each of ten levels holds the one below nine times: a few hundred bytes, billions of values.
ALIAS_BOMB = "a0: &a0 [x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)
#: Seconds of the node's time in which a good manifest must have become a running pod.
PROMPT = 2.0


class Directory:
    """A node with a good pod in a directory into which anything is put."""

    def __init__(self, runner: asyncio.Runner, it: Node, log: io.StringIO) -> None:
        self._runner = runner
        self._node = it
        self._log = log
        self._rounds = 0

    def _place(self, name: str, data: bytes) -> str:
        """Put a file in by a rename; its path."""
        outside = self._node.root / "tmp/anything"
        outside.write_bytes(data)
        path = os.path.join(self._node.root, MANIFESTS[1:], name)  # noqa: PTH118 - the name may be no text
        os.rename(outside, path)  # noqa: PTH104
        return path

    def try_files(self, files: dict[str, bytes]) -> None:
        """Put files in, see a good pod come and go beside them, and take them out."""
        self._runner.run(self._try_files(files))

    async def _try_files(self, files: dict[str, bytes]) -> None:
        self._log.truncate(self._log.seek(0))
        steady = self._node.running("steady")[0].id
        paths = [self._place(name, data) for name, data in files.items()]
        self._rounds += 1
        witness = f"witness{self._rounds}"
        self._node.put(f"{witness}.yaml", manifest(witness))
        await self._node.until(lambda: self._node.running(witness), PROMPT)
        self._node.remove(f"{witness}.yaml")
        await self._node.until(lambda: not self._node.running(witness), PROMPT + 4)
        await asyncio.sleep(20)  # a full scan, too
        for path in paths:
            os.unlink(path)  # noqa: PTH108
        task: Any = self._node._task
        assert not task.done()
        assert [c.id for c in self._node.running("steady")] == [steady]
        said = self._log.getvalue()
        assert "panic" not in said
        assert "Traceback" not in said


@contextmanager
def directory(root: Path) -> Iterator[Directory]:
    log = io.StringIO()
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner(loop_factory=VirtualLoop))
        stack.enter_context(contextlib.redirect_stderr(log))
        manager = node(root)
        it = runner.run(manager.__aenter__())
        stack.callback(lambda: runner.run(manager.__aexit__(None, None, None)))
        it.put("steady.yaml", manifest("steady"))
        runner.run(it.runs("steady"))
        yield Directory(runner, it, log)


def _search(root: Path, examples: int, chosen: int) -> None:
    with directory(root) as tried:

        @seed(chosen)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
            print_blob=True,
        )
        @given(st.dictionaries(file_names, contents, min_size=1, max_size=3))
        def no_files_disturb(files: dict[str, bytes]) -> None:
            tried.try_files(files)

        no_files_disturb()


def test_no_files_in_the_directory_disturb_the_kubelet_or_other_pods(tmp_path: Path) -> None:
    _search(tmp_path, 60, 20261123)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_none_of_20_000_files_disturbs_the_kubelet_or_other_pods(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = int.from_bytes(os.urandom(4))
    with capsys.disabled():
        print(f"\nseed {chosen}")

    _search(tmp_path, 20_000, chosen)


@pytest.mark.parametrize(
    "data",
    [
        ALIAS_BOMB.encode(),
        b"[" * 100_000,
        b'{"apiVersion": "v1", "kind": "Pod", "metadata": ' + b'{"a":' * 100_000,
        b"a: " * 50_000,
        b'{"kind": ' + b"9" * 5000 + b"}",
        b"kind: " + b"9" * 5000,
        b"kind: !!timestamp 2026-11-23",
        b"? [a, b]\n: c",
        b"metadata: &x\n  labels: *x\n",
        b"\xff\xfek\0i\0n\0d\0",
    ],
    ids=["aliases of aliases", "deep list", "deep object", "long line", "huge number in JSON", "huge number",
         "explicit tag", "list as a key", "itself", "UTF-16"],
)  # fmt: skip
def test_malicious_files_are_refused_in_no_time(tmp_path: Path, data: bytes) -> None:
    with directory(tmp_path) as tried:
        tried.try_files({"evil.yaml": data})
