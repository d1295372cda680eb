"""`labs`: the command line of the clusters.

`labs node`, `labs kubectl` and `labs kubeconfig` are typed all the time and called by scripts. They are
taken here, before typer and rich are imported: that would take longer than the command itself.
"""

import sys

from labs.cli import shell
from labs.errors import LabsError


def main() -> None:
    """The console script: run the command line, exit with its status."""
    arguments = sys.argv[1:]
    try:
        if arguments and arguments[0] in shell.COMMANDS and not shell.asks_for_help(arguments[1:]):
            sys.exit(shell.run(arguments[0], arguments[1:]))
        from labs.cli.app import run

        sys.exit(run(arguments))
    except LabsError as error:
        print(f"labs: {error}", file=sys.stderr)
        sys.exit(error.status)
    except BrokenPipeError:
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
