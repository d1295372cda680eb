"""A container as a bubblewrap command: its image, its mounts, its user, in the namespaces of its sandbox."""

import functools
import os
import signal
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cri_api.v1 import api_pb2 as cri

from labs.runtime import apiserver, bubble, capabilities, seccomp
from labs.runtime.errors import CriError, InvalidArgumentError
from labs.runtime.images import Image, ImageStore
from labs.runtime.kernelfs import KernelFiles
from labs.runtime.launcher import Command
from labs.runtime.lookup import Tree
from labs.runtime.nodefs import NodeFiles
from labs.runtime.records import Container, Sandbox
from labs.runtime.users import ROOT, Accounts, User, run_as

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
    environment |= image.environment([*config.command, *config.args])
    if config.tty:
        environment["TERM"] = "xterm"
    environment |= {variable.key: variable.value for variable in config.envs}
    environment.setdefault("HOME", "/root")
    return environment


class Assembly:
    """Puts one container together."""

    def __init__(
        self,
        images: ImageStore,
        files: NodeFiles,
        kernel: KernelFiles,
        sandbox: Sandbox,
        container: Container,
    ) -> None:
        self._images = images
        self._files = files
        self._kernel = kernel
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
            if mount.HasField("image"):
                self._image_volume(mount)
            if mount.recursive_read_only and (
                not mount.readonly or mount.propagation != cri.PROPAGATION_PRIVATE
            ):
                raise InvalidArgumentError(
                    f'mount "{mount.container_path}": read-only recursively must be read-only and private'
                )
        seccomp.check_readable(self._files, self._security)

    @functools.cached_property
    def user(self) -> User:
        """Whom the container runs as; `InvalidArgumentError` when the node cannot have that user."""
        accounts = Accounts.of(self._images.rootfs(self._image))
        return run_as(self._security, self._image.user, accounts)

    @property
    def trusted(self) -> bool:
        """It is the API server, which may report to the evidence."""
        destinations = [mount.container_path for mount in self._config.mounts]
        return apiserver.is_trusted(self._image, self._container.argv, destinations)

    async def command(self, *, overlay: bool, evidence: int | None) -> Command:
        """The command to launch. `evidence` is the socket that nobody but the API server gets."""
        argv, environment = list(self._container.argv), dict(self._container.environment)
        trusted = self.trusted
        command = Command(argv)
        seccomp.check_actions(self._files, self._security)
        with ExitStack() as undo:
            undo.callback(command.close)
            command.user = self.user
            if Path(argv[0]).name in {Path(program).name for program in self._image.programs}:
                # Process 1 gets no signal that it does not handle. The real programs, which are Go's, handle
                # this one from their first moment; ours only when `labs.nodes.boot` has been read.
                command.blocked = (signal.SIGTERM,)
            self._join(command, own_users=trusted or command.user != ROOT)
            if "pid" in command.join:
                command.proc = str(await self._kernel.proc(self._sandbox))
            sysfs = await self._kernel.sys(self._sandbox)
            self._mount(command, overlay, sysfs)
            if trusted or self._security.readonly_rootfs:
                command.options += ["--dir", self._directory, "--remount-ro", "/"]
            if trusted:
                argv[0] = str(self._image.evidence)
                environment = apiserver.environment(self._image, environment)
                if evidence is not None:
                    environment[apiserver.ENVIRONMENT_VARIABLE] = command.pass_fd(os.dup(evidence))
            powers = capabilities.granted(self._security) if command.user.uid == 0 else []
            bubble.process(command, environment, self._directory, powers, own_pids=self._own_pids)
            undo.pop_all()
        return command

    @property
    def _directory(self) -> str:
        return self._config.working_dir or self._image.working_dir

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
        pids = self._security.namespace_options.pid
        kinds += ["pid"] if pids == cri.POD and own_users else []
        command.join = {kind: int(namespace(kind)) for kind in kinds}
        if own_users:
            command.own_users = True
        else:
            # stays open in the container, where it gives no power: it is the namespace that it is in
            command.options += ["--userns", namespace("user")]
        if pids == cri.POD and not own_users:
            command.options += ["--pidns", namespace("pid")]
        elif pids == cri.TARGET:
            raise CriError(
                "a container in another container's process namespace is not supported by this runtime"
            )

    def _mount(self, command: Command, overlay: bool, sysfs: Path | None) -> None:
        rootfs = self._images.rootfs(self._image)
        shown = self._images.mounts(self._image)
        tree = {"/": str(rootfs), **{mount.destination: str(mount.source) for mount in shown}}
        tree |= {"/proc": "/proc", **({"/sys": str(sysfs)} if sysfs else {})}
        bubble.root(command, rootfs, self._container.directory, shown, overlay=overlay)
        own_ipc = "ipc" in command.join and not command.own_users
        bubble.system(command, own_ipc=own_ipc, sysfs=sysfs)
        given = {os.path.normpath(mount.container_path) for mount in self._config.mounts}
        for name in ("hosts", "hostname", "resolv.conf"):
            if f"/etc/{name}" not in given:
                command.options += ["--bind", str(self._sandbox.directory / name), f"/etc/{name}"]
        if "/dev/shm" not in given:
            command.options += ["--bind", str(self._sandbox.directory / "shm"), "/dev/shm"]
        if self.trusted:
            command.options += [option for place in apiserver.SCRATCH for option in ("--tmpfs", place)]
        self._protect(command, Tree(tree), given)
        for mount in sorted(self._config.mounts, key=lambda mount: mount.container_path.count("/")):
            destination = mount.container_path
            tree[destination] = self._mount_one(command, mount)
        program = Tree(tree)
        program.program(self._container.argv[0], self._container.environment["PATH"], self._directory)

    def _mount_one(self, command: Command, mount: Any) -> str:
        """Show a volume, or an image as one; what is now seen there."""
        if mount.HasField("image"):
            source = self._image_volume(mount)
            command.options += ["--ro-bind", str(source), mount.container_path]
            return str(source)
        fd = self._open(mount)
        bubble.bind(
            command,
            fd,
            mount.container_path,
            readonly=mount.readonly,
            recursively=mount.recursive_read_only,
        )
        return str(Path(f"/proc/self/fd/{fd}").readlink())

    def _image_volume(self, mount: Any) -> Path:
        """The files of another image, or those below a path in it."""
        if not mount.readonly:
            raise InvalidArgumentError(f'mount "{mount.container_path}": an image volume must be read-only')
        image = self._images.get(mount.image.image)
        shown = {each.destination: str(each.source) for each in self._images.mounts(image)}
        rootfs = self._images.rootfs(image)
        source = Tree({"/": str(rootfs), **shown}).resolve(mount.image_sub_path)
        if source is None or not source.is_dir():
            path = mount.image_sub_path
            raise InvalidArgumentError(f'mount "{mount.container_path}": no directory "{path}" in the image')
        return source

    def _protect(self, command: Command, tree: Tree, mounted: Collection[str]) -> None:
        """Hide and write-protect what is asked for, of what is there; volumes come on top of it."""
        if self._security.privileged:
            return
        for path in self._security.readonly_paths:
            real = tree.resolve(path)
            if real is not None and os.path.normpath(path) not in mounted:
                command.options += ["--ro-bind", str(real), path]
        for path in self._security.masked_paths:
            real = tree.resolve(path)
            if real is not None:
                bubble.mask(command, path, directory=real.is_dir())

    def _open(self, mount: Any) -> int:
        try:
            return self._files.open_or_make_directory(mount.host_path)
        except OSError as failure:
            raise CriError(
                f'failed to generate container "{self._container.id}" spec: failed to generate spec: '
                f'failed to stat "{mount.host_path}": {failure.strerror}'
            ) from failure
