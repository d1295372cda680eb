"""Looking at processes of the host."""

from pathlib import Path


def alive(pid: int) -> bool:
    """Whether the process runs. One that is dead and waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
