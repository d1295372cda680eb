"""Fill containerd's store in an image: run `fill` in a container of it, and commit what that has become."""

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from docker.models.containers import Container
from docker.models.images import Image as DockerImage

from labs.nodes.image.context import Context
from labs.nodes.image.errors import ImageBuildError
from labs.nodes.image.real import plain

#: A volume in the container: see `fill`.
_WORK = "/fill"
_PLACES = {"kubelet": "/usr/bin/kubelet", "crictl": "/usr/local/bin/crictl"}


def fill_store(
    base: DockerImage, tag: str, changes: Iterable[str], programs: Mapping[str, Path] | None = None
) -> DockerImage:
    """The image `tag`: `base` with more images in containerd's store, its configuration changed by `changes`.

    With `programs`, which may be empty, `base` has no project yet, and those images are added that hold
    nothing of it: the catalogue's and the given programs'. Without, those that do.
    """
    client = base.client
    container: Container = client.containers.create(
        base.id,
        entrypoint=["sleep", "infinity"],
        command=[],
        volumes=[_WORK],
        network_disabled=True,
        cap_add=["SYS_ADMIN"],  # to mount the layers that are unpacked
        security_opt=["seccomp=unconfined", "apparmor=unconfined", "label=disable"],
    )
    try:
        container.start()
        source = "/opt/cks-labs"
        if programs is not None:
            _send(container, programs)
            source = _WORK
        command = [
            "/usr/bin/python3",
            "-I",
            "-S",
            f"{source}/src/labs/nodes/boot.py",
            "labs.nodes.image.fill",
            _WORK,
        ]
        _run(container, *command, *(["--project"] if programs is None else []))
        repository, _, version = tag.partition(":")
        image: DockerImage = container.commit(repository, version, changes="\n".join(changes))
    finally:
        container.remove(v=True, force=True)
    return image


def _send(container: Container, programs: Mapping[str, Path]) -> None:
    """The project, for as long as the container is there, and the programs: to where they belong."""
    with Context.temporary() as archive, tempfile.TemporaryDirectory(prefix="cks-labs-") as directory:
        archive.add_sources("src")
        archive.add_link("site-packages", "/opt/cks-labs/site-packages")
        for name, file in programs.items():
            archive.add_file(name if name in _PLACES else f"real/{name}", plain(file, Path(directory)), 0o755)
        container.put_archive(_WORK, archive.finish())
    for name, place in _PLACES.items():
        if name in programs:
            _run(container, "mv", f"{_WORK}/{name}", place)


def _run(container: Container, *command: str) -> None:
    status, output = container.exec_run(list(command))
    if status:
        said = output.decode(errors="replace").strip().splitlines()
        raise ImageBuildError(f"filling the store of the node image failed: {' '.join(said[-1:])}")
