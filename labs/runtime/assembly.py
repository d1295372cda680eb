"""A container as a bubblewrap command: its image, its mounts, its user, in the namespaces of its sandbox."""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cri_api.v1 import api_pb2 as cri

from labs.runtime import apiserver, bubble, capabilities
from labs.runtime.errors import CriError, InvalidArgumentError
from labs.runtime.images import Image, ImageStore
from labs.runtime.launcher import Command
from labs.runtime.lookup import Tree
from labs.runtime.nodefs import NodeFiles
from labs.runtime.records import Container, Sandbox
from labs.runtime.users import ROOT, User, run_as

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def argv_of(image: Image, config: Any) -> list[str]:
    """The command line: the image's entry point and arguments, unless the config has its own."""
    command, arguments = list(config.command), list(config.args)
    if not command:
        command = list(image.entrypoint)
        arguments = arguments or list(image.cmd)
    if not command and not arguments:
        raise CriError("failed to generate container spec: no command specified")
    return [*command, *arguments]


def environment_of(image: Image, sandbox: Sandbox, config: Any) -> dict[str, str]:
    """The image's variables, the host name, and the config's on top."""
    environment = {"PATH": _PATH, "HOSTNAME": sandbox.config.hostname or os.uname().nodename}
    environment |= image.env
    if config.tty:
        environment["TERM"] = "xterm"
    environment |= {variable.key: variable.value for variable in config.envs}
    environment.setdefault("HOME", "/root")
    return environment


class Assembly:
    """Puts one container together."""

    def __init__(self, images: ImageStore, files: NodeFiles, sandbox: Sandbox, container: Container) -> None:
        self._images = images
        self._files = files
        self._sandbox = sandbox
        self._container = container
        self._config = container.config
        self._image = images.get(container.image_id)

    @property
    def _security(self) -> Any:
        return self._config.linux.security_context

    def check(self) -> None:
        """What CreateContainer refuses already."""
        for mount in self._config.mounts:
            if not mount.container_path.startswith("/"):
                raise InvalidArgumentError(
                    f'mount "{mount.container_path}": the path in the container must be absolute'
                )
        self._user()
        capabilities.granted(self._security)

    def _user(self) -> User:
        passwd = self._images.rootfs(self._image) / "etc/passwd"
        return run_as(self._security, self._image.user, passwd.read_text() if passwd.exists() else "")

    @property
    def trusted(self) -> bool:
        """It is the API server, which may report to the evidence."""
        destinations = [mount.container_path for mount in self._config.mounts]
        return apiserver.is_trusted(self._image, self._container.argv, destinations)

    def command(self, *, overlay: bool, evidence: int | None) -> Command:
        """The command to launch. `evidence` is the socket that nobody but the API server gets."""
        argv, environment = list(self._container.argv), dict(self._container.environment)
        trusted = self.trusted
        command = Command(argv)
        with ExitStack() as undo:
            undo.callback(command.close)
            command.user = self._user()
            self._join(command, own_users=trusted or command.user != ROOT)
            self._mount(command, overlay, read_only_root=trusted or self._security.readonly_rootfs)
            if trusted:
                argv[0] = str(self._image.evidence)
                environment = apiserver.environment(self._image, environment)
                if evidence is not None:
                    environment[apiserver.ENVIRONMENT_VARIABLE] = command.pass_fd(os.dup(evidence))
            powers = capabilities.granted(self._security) if command.user.uid == 0 else []
            directory = self._config.working_dir or self._image.working_dir
            bubble.process(command, environment, directory, powers, own_pids=self._own_pids)
            undo.pop_all()
        return command

    @property
    def _own_pids(self) -> bool:
        return bool(self._security.namespace_options.pid == cri.CONTAINER)

    def _join(self, command: Command, *, own_users: bool) -> None:
        """Enter the sandbox's namespaces, as far as it has its own."""
        of_pause = f"/proc/{self._sandbox.pid}/ns"

        def namespace(kind: str) -> str:
            return command.pass_fd(os.open(f"{of_pause}/{kind}", os.O_RDONLY | os.O_CLOEXEC))

        kinds = ["ipc"] if self._sandbox.namespaces.ipc != cri.NODE else []
        kinds += [] if self._sandbox.host_network else ["net", "uts"]
        command.join = {kind: int(namespace(kind)) for kind in kinds}
        if own_users:
            command.own_users = True
        else:
            # stays open in the container, where it gives no power: it is the namespace that it is in
            command.options += ["--userns", namespace("user")]
        pids = self._security.namespace_options.pid
        if pids == cri.POD:
            command.options += ["--pidns", namespace("pid")]
        elif pids == cri.TARGET:
            raise CriError(
                "a container in another container's process namespace is not supported by this runtime"
            )

    def _mount(self, command: Command, overlay: bool, *, read_only_root: bool) -> None:
        rootfs = self._images.rootfs(self._image)
        shown = self._images.mounts(self._image)
        tree = {"/": str(rootfs), **{mount.destination: str(mount.source) for mount in shown}}
        bubble.root(command, rootfs, self._container.directory, shown, overlay=overlay)
        own_ipc = "ipc" in command.join and not command.own_users
        bubble.system(command, own_ipc=own_ipc, sysfs=Path("/sys/class").is_dir())
        given = {os.path.normpath(mount.container_path) for mount in self._config.mounts}
        for name in ("hosts", "hostname", "resolv.conf"):
            if f"/etc/{name}" not in given:
                command.options += ["--bind", str(self._sandbox.directory / name), f"/etc/{name}"]
        if "/dev/shm" not in given:
            command.options += ["--bind", str(self._sandbox.directory / "shm"), "/dev/shm"]
        for mount in sorted(self._config.mounts, key=lambda mount: mount.container_path.count("/")):
            fd = self._open(mount)
            tree[mount.container_path] = str(Path(f"/proc/self/fd/{fd}").readlink())
            bubble.bind(command, fd, mount.container_path, readonly=mount.readonly)
        if not self._security.privileged:
            bubble.mask(command, self._security.masked_paths)
        directory = self._config.working_dir or self._image.working_dir
        Tree(tree).program(self._container.argv[0], self._container.environment["PATH"], directory)
        if read_only_root:
            command.options += ["--dir", directory, "--remount-ro", "/"]

    def _open(self, mount: Any) -> int:
        try:
            return self._files.open_or_make_directory(mount.host_path)
        except OSError as failure:
            raise CriError(
                f'failed to generate container "{self._container.id}" spec: failed to generate spec: '
                f'failed to stat "{mount.host_path}": {failure.strerror}'
            ) from failure
