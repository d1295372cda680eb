"""The manifests directory as a source: each file that is written, moved or removed."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from labs.nodes.kind.recorder.output import tell
from labs.nodes.manifest_watch import Manifest, ManifestWatch


class Manifests:
    """Tells of the manifests below a root directory, but not of what the evidence already holds."""

    def __init__(self, known: Mapping[str, str | None], root: Path = Path("/")) -> None:
        """`known` has the digest of each file that the evidence says is there."""
        self._known = dict(known)
        self._watch = ManifestWatch(root, self._changed)
        seen = {path for path in self._known if (root / path.lstrip("/")).exists()}
        for path in self._known.keys() - seen:
            self._changed(path, None)
        self._known.clear()

    async def run(self) -> None:
        """Watch until cancelled."""
        await self._watch.run()

    async def settle(self) -> None:
        """Return when all changes so far have been told."""
        self._watch.scan()
        await asyncio.sleep(0)

    def _changed(self, path: str, manifest: Manifest | None) -> None:
        if manifest is None:
            tell(source="file", path=path, event="removed", sha256=None, content=None)
        elif path not in self._known or self._known[path] != manifest.sha256:
            data = {"sha256": manifest.sha256, "content": manifest.content}
            tell(source="file", path=path, event="written", **data)
