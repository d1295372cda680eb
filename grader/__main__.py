"""`grader`: the command line. `nbgrader autograde` in the course does the same judging."""

import signal
import sys

from labs.errors import LabsError


def main() -> None:
    """The console script: run the command line, exit with its status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        from grader.cli import run

        sys.exit(run(sys.argv[1:]))
    except LabsError as error:
        print(f"grader: {error}", file=sys.stderr)
        sys.exit(error.status)
    except BrokenPipeError:
        sys.exit(1)
    except KeyboardInterrupt:
        print(
            "grader: interrupted; what was judged is kept, the same command goes on from there",
            file=sys.stderr,
        )
        sys.exit(130)


if __name__ == "__main__":
    main()
