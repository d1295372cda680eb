"""What the real server refuses to start with, it says in these words; recorded from kube-apiserver 1.36.2.

A line of refused.jsonl: which flags of kubeadm's manifest are changed (null: left out), which are added, the
files they name, the exit status, and what was said last. `{dir}` holds the files, `{pki}` the certificates,
`{taken}` is a port on which somebody listens, `{port}` a free one, `{rsa}` a key of another kind.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from labs.controlplane.apiserver import __main__ as apiserver
from labs.controlplane.apiserver import tls
from labs.controlplane.apiserver.options import Fatal, InvalidOptions
from labs.controlplane.flags import FlagError

from .plane import Plane
from .recordings import filler, write_files

RECORDED = [json.loads(line) for line in Path(__file__).with_name("refused.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def unstarted(tmp_path_factory: pytest.TempPathFactory) -> Plane:
    return Plane(tmp_path_factory.mktemp("refused"))


@pytest.fixture(scope="module")
def rsa_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = tmp_path_factory.mktemp("rsa") / "rsa.key"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path


@pytest.fixture(scope="module")
def taken() -> Iterator[int]:
    with socket.create_server(("0.0.0.0", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("case", RECORDED, ids=[case["case"] for case in RECORDED])
def test_the_server_is_refused_its_start_in_the_real_words(
    case: dict[str, Any], unstarted: Plane, taken: int, rsa_key: Path, tmp_path: Path
) -> None:
    port = str(taken) if "{taken}" in json.dumps(case["flags"]) else str(unstarted.port)
    places = {"{dir}": tmp_path, "{pki}": unstarted.pki, "{taken}": taken, "{port}": port, "{rsa}": rsa_key}
    placed = filler(places)
    write_files(case, tmp_path, placed)
    changes = {name: value and placed(value) for name, value in case["flags"].items()}
    arguments = [*unstarted.flags(**changes), *map(placed, case["more"])]

    assert _refusal(arguments) == (case["status"], placed(case["says"]))


def _refusal(arguments: list[str]) -> tuple[int, str]:
    """The exit status that `main` would have, and the message of its last line."""
    try:
        prepared = apiserver.prepare(arguments)
        with prepared.listener:
            tls.etcd(prepared.options)
            apiserver.prepare_backend(prepared.options)
    except FlagError as error:
        return 1, f"Error: {error}"
    except InvalidOptions as error:
        return 1, str(error)
    except Fatal as error:
        return 255, str(error)
    return 0, "it starts"
