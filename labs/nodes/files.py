"""Writing a node's files: parents made on the way, modes exactly as asked, whatever the caller's umask is."""

from pathlib import Path


def make_directory(path: Path, mode: int = 0o755) -> Path:
    """Make `path` and its missing parents (0755) and give `path` itself `mode`."""
    for parent in [*reversed(path.parents), path]:
        if not parent.exists():
            parent.mkdir()
            parent.chmod(0o755)
    path.chmod(mode)
    return path


def write_file(path: Path, content: str | bytes, mode: int = 0o644) -> Path:
    """Write a file that nobody can read with wider permissions than `mode`, not even for a moment."""
    if not path.parent.is_dir():
        make_directory(path.parent)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def link(path: Path, target: str) -> Path:
    """Make the symbolic link `path` -> `target`, in place of whatever link or file is there."""
    if not path.parent.is_dir():
        make_directory(path.parent)
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    return path
