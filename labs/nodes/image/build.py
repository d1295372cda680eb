"""Build the node image through Docker's API: base, libraries, containerd's store, project.

Each step keeps its result as an image that is labelled with a digest of what went in, and is made again only
when that changes. The steps, from what changes least:

    base         kindest/node, or Debian's packages (`debian`)
    libraries    the Dockerfile's first part: Python, and the libraries for it
    store        images that hold nothing of the project, in containerd's store (`fill`)
    node         the Dockerfile's second part, and the images that hold something of the project
"""

import hashlib
import json
import lzma
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.errors import BuildError, DockerException, ImageNotFound
from docker.models.containers import Container
from docker.models.images import Image as DockerImage

from labs.errors import LabsError
from labs.kubelet.__main__ import VERSION
from labs.nodes.image import files, names
from labs.nodes.image.context import HERE, Context, sources
from labs.nodes.image.debian import debian_base
from labs.nodes.image.wheels import QUESTION, NodePython, fetch
from labs.runtime.places import SOURCE

REAL_PROGRAMS = ("kubelet", "kube-apiserver", "kube-scheduler", "kube-controller-manager", "crictl")
_WORK = "/fill"

Tell = Callable[[str], None]


class ImageBuildError(LabsError):
    """The image cannot be built; the message says why."""


def build(client: docker.DockerClient, progress: Tell, *, debian: bool, real: Path | None = None) -> DockerImage:
    """The node image over the base of Debian's packages, or over kind's; built unless nothing changed."""
    programs = real_programs(real) if real else {}
    base = debian_base(client, progress) if debian else _pull(client, progress)
    builder = _Builder(client, progress, base, names.DEBIAN_NODE if debian else names.KINDEST_NODE, programs)
    return builder.node()


def real_programs(directory: Path) -> dict[str, Path]:
    """The real components in `directory`, plain or .xz; an error names the first that is missing."""
    found = {}
    for name in REAL_PROGRAMS:
        file = next((file for file in (directory / name, directory / f"{name}.xz") if file.is_file()), None)
        if file is None:
            raise ImageBuildError(f"--real {directory}: there is no {name} or {name}.xz in it")
        found[name] = file
    return found


def _pull(client: docker.DockerClient, progress: Tell) -> str:
    try:
        return str(client.images.get(names.KINDEST).id)
    except ImageNotFound:
        pass
    progress("pulling kind's node image (0.4 GB)")
    repository, _, digest = names.KINDEST.partition("@")
    try:
        return str(client.images.pull(f"{repository.partition(':')[0]}@{digest}").id)
    except DockerException as error:
        raise ImageBuildError(
            f"cannot pull {names.KINDEST.partition('@')[0]}: {error}; "
            "without a registry: labs node-image build --from-debian"
        ) from None


@dataclass
class _Builder:
    client: docker.DockerClient
    progress: Tell
    base: str
    tag: str
    real: dict[str, Path]

    @property
    def debian(self) -> bool:
        return self.tag == names.DEBIAN_NODE

    def node(self) -> DockerImage:
        lock = SOURCE / "requirements.lock"
        libraries = _digest([self.base, *_contents(lock, HERE / "Dockerfile", HERE / "wheels.py")])
        own = [SOURCE / "labs/nodes/image", SOURCE / "labs/runtime", SOURCE / "labs/controlplane/images"]
        store = _digest(
            [
                libraries,
                *_contents(*(file for file in sources() if any(file.is_relative_to(place) for place in own))),
                *((name, file.stat().st_size, file.stat().st_mtime_ns) for name, file in self.real.items()),
            ]
        )
        node = _digest([store, *_contents(*sources())])
        if image := self._have(self.tag, node):
            return image
        with tempfile.TemporaryDirectory(prefix="cks-labs-") as directory:
            work = Path(directory)
            if not (filled := self._have(f"{self.tag}-store", store)):
                if not (made := self._have(f"{self.tag}-libraries", libraries)):
                    made = self._libraries(work, lock, libraries)
                self.progress("filling containerd's store")
                filled = self._fill(made, f"{self.tag}-store", {names.RECIPE: store}, project=False)
            self.progress("adding the project")
            project = self._docker_build(str(filled.id), self._project)
            labels = {
                names.RECIPE: node,
                names.BASE: "debian" if self.debian else "kindest",
                names.REAL: str(bool(self.real) or not self.debian).lower(),
                names.KUBERNETES: VERSION,
            }
            image = self._fill(project, self.tag, labels, project=True)
        return image

    def _find(self, tag: str) -> DockerImage | None:
        try:
            return self.client.images.get(tag)
        except ImageNotFound:
            return None

    def _have(self, tag: str, recipe: str) -> DockerImage | None:
        image = self._find(tag)
        return image if image and image.labels.get(names.RECIPE) == recipe else None

    def _libraries(self, work: Path, lock: Path, recipe: str) -> DockerImage:
        self.progress("installing Python")
        tools = self._docker_build(self.base, lambda context: None)
        answer = self.client.containers.run(
            tools.id, ["-c", QUESTION], entrypoint=["/usr/bin/python3"], remove=True, network_disabled=True
        )
        python = NodePython(**json.loads(answer))
        self.progress(f"fetching libraries for Python {python.short}")
        fetch(lock, python, work / "site-packages")

        def libraries(context: Context) -> None:
            context.add_tree("root/opt/cks-labs/site-packages", work / "site-packages")
            for path, target in files.LIBRARY_LINKS.items():
                context.add_link(f"root/{path}", target)

        self.progress("adding the libraries")
        return self._docker_build(str(tools.id), libraries, f"{self.tag}-libraries", {names.RECIPE: recipe})

    def _project(self, context: Context) -> None:
        context.add_sources("root/opt/cks-labs/src")
        texts = files.COMMON | (files.DEBIAN if self.debian else {})
        for path, text in texts.items():
            context.add(f"root/{path}", text)
        if self.debian:
            for path, target in files.DEBIAN_LINKS.items():
                context.add_link(f"root/{path}", target)
            for path in files.DEBIAN_DIRECTORIES:
                context.add_directory(f"root/{path}")
            if not self.real:
                for path, text in files.CRICTL.items():
                    context.add(f"root/{path}", text)

    def _docker_build(
        self,
        base: str,
        add: Callable[[Context], None],
        tag: str | None = None,
        labels: dict[str, str] | None = None,
    ) -> DockerImage:
        """The Dockerfile over `base`, with the files that `add` puts into the context's root/."""
        with tempfile.TemporaryFile() as file:
            context = Context(file)
            context.add_file("Dockerfile", HERE / "Dockerfile")
            context.add_directory("root/opt/cks-labs")
            add(context)
            context.close()
            file.seek(0)
            try:
                image, _ = self.client.images.build(
                    fileobj=file,
                    custom_context=True,
                    buildargs={"BASE": base},
                    tag=tag,
                    labels=labels or {},
                    rm=True,
                    forcerm=True,
                )
            except BuildError as error:
                raise ImageBuildError(f"building the node image failed: {error}") from None
        return image

    def _fill(self, base: DockerImage, tag: str, labels: dict[str, str], *, project: bool) -> DockerImage:
        """Fill containerd's store in a container of `base`; the image `tag` is what it has become."""
        container = self.client.containers.create(
            base.id,
            entrypoint=["sleep", "infinity"],
            command=[],
            volumes=[_WORK],
            network_disabled=True,
            cap_add=["SYS_ADMIN"],
            security_opt=["seccomp=unconfined", "apparmor=unconfined"],
        )
        try:
            container.start()
            command = ["/usr/bin/python3", "-I", "-S", "/opt/cks-labs/src/labs/nodes/boot.py"]
            if not project:
                self._send_programs(container)
                command[-1] = f"{_WORK}/src/labs/nodes/boot.py"
            command += ["labs.nodes.image.fill", _WORK, *(["--project"] if project else [])]
            status, output = container.exec_run(command)
            if status:
                raise ImageBuildError(f"filling the store failed: {output.decode().strip()}")
            repository, _, version = tag.partition(":")
            changes = [f'LABEL "{name}"="{value}"' for name, value in labels.items()]
            changes += [f"ENTRYPOINT {json.dumps(self._entrypoint)}", "CMD []"]
            image: DockerImage = container.commit(repository, version, changes="\n".join(changes))
            return image
        finally:
            container.remove(v=True, force=True)

    @property
    def _entrypoint(self) -> list[str]:
        own = "/opt/cks-labs/bin/entrypoint" if self.debian else "/usr/local/bin/entrypoint"
        return [own, "/sbin/init"]

    def _send_programs(self, container: Container) -> None:
        """What the first filling needs: the project, which is not in the image yet, and the real programs."""
        with tempfile.TemporaryFile() as file:
            context = Context(file)
            context.add_sources("src")
            context.add_link("site-packages", "/opt/cks-labs/site-packages")
            with tempfile.TemporaryDirectory() as directory:
                for name, source in self.real.items():
                    place = {"kubelet": "kubelet", "crictl": "crictl"}.get(name, f"real/{name}")
                    context.add_file(place, _plain(source, Path(directory)))
            context.close()
            file.seek(0)
            container.put_archive(_WORK, file)
        for name, place in (("kubelet", "/usr/bin/kubelet"), ("crictl", "/usr/local/bin/crictl")):
            if name in self.real:
                container.exec_run(["mv", f"{_WORK}/{name}", place])


def _plain(file: Path, directory: Path) -> Path:
    """The file itself, or what is compressed in it."""
    if file.suffix != ".xz":
        return file
    plain = directory / file.stem
    with lzma.open(file) as compressed, plain.open("wb") as program:
        shutil.copyfileobj(compressed, program, 1 << 20)
    plain.chmod(0o755)
    return plain


def _contents(*paths: Path) -> Iterator[tuple[str, str]]:
    for path in paths:
        yield str(path.relative_to(SOURCE)), hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
