"""`crictl`: the command line."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labs.errors import LabsError

if TYPE_CHECKING:
    from labs.tools.crictl.connection import Connection

_CONFIG = "/etc/crictl.yaml"
_ENDPOINT = "unix:///run/containerd/containerd.sock"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    endpoint = (
        options.runtime_endpoint or os.environ.get("CONTAINER_RUNTIME_ENDPOINT") or _configured() or _ENDPOINT
    )
    endpoint = endpoint if "://" in endpoint else f"unix://{endpoint}"
    try:
        status = _run(options, endpoint)
        sys.stdout.flush()
        return status
    except LabsError as failure:
        print(_log_line(str(failure)), file=sys.stderr)
        return failure.status
    except BrokenPipeError:  # as in `crictl ps | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace, endpoint: str) -> int:
    def connection() -> "Connection":
        from labs.tools.crictl.connection import Connection

        return Connection(endpoint, options.timeout_)

    module, function = options.action
    action = getattr(import_module(f"labs.tools.crictl.{module}"), function)
    if function == "run":
        return int(action(connection, endpoint, options))
    action(connection(), options)
    return 0


def _configured() -> str | None:
    """The endpoint in crictl.yaml: one key of a flat file, for which no YAML library need be imported."""
    try:
        lines = Path(os.environ.get("CRI_CONFIG_FILE", _CONFIG)).read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "runtime-endpoint":
            return value.strip().strip("\"'") or None
    return None


def _log_line(message: str) -> str:
    """As the real one's logger writes an error: short on a terminal, with the time elsewhere."""
    if sys.stderr.isatty():
        return f"ERRO[0000] {message}"
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    escaped = message.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'time="{stamp}" level=error msg="{escaped}"'


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        print(f"Incorrect Usage: {message}\n", file=sys.stderr)
        self.print_help(sys.stderr)
        self.exit(1)


def _seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="crictl", description="client for CRI", allow_abbrev=False)
    parser.add_argument(
        "--runtime-endpoint", "-r", metavar="ENDPOINT", help="socket of the container runtime"
    )
    parser.add_argument("--image-endpoint", "-i", metavar="ENDPOINT", help="as the runtime's, and ignored")
    parser.add_argument(
        "--timeout", "-t", dest="timeout_", type=_seconds, default=2.0, help="of connecting (default: 2s)"
    )
    parser.add_argument("--config", "-c", help="ignored: the configuration is /etc/crictl.yaml")
    parser.add_argument("--debug", "-D", action="store_true", help="ignored")
    parser.add_argument("--version", "-v", action="version", version="crictl version v1.36.0")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(names: str, module: str, function: str, text: str) -> argparse.ArgumentParser:
        name, *aliases = names.split()
        sub = commands.add_parser(name, aliases=aliases, help=text, description=text, allow_abbrev=False)
        sub.set_defaults(action=(module, function))
        return sub

    ps = command("ps", "containers", "ps", "List containers")
    _filters(ps)
    _output(ps)
    ps.add_argument("--no-trunc", action="store_true", help="Show output without truncating the ID")
    ps.add_argument(
        "--resolve-image-path", "-r", action="store_true", help="Show image path instead of image id"
    )
    ps.add_argument("--verbose", "-v", action="store_true", help="Show verbose information for containers")

    pods = command("pods", "pods", "pods", "List pods")
    _selection(pods)
    _output(pods)
    pods.add_argument("--no-trunc", action="store_true", help="Show output without truncating the ID")
    pods.add_argument("--verbose", "-v", action="store_true", help="Show verbose info for pods")

    images = command("images image img", "images", "images", "List images")
    _output(images)
    images.add_argument("reference", nargs="?", metavar="REPOSITORY[:TAG]")
    images.add_argument("--digests", action="store_true", help="Show digests")
    images.add_argument("--no-trunc", action="store_true", help="Show output without truncating the ID")
    images.add_argument("--verbose", "-v", action="store_true", help="Show verbose info for images")

    logs = command("logs", "containers", "print_logs", "Fetch the logs of a container")
    logs.add_argument("id", metavar="CONTAINER-ID")
    logs.add_argument("--follow", "-f", action="store_true", help="Follow log output")
    logs.add_argument("--previous", "-p", action="store_true", help="Print the logs of the previous instance")
    logs.add_argument("--tail", type=int, default=-1, help="Number of lines to show from the end of the logs")
    logs.add_argument("--since", help="Show logs since a timestamp or relative, like 42m")
    logs.add_argument("--limit-bytes", type=int, default=-1, help="Maximum bytes of logs to return")
    logs.add_argument("--stream", "-s", choices=("stdout", "stderr"), help="Show specified stream")
    logs.add_argument("--timestamps", "-t", action="store_true", help="Show timestamps")

    for names, module, text in (
        ("inspect", "containers", "Display the status of one or more containers"),
        ("inspectp", "pods", "Display the status of one or more pods"),
        ("inspecti", "images", "Return the status of one or more images"),
    ):
        sub = command(names, module, "inspect", text)
        sub.add_argument("ids", nargs="+", metavar="ID")
        _output(sub, default="json")

    run = command("exec", "execution", "run", "Run a command in a running container")
    run.add_argument("--interactive", "-i", action="store_true", help="Keep STDIN open")
    run.add_argument("--tty", "-t", action="store_true", help="Allocate a pseudo-TTY")
    run.add_argument("--sync", "-s", action="store_true", help="Run the command synchronously")
    run.add_argument("--timeout", type=int, default=0, help="Timeout in seconds, of a synchronous command")
    run.add_argument("id", metavar="CONTAINER-ID")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND [ARG...]")

    stop = command("stop", "containers", "stop", "Stop one or more running containers")
    stop.add_argument("--timeout", "-t", type=int, default=0, help="Seconds to wait to kill the container")
    stop.add_argument("ids", nargs="+", metavar="CONTAINER-ID")
    command("stopp", "pods", "stop", "Stop one or more running pods").add_argument(
        "ids", nargs="+", metavar="POD-ID"
    )
    for names, module, text in (
        ("rm", "containers", "Remove one or more containers"),
        ("rmp", "pods", "Remove one or more pods"),
    ):
        sub = command(names, module, "remove", text)
        sub.add_argument("--all", "-a", action="store_true", help="Remove all")
        sub.add_argument("--force", "-f", action="store_true", help="Stop what is running before")
        sub.add_argument("ids", nargs="*", metavar="ID")
    command("rmi", "images", "remove", "Remove one or more images").add_argument(
        "ids", nargs="+", metavar="IMAGE-ID"
    )
    command("pull", "images", "pull", "Pull an image from a registry").add_argument(
        "reference", metavar="NAME[:TAG]"
    )

    command("version", "runtime", "version", "Display runtime version information")
    _output(
        command("info", "runtime", "info", "Display information of the container runtime"), default="json"
    )

    stats = command("stats", "containers", "stats", "List container(s) resource usage statistics")
    stats.add_argument("id", nargs="?", metavar="ID")
    stats.add_argument("--all", "-a", action="store_true", help="Show all containers")
    stats.add_argument("--pod", "-p", help="Filter by pod id")
    stats.add_argument("--label", action="append", default=[], help="Filter by key=value label")
    stats.add_argument(
        "--seconds", "-s", type=float, default=1.0, help="Sample duration for CPU usage in seconds"
    )
    _output(stats)
    return parser


def _selection(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--id", help="Filter by id")
    sub.add_argument("--label", action="append", default=[], help="Filter by key=value label")
    sub.add_argument("--last", "-n", type=int, help="Show last n recently created")
    sub.add_argument("--latest", "-l", action="store_true", help="Show the most recently created")
    sub.add_argument("--name", help="Filter by name regular expression pattern")
    sub.add_argument("--namespace", help="Filter by pod namespace regular expression pattern")
    sub.add_argument("--state", "-s", help="Filter by state")


def _filters(sub: argparse.ArgumentParser) -> None:
    _selection(sub)
    sub.add_argument("--all", "-a", action="store_true", help="Show all containers")
    sub.add_argument("--image", help="Filter by container image")
    sub.add_argument("--pod", "-p", help="Filter by pod id")


def _output(sub: argparse.ArgumentParser, default: str = "table") -> None:
    sub.add_argument(
        "--output", "-o", default=default, help=f'One of: json|yaml|table (default: "{default}")'
    )
    sub.add_argument("--quiet", "-q", action="store_true", help="Only display IDs")


if __name__ == "__main__":
    sys.exit(main())
