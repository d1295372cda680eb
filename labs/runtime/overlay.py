"""Can containers have an overlay of their image here? Tried: kernel and file system must both allow it."""

import subprocess
import tempfile
from pathlib import Path


def works(bwrap: str, state: Path) -> bool:
    """Whether an overlay of directories below `state` can be mounted; otherwise images are copied."""
    with tempfile.TemporaryDirectory(dir=state, prefix="overlay-") as directory:
        lower, upper, work = (Path(directory) / name for name in ("lower", "upper", "work"))
        for layer in (lower, upper, work):
            layer.mkdir()
        overlay = ["--overlay-src", str(lower), "--overlay", str(upper), str(work), "/mnt"]
        command = [bwrap, "--unshare-user", "--bind", "/", "/", *overlay, "--", "/bin/true"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
