"""Fill the store of the node's containerd, at build time: `labs.nodes.image.fill WORK [--project]`.

A boot then imports and unpacks nothing. WORK is a directory on a file system of its own (a volume): overlay
mounts, with which layers are unpacked, do not go on top of the overlay that the image itself is. The images
that hold something of the project come last, in a run of their own: they change with every change of it.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labs.errors import LabsError
from labs.nodes.image.bundle import Bundle
from labs.nodes.image.names import LOCAL, NAMESPACE
from labs.nodes.image.oci import Layout

STORE = Path("/var/lib/containerd")
LAYERS = Path("/opt/cks-labs/layers")
#: In kind's image. Its entry point may choose another snapshotter, which will have to unpack the layers anew.
KIND = Path("/kind")
_CONFIG = """\
version = 2
root = "{work}/store"
state = "{work}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{work}/socket"
"""


class FillError(LabsError):
    """containerd did not take the images."""


def fill(work: Path, *, project: bool) -> None:
    """Import images of the catalogue, and of the programs in `work`/real when it is there."""
    with tempfile.TemporaryDirectory(dir=work) as directory:
        layout = Layout(Path(directory))
        bundle = Bundle(layout)
        bundle.add_catalogue(project=project)
        if (work / "real").is_dir():
            bundle.add_real(work / "real")
        STORE.mkdir(mode=0o711, exist_ok=True)
        subprocess.run(["cp", "-a", STORE, work / "store"], check=True)
        with _containerd(work) as ctr:
            importing = subprocess.Popen([*ctr, "images", "import", "-"], stdin=subprocess.PIPE)
            assert importing.stdin is not None
            with importing.stdin as stream:
                layout.write(stream)
            if importing.wait():
                raise FillError("ctr could not import the images")
            if not KIND.is_dir():
                _forget_layers(ctr, layout)
    subprocess.run(["cp", "-a", "--update", f"{work}/store/.", STORE], check=True)
    _keep_layers_out_of_var()


def _keep_layers_out_of_var() -> None:
    """Move unpacked layers to where they stay in the image, behind links.

    /var is a volume, and Docker copies into a new one what the image has there: two seconds for these files.
    """
    LAYERS.mkdir(parents=True, exist_ok=True)
    for files in STORE.glob("io.containerd.snapshotter.v1.overlayfs/snapshots/*/fs"):
        if not files.is_symlink():
            place = LAYERS / files.parent.name
            files.rename(place)
            files.symlink_to(place)


def _forget_layers(ctr: list[str], layout: Layout) -> None:
    """The layers are unpacked: as kind does, keep no second copy. The garbage goes when a name is removed."""
    name, passing = layout.names[0], f"{LOCAL}/passing:0"
    for command in (
        ["content", "rm", *sorted(layout.layers)],
        ["images", "tag", name, passing],
        ["images", "rm", "--sync", passing],
    ):
        subprocess.run([*ctr, *command], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def _containerd(work: Path) -> Iterator[list[str]]:
    """A containerd of our own while the block runs; yields how to call its client."""
    config = work / "config.toml"
    config.write_text(_CONFIG.format(work=work))
    ctr = ["ctr", "--address", f"{work}/socket", "--namespace", NAMESPACE]
    with (work / "log").open("wb") as log:
        daemon = subprocess.Popen(["containerd", "--config", config], stdout=log, stderr=log)
    try:
        while subprocess.run([*ctr, "version"], capture_output=True, check=False).returncode:
            if daemon.poll() is not None:
                raise FillError(f"containerd does not start: {(work / 'log').read_text().splitlines()[-1]}")
            time.sleep(0.05)
        yield ctr
    finally:
        daemon.terminate()
        daemon.wait()


if __name__ == "__main__":
    try:
        fill(Path(sys.argv[1]), project="--project" in sys.argv)
    except LabsError as error:
        sys.exit(str(error))
