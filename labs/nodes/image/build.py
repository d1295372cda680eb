"""Build the node image through Docker's API, step by step from what changes least.

    base         kindest/node, or Debian's packages (`debian`)
    libraries    the Dockerfile over it: Python, and the project's libraries for that Python
    store        images that hold nothing of the project, in containerd's store (`fill`)
    node         the Dockerfile over it: the project; and the images that hold something of it

Each step is an image, cks-labs/STEP:VARIANT, labelled with a digest of what went in; it is made again only
when that has changed.
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, BuildError, ImageNotFound
from docker.models.images import Image as DockerImage

from labs.kubelet.__main__ import VERSION
from labs.nodes.image import files, names
from labs.nodes.image.context import DOCKERFILE, Context, sources
from labs.nodes.image.debian import debian_base, debian_recipe
from labs.nodes.image.errors import ImageBuildError, explained
from labs.nodes.image.filling import fill_store
from labs.nodes.image.lock import one_at_a_time
from labs.nodes.image.pull import pull_kindest
from labs.nodes.image.real import RealPrograms
from labs.nodes.image.wheels import QUESTION, NodePython, fetch
from labs.runtime.places import SOURCE

Tell = Callable[[str], None]

LOCK = SOURCE / "requirements.lock"
#: What the images in the store are made with and from.
_STORE_SOURCES = (
    *(f"labs/nodes/image/{name}.py" for name in ("bundle", "distributions", "fill", "oci", "names")),
    *("labs/runtime/images", "labs/runtime/catalogue", "labs/runtime/places.py", "labs/controlplane/images"),
)


def build(client: docker.DockerClient, tell: Tell, *, debian: bool, real: Path | None = None) -> DockerImage:
    """The node image over Debian's packages or over kind's image; an error says why there is none."""
    if not LOCK.exists():
        raise ImageBuildError(
            f"{LOCK.name} is not beside the package: build the image from the project's sources"
        )
    variant = names.DEBIAN if debian else names.OF_KIND
    recipe = debian_recipe() if debian else names.KINDEST
    return _Builder(client, tell, variant, recipe, RealPrograms.of(real)).node()


def refresh(client: docker.DockerClient, tell: Tell, image: DockerImage) -> DockerImage:
    """`image`, or when the project has changed since, the same built again: its base, its real programs."""
    if not LOCK.exists():
        return image  # an installed package has not what it takes
    labels = image.labels
    real = RealPrograms(labels[names.REAL], RealPrograms.of_environment().files)
    return _Builder(client, tell, labels[names.VARIANT], labels[names.BASE_RECIPE], real).node()


def newest(client: docker.DockerClient) -> DockerImage | None:
    """The node image that was built last, on this machine."""
    found = [_find(client, names.NODE, variant) for variant in (names.DEBIAN, names.OF_KIND)]
    known = [image for image in found if image and names.VARIANT in image.labels]
    return max(known, key=lambda image: str(image.attrs["Created"]), default=None)


@dataclasses.dataclass(frozen=True)
class _Builder:
    """One build. `base` stands for the base image in recipes: the image itself need not be here."""

    client: docker.DockerClient
    tell: Tell
    variant: str
    base: str
    real: RealPrograms

    def node(self) -> DockerImage:
        """The image, from the cache as far as it goes."""
        recipe = _digest(self._store_recipe, *_contents(sources()))
        if image := self._have(names.NODE, recipe):
            return image
        with one_at_a_time(self.tell), explained(self.client):
            # somebody else may have built it while this one waited
            return self._have(names.NODE, recipe) or self._build(recipe)

    def _build(self, recipe: str) -> DockerImage:
        steps = (names.NODE, names.STORE, names.LIBRARIES, names.BASE)
        before = [_find(self.client, step, self.variant) for step in steps]
        store = self._store()
        self.tell("adding the project")
        project = self._docker_build(str(store.id), self._add_project)
        labels = {
            names.RECIPE: recipe,
            names.BASE_RECIPE: self.base,
            names.VARIANT: self.variant,
            names.REAL: self.real.digest,
            names.KUBERNETES: self._kubernetes(store),
        }
        entrypoint = files.DEBIAN_ENTRYPOINT if self.variant == names.DEBIAN else files.KIND_ENTRYPOINT
        changes = [*_label(labels), f"ENTRYPOINT {json.dumps([entrypoint, '/sbin/init'])}", "CMD []"]
        node = fill_store(project, f"{names.NODE}:{self.variant}", changes)
        self._forget([image for image in before if image])
        return node

    def _forget(self, before: list[DockerImage]) -> None:
        """Remove those images that have lost their names to new ones."""
        for image in before:
            # gone with one that was made from it, or kept by a node
            with contextlib.suppress(APIError):
                if not self.client.images.get(image.id).tags:
                    self.client.images.remove(image.id)

    def _kubernetes(self, store: DockerImage) -> str:
        """The version of the base's or the given Kubernetes, else of the one that ours behaves like."""
        if self.variant == names.OF_KIND:
            return names.KINDEST.partition("@")[0].partition(":")[2]
        if not self.real.digest:
            return VERSION
        said = self.client.containers.run(
            store.id, ["--version"], entrypoint=["/usr/bin/kubelet"], remove=True
        )
        return str(said.decode().split()[-1])

    @functools.cached_property
    def _libraries_recipe(self) -> str:
        return _digest(
            self.base, *_contents([LOCK, DOCKERFILE, Path(__file__).with_name("distributions.py")])
        )

    @functools.cached_property
    def _store_recipe(self) -> str:
        places = [SOURCE / name for name in _STORE_SOURCES]
        used = (file for file in sources() if any(file.is_relative_to(place) for place in places))
        return _digest(self._libraries_recipe, self.real.digest, *_contents(used))

    def _have(self, step: str, recipe: str) -> DockerImage | None:
        image = _find(self.client, step, self.variant)
        return image if image and image.labels.get(names.RECIPE) == recipe else None

    def _store(self) -> DockerImage:
        if image := self._have(names.STORE, self._store_recipe):
            return image
        programs = self.real.require()
        libraries = self._libraries()
        self.tell("filling containerd's store")
        changes = _label({names.RECIPE: self._store_recipe})
        return fill_store(libraries, f"{names.STORE}:{self.variant}", changes, programs)

    def _libraries(self) -> DockerImage:
        if image := self._have(names.LIBRARIES, self._libraries_recipe):
            return image
        base = (debian_base if self.variant == names.DEBIAN else pull_kindest)(self.client, self.tell)
        self.tell("installing Python")
        tools = self._docker_build(str(base.id), lambda context: None)
        answer = self.client.containers.run(
            tools.id, ["-c", QUESTION], entrypoint=["/usr/bin/python3"], remove=True, network_disabled=True
        )
        python = NodePython(**json.loads(answer))
        self.tell(f"fetching libraries for Python {python.short}")
        with fetch(LOCK, python) as site_packages:

            def add(context: Context) -> None:
                context.add_tree("root/opt/cks-labs/site-packages", site_packages)
                for path, target in files.LIBRARY_LINKS.items():
                    context.add_link(f"root/{path}", target)

            labels = {names.RECIPE: self._libraries_recipe}
            return self._docker_build(str(tools.id), add, f"{names.LIBRARIES}:{self.variant}", labels)

    def _add_project(self, context: Context) -> None:
        context.add_sources("root/opt/cks-labs/src")
        texts = files.COMMON
        if self.variant == names.DEBIAN:
            texts = texts | files.DEBIAN | ({} if self.real.digest else files.CRICTL)
            for path, target in files.DEBIAN_LINKS.items():
                context.add_link(f"root/{path}", target)
            for path in files.DEBIAN_DIRECTORIES:
                context.add_directory(f"root/{path}")
        for path, text in texts.items():
            context.add(f"root/{path}", text)

    def _docker_build(
        self,
        base: str,
        add: Callable[[Context], None],
        tag: str | None = None,
        labels: dict[str, str] | None = None,
    ) -> DockerImage:
        """The Dockerfile over `base`, with the files that `add` puts into the context's root/."""
        with Context.temporary() as context:
            context.add_file("Dockerfile", DOCKERFILE)
            context.add_directory("root/opt/cks-labs")
            add(context)
            try:
                image, _ = self.client.images.build(
                    fileobj=context.finish(),
                    custom_context=True,
                    buildargs={"BASE": base},
                    tag=tag,
                    labels=labels or {},
                    rm=True,
                    forcerm=True,
                )
            except BuildError as error:
                said = [
                    line for entry in error.build_log for line in entry.get("stream", "").splitlines() if line
                ]
                raise ImageBuildError(
                    f"building the node image failed: {' '.join(said[-1:])}: {error}"
                ) from None
        return image


def _find(client: docker.DockerClient, step: str, variant: str) -> DockerImage | None:
    try:
        return client.images.get(f"{step}:{variant}")
    except ImageNotFound:
        return None


def _label(labels: dict[str, str]) -> list[str]:
    return [f'LABEL "{name}"="{value}"' for name, value in labels.items()]


def _contents(paths: Iterable[Path]) -> Iterator[tuple[str, str]]:
    for path in paths:
        yield str(path.relative_to(SOURCE)), hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
