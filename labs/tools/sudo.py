"""`sudo` on a node where everybody is root already: run the command, as it is.

Options that would change nothing are accepted; `-i` and `-s` start a shell.
"""

from __future__ import annotations

import os
import sys

_FLAGS = {
    "-E",
    "-H",
    "-n",
    "-S",
    "-k",
    "-K",
    "-b",
    "--preserve-env",
    "--non-interactive",
    "--stdin",
    "--set-home",
}
_LOGIN = {"-i", "--login"}
_SHELL = {"-s", "--shell"}
_WITH_VALUE = {"-u", "-g", "-p", "-C", "--user", "--group", "--prompt"}
_USAGE = "usage: sudo [-EHins] [-u root] [VAR=value] [command [arg ...]]"


def main() -> int:
    """Replace this process by the command. Comes back only with a reason not to."""
    arguments = sys.argv[1:]
    shell: list[str] | None = None
    while arguments and arguments[0].startswith("-"):
        option, equals, value = arguments.pop(0).partition("=")
        if option == "--":
            break
        if option in _LOGIN | _SHELL:
            shell = [os.environ.get("SHELL", "/bin/bash"), *(["-l"] if option in _LOGIN else [])]
        elif option in _WITH_VALUE:
            value = value if equals else arguments.pop(0) if arguments else ""
            if option in ("-u", "--user", "-g", "--group") and value not in ("root", "#0", "0"):
                return _refuse(
                    f"sudo: this node's shells are root's only; use `su` or `runuser` to become {value}"
                )
        elif option in ("-v", "-l", "--validate", "--list"):
            return 0
        elif option not in _FLAGS:
            return _refuse(f"sudo: invalid option -- '{option.lstrip('-')}'\n{_USAGE}")
    while arguments and "=" in arguments[0] and arguments[0].partition("=")[0].isidentifier():
        name, _, value = arguments.pop(0).partition("=")
        os.environ[name] = value
    if shell is not None:
        command = [*shell, *(["-c", " ".join(arguments)] if arguments else [])]
    elif arguments:
        command = arguments
    else:
        return _refuse(_USAGE)
    if shell is not None and "-l" in shell:
        os.chdir(os.environ.get("HOME", "/root"))
    try:
        os.execvp(command[0], command)
    except FileNotFoundError:
        return _refuse(f"sudo: {command[0]}: command not found")
    except OSError as failure:
        return _refuse(f"sudo: unable to execute {command[0]}: {failure.strerror}")


def _refuse(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
