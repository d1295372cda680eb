"""What a submission may use up. One value, so that a course can state its own in `nbgrader_config.py`."""

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes, times in seconds.

    The kernel's own limits (`address_space` to `processor_time`) hold for each process of the sandbox and
    cannot be raised from within. `memory` holds for all of its processes together and is watched from
    outside, a few times a second: what is allocated faster is met by the first kind only.
    """

    cell_time: float = 300.0
    total_time: float = 1500.0
    memory: int = 1536 * MEBIBYTE
    address_space: int = 4096 * MEBIBYTE
    processes: int = 160
    open_files: int = 1024
    file_size: int = 64 * MEBIBYTE
    processor_time: int = 900
    home: int = 128 * MEBIBYTE
    tmp: int = 64 * MEBIBYTE
    cell_output: int = 256 * 1024
    total_output: int = 4 * MEBIBYTE

    def resources(self) -> dict[str, int]:
        """By the names of `resource.RLIMIT_…`."""
        return {
            "AS": self.address_space,
            "NPROC": self.processes,
            "NOFILE": self.open_files,
            "FSIZE": self.file_size,
            "CPU": self.processor_time,
            "CORE": 0,
        }
