"""The images of the catalogue as OCI images, made on a node from the node's own files.

Runs in the node image (see `fill`): Python, busybox and the libraries in the images are the node's. What an
embedded node shows its containers of the machine is copied here, as little of it as the programs need.
"""

import importlib.metadata
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from labs.nodes.image.distributions import OF_THE_CONTROL_PLANE, closure
from labs.nodes.image.names import BUNDLED_IMAGES, REAL_IMAGES
from labs.nodes.image.oci import Blob, Layout
from labs.runtime.images import build
from labs.runtime.images.definition import Image
from labs.runtime.images.store import read_catalogue
from labs.runtime.places import SOURCE, Places

#: The real control plane; etcd is always the real one.
REAL_COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
#: Images that hold the project's own control plane have their names below this one.
_CONTROL_PLANE = "registry.k8s.io/kube-"

#: Parts of the standard library that no server needs.
_UNUSED = ("test", "idlelib", "lib2to3", "ensurepip", "pydoc_data", "tkinter", "turtledemo", "dist-packages")
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Bundle:
    """The images of a node, written to an OCI layout."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        places = Places(Path("/nowhere"), Path("/nowhere"))
        self._own, self._variables = places.state / "catalogue", places.variables
        self._python: Blob | None = None
        self._libraries: Blob | None = None

    def add_catalogue(self, *, project: bool) -> None:
        """What an embedded node has: the images that hold something of the project's own, or all others.

        Without a pause program, the base brings a pause image of its own.
        """
        for image in read_catalogue(SOURCE, self._own, self._variables):
            if project != any(mount.source.is_relative_to(SOURCE) for mount in image.mounts):
                continue
            if image.entrypoint != ("/pause",):
                self._add(image)
            elif pause := shutil.which("catatonit"):
                self._add_program(image.names[0], Path(pause), "/pause", ["/pause", "-P"])

    def add_real(self, directory: Path) -> None:
        """The real control plane's programs, each in an image of its own, as Kubernetes ships them."""
        for component in REAL_COMPONENTS:
            program = directory / component
            version = subprocess.run(
                [program, "--version"], capture_output=True, text=True, check=True
            ).stdout
            name = f"{REAL_IMAGES}/{component}:{version.split()[-1]}"
            self._add_program(name, program, f"/usr/local/bin/{component}", [])

    def _add_program(self, name: str, program: Path, place: str, entrypoint: list[str]) -> None:
        with tempfile.TemporaryDirectory(dir=self.layout.directory) as directory:
            copy = Path(directory) / place.lstrip("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(program, copy)
            copy.chmod(0o755)
            layer = self._layer(Path(directory))
        self.layout.add_image([name], {"Entrypoint": entrypoint, "Env": [_PATH], "WorkingDir": "/"}, [layer])

    def _add(self, image: Image) -> None:
        layers = []
        if image.base == "host":
            layers.append(self._python_layer())
        if any(str(mount.source) == self._variables["site_packages"] for mount in image.mounts):
            layers.append(self._library_layer())
        layers.append(self._own_layer(image))
        names = [
            name.replace("registry.k8s.io", BUNDLED_IMAGES) if name.startswith(_CONTROL_PLANE) else name
            for name in image.names
        ]
        self.layout.add_image(names, _config(image), layers)

    def _own_layer(self, image: Image) -> Blob:
        with tempfile.TemporaryDirectory(dir=self.layout.directory) as directory:
            root = Path(directory) / "rootfs"
            base = "busybox" if image.base == "host" else image.base
            build.build(replace(image, base=base, mounts=()), root)
            for mount in image.mounts:
                if not mount.shared:
                    _copy(mount.source, root / mount.destination.lstrip("/"))
            return self._layer(root)

    def _python_layer(self) -> Blob:
        """Python without site-packages: the interpreter, the standard library, and what they link to."""
        if self._python is None:
            with tempfile.TemporaryDirectory(dir=self.layout.directory) as directory:
                root = Path(directory)
                for link, target in (("lib", "usr/lib"), ("lib64", "usr/lib64")):
                    (root / target).mkdir(parents=True)
                    (root / link).symlink_to(target)
                library = Path(sysconfig.get_path("stdlib"))
                ignored = shutil.ignore_patterns(*_UNUSED, "config-*")
                shutil.copytree(library, root / str(library).lstrip("/"), ignore=ignored)
                interpreter = Path(self._variables["python"])
                _copy(interpreter, root / str(interpreter).lstrip("/"))
                (root / "usr/bin/python3").symlink_to(interpreter.name)
                site_packages = Path(self._variables["site_packages"])
                linked = [
                    interpreter,
                    *(library / "lib-dynload").glob("*.so"),
                    *site_packages.glob("*/**/*.so"),
                ]
                for file in _shared_libraries(linked):
                    _copy(file, root / str(file).lstrip("/"))
                self._python = self._layer(root)
        return self._python

    def _library_layer(self) -> Blob:
        """The part of the node's site-packages that the control plane imports."""
        if self._libraries is None:
            site_packages = Path(self._variables["site_packages"])
            with tempfile.TemporaryDirectory(dir=self.layout.directory) as directory:
                copy = Path(directory) / str(site_packages).lstrip("/")
                for name in closure(OF_THE_CONTROL_PLANE):
                    for file in importlib.metadata.files(name) or ():
                        if ".." not in file.parts:
                            _copy(Path(str(file.locate())), copy / file)
                _compile(Path(directory))
                self._libraries = self._layer(Path(directory))
        return self._libraries

    def _layer(self, root: Path) -> Blob:
        root.chmod(0o755)
        return self.layout.add_layer(root)


def _config(image: Image) -> dict[str, Any]:
    """A definition in OCI's words."""
    return {
        "Entrypoint": list(image.entrypoint),
        "Cmd": list(image.cmd),
        # containerd gives a variable whatever the arguments are
        "Env": [f"{name}={value}" for name, value in image.env.items() if name not in image.yields],
        "WorkingDir": image.working_dir,
        "User": image.user,
        "StopSignal": image.stop_signal,
        "ExposedPorts": {f"{port}/tcp": {} for port in image.ports},
    }


def _shared_libraries(programs: list[Path]) -> set[Path]:
    """What the loader would map for `programs`, itself included."""
    shown = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    return {Path(path) for path in re.findall(r"^\s+(?:\S+ => )?(/\S+) \(0x", shown, re.MULTILINE)}


def _copy(source: Path, destination: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, destination, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        _compile(destination)
    else:
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, destination)


def _compile(directory: Path) -> None:
    subprocess.run([sys.executable, "-m", "compileall", "-q", directory], check=True)
