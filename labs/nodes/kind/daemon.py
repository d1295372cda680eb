"""Docker as this machine has it: the way to its daemon, what it is, and its refusals in words that help.

The SDK finds the daemon as Docker's own command line does: $DOCKER_HOST, else the current context (which is
how Docker Desktop is found), else the socket in /run. Every failure becomes a `DockerError` of one line.
"""

import errno
import os
import re
import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
from docker.context import ContextAPI
from docker.errors import APIError, DockerException
from docker.utils.config import load_general_config
from requests.exceptions import RequestException

from labs.errors import LabsError
from labs.nodes.kind.options import MODULES, Host

#: The first API that can give a container a cgroup namespace of its own (Docker 20.10).
OLDEST_API = (1, 41)
#: An answer may have to wait for a disk: of creating a container, or of removing one with its volumes.
TIMEOUT_SECONDS = 120

SYSTEM_SOCKET = "unix:///var/run/docker.sock"
_LOCAL_SCHEMES = ("unix", "http+unix", "npipe")
#: linux/capability.h
_CAP_SYS_RESOURCE = 1 << 24
_EMBEDDED = "or do without Docker: --backend embedded"


class DockerError(LabsError):
    """Docker cannot do what is needed of it."""


@dataclass(frozen=True)
class Facts:
    """What the daemon says of itself and its machine."""

    version: str
    cgroup: int
    """The version of the machine's cgroups: 1, 2; 0 when the daemon may not use them at all."""
    desktop: bool
    host: Host


def endpoint() -> str:
    """The address of the daemon that Docker's own command line would talk to.

    Where that is the system's and there is none, rootless Docker's is taken, which sets up no context
    everywhere.
    """
    if host := os.environ.get("DOCKER_HOST"):
        return host
    host = ContextAPI.kwargs_from_context().get("base_url") or SYSTEM_SOCKET
    rootless = f"{os.environ.get('XDG_RUNTIME_DIR')}/docker.sock"
    if host == SYSTEM_SOCKET and not Path("/var/run/docker.sock").exists() and Path(rootless).is_socket():
        return f"unix://{rootless}"
    return host


def connect() -> Any:
    """A client of a daemon that answers and is one that can run nodes; `DockerError` otherwise."""
    host = endpoint()
    refuse_remote(host)
    environment = {**os.environ, "DOCKER_HOST": host} if host.startswith("unix:") else os.environ
    with explained("asking Docker"):
        client = docker.from_env(version="auto", timeout=TIMEOUT_SECONDS, environment=environment)
        refuse_unfit(client.version(), client.info())
    return client


def refuse_remote(url: str) -> None:
    """A daemon elsewhere would open the cluster's port there; `DockerError` when `url` names one."""
    parts = urlsplit(url)
    if parts.scheme in _LOCAL_SCHEMES or parts.hostname in ("localhost", "127.0.0.1", "::1"):
        return
    raise DockerError(
        f"Docker is at {url}, on another machine, and the cluster's API would be at that one's 127.0.0.1: "
        f"choose a Docker on this machine (unset DOCKER_HOST, docker context use default), {_EMBEDDED}"
    )


def refuse_unfit(version: Mapping[str, Any], info: Mapping[str, Any]) -> None:
    """`DockerError` when a daemon that describes itself so cannot run a node."""
    if any("podman" in str(part.get("Name", "")).lower() for part in version.get("Components") or ()):
        raise DockerError(
            "it is Podman that answers here, and its imitation of Docker's API does not carry a node: "
            f"point DOCKER_HOST at a Docker daemon, {_EMBEDDED}"
        )
    api = tuple(int(part) for part in re.findall(r"\d+", str(version.get("ApiVersion", "0.0")))[:2])
    if api < OLDEST_API:
        raise DockerError(
            f"Docker {version.get('Version')} is too old (API {version.get('ApiVersion')}): "
            f"install Docker 20.10 or newer, {_EMBEDDED}"
        )
    if info.get("OSType") == "windows":
        raise DockerError(
            "Docker runs Windows containers here: switch Docker Desktop to Linux containers, and try again"
        )
    facts = facts_of(info)
    if facts.host.rootless and facts.cgroup != 2:
        raise DockerError(
            "rootless Docker can run nodes only where the machine has cgroup v2 and systemd delegates cpu, "
            f"memory and pids to you: boot with systemd.unified_cgroup_hierarchy=1, use the system's Docker, "
            f"{_EMBEDDED}"
        )
    if facts.cgroup == 0:
        raise DockerError(
            f"Docker has no cgroups to give (cgroup driver 'none'), and a kubelet needs them: mount "
            f"/sys/fs/cgroup for dockerd and restart it, {_EMBEDDED}"
        )


def facts_of(info: Mapping[str, Any]) -> Facts:
    """The facts in an answer of `docker info`."""
    security = [part for option in info.get("SecurityOptions") or () for part in option.split(",")]
    drivers = {str(name): str(value) for name, value in info.get("DriverStatus") or ()}
    desktop = "Docker Desktop" in str(info.get("OperatingSystem", ""))
    none = info.get("CgroupDriver") == "none"
    return Facts(
        version=str(info.get("ServerVersion", "?")),
        cgroup=0 if none else int(info.get("CgroupVersion") or 1),
        desktop=desktop,
        host=Host(
            rootless="name=rootless" in security,
            userns_remap="name=userns" in security,
            storage_driver=str(info.get("Driver", "")).lower(),
            backing_filesystem=drivers.get("Backing Filesystem", "").lower(),
            # Docker Desktop's machine is not this one, and has them
            has_modules=desktop or Path(MODULES).is_dir(),
        ),
    )


def facts(client: Any) -> Facts:
    """The facts of the daemon that `client` talks to."""
    with explained("asking Docker"):
        return facts_of(client.info())


def may_be_privileged() -> bool:
    """False when the daemon itself lacks capabilities, and would only refuse: told by its process, where it
    is one of this machine's. True says nothing: then it is tried.
    """
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(endpoint().removeprefix("unix://"))
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        status = Path(f"/proc/{struct.unpack('3i', credentials)[0]}/status").read_text()
    except OSError:
        return True
    bounding = re.search(r"^CapBnd:\s*(\w+)", status, re.MULTILINE)
    return bounding is None or bool(int(bounding[1], 16) & _CAP_SYS_RESOURCE)


def configured_proxies(host: str) -> dict[str, str]:
    """The "proxies" of Docker's configuration file for the daemon at `host`, as environment variables."""
    proxies = load_general_config().get("proxies") or {}
    chosen = proxies.get(host) or proxies.get("default") or {}
    names = {"httpProxy": "HTTP_PROXY", "httpsProxy": "HTTPS_PROXY", "noProxy": "NO_PROXY"}
    return {names[key]: value for key, value in chosen.items() if key in names and value}


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody has now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn what the SDK raises in the block into a `DockerError` that begins with `doing`."""
    try:
        yield
    except (DockerException, RequestException) as error:
        raise explain(error, doing) from error


#: What Docker's refusals contain, and what to do about each.
_REFUSALS = (
    (
        r"no space left on device",
        "Docker's disk is full: 'docker system df' shows by what, 'docker system prune' frees some",
    ),
    (
        r"port is already allocated|address already in use",
        "its port on 127.0.0.1 has been taken by another program: end that one, and try again",
    ),
    (
        r"permission denied while trying to connect",
        "you may not use Docker's socket: 'sudo usermod -aG docker $USER', then log in anew",
    ),
    (
        r"client version .* is too (old|new)|API version .* not supported",
        "Docker is too old or too new for the SDK: install Docker 20.10 or newer, then 'make setup'",
    ),
    (
        r"cgroup.*(not|no such|doesn't|does not)|cannot (enter|set) .*cgroup",
        "the machine's cgroups are not as Docker wants them: cgroup v2 (systemd.unified_cgroup_hierarchy=1), "
        "or Docker 20.10 on v1",
    ),
    (
        r"no such host|i/o timeout|connection refused|TLS handshake|network is unreachable|registry",
        "the registry cannot be reached: go online, or make the image here with "
        "'labs node-image build --from-debian'",
    ),
)


def explain(error: Exception, doing: str) -> DockerError:
    """One line for what the SDK has raised: what was being done, why it failed, what to do."""
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno is not None:
            return DockerError(_unreachable(cause))
    said = error.explanation if isinstance(error, APIError) and error.explanation else str(error)
    said = " ".join(str(said).split())
    for pattern, mend in _REFUSALS:
        if re.search(pattern, said, re.IGNORECASE):
            return DockerError(f"{doing} failed: {mend} (Docker says: {said})")
    if isinstance(error, RequestException) and not isinstance(error, APIError):
        return DockerError(
            f"{doing} failed: Docker's daemon hung up ({said}): when it is back, 'labs up' resumes "
            "with all data"
        )
    return DockerError(f"{doing} failed: Docker says: {said}")


def _unreachable(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"you may not use Docker's socket: 'sudo usermod -aG docker $USER' and log in anew, {_EMBEDDED}"
        )
    if error.errno in (errno.ENOENT, errno.ECONNREFUSED):
        return (
            "Docker's daemon is not running: 'sudo systemctl start docker', or start Docker Desktop; "
            f"{_EMBEDDED}"
        )
    if error.errno == errno.ENOSPC:
        return "the disk is full: free some, and try again"
    return f"Docker's daemon went away ({error.strerror}): when it is back, 'labs up' resumes with all data"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what it wraps, and what those were raised from: requests and urllib3 nest in both ways."""
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        waiting += [part for part in inner if isinstance(part, BaseException)]
