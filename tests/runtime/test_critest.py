"""cri-tools' own validation suite against our runtime, in its node: every case that it does not skip passes.

It needs the real critest: $CKS_LABS_REAL names a directory that has it, plain or as `critest.xz`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.conftest import booted, unpack
from tests.runtime.harness import RuntimeNode

#: What our runtime does not have at all, as cri-tools names its cases.
SKIPPED = "benchmark|AppArmor|SELinux|[Ss]eccomp|[Mm]ountPropagation|mount propagation"

#: Cases that fail for a reason, each with it.
FAILING = {
    "NoNewPrivs": "bubblewrap gives every process no_new_privs",
    "runtime should support execSync with timeout": "the machine's busybox has no pgrep",
    "HostIpc is": "the machine's busybox has no ipcs",
    "runtime should support MaskedPaths": "the machine's busybox runs applets without looking for /bin/ls",
    "public image with digest should be pulled": "an image of the catalogue has a name",
    "public image should timeout if requested": "there is nothing to wait for: images are on the node",
}

#: Cases that need other users than root, which a node may not have.
OTHER_USERS = ("runtime should support RunAs", "SupplementalGroups")

CRI_TOOLS = "gcr.io/k8s-staging-cri-tools"
E2E = "registry.k8s.io/e2e-test-images"
#: Looks like nginx to `pidof` and in its command line.
NGINX = """#!/bin/sh
mkdir -p /var/run
echo $$ > /var/run/nginx.pid
sleep 100000
"""
IMAGES = [
    {"names": [f"{CRI_TOOLS}/test-image-tag:test"]},
    {"names": [f"{CRI_TOOLS}/test-image-tag:all"]},
    {"names": [f"{CRI_TOOLS}/test-image-latest:latest"]},
    *({"names": [f"{CRI_TOOLS}/test-image-{number}:latest"]} for number in (1, 2, 3)),
    {"names": [f"{CRI_TOOLS}/test-image-tags:{number}" for number in (1, 2, 3)]},
    {"names": [f"{CRI_TOOLS}/test-image-user-uid:latest"], "user": "1002"},
    {"names": [f"{CRI_TOOLS}/test-image-user-uid-group:latest"], "user": "1003:1003"},
    {"names": [f"{CRI_TOOLS}/test-image-user-username:latest"], "user": "www-data"},
    {"names": [f"{CRI_TOOLS}/test-image-user-username-group:latest"], "user": "www-data:www-data"},
    {
        "names": [f"{CRI_TOOLS}/test-image-predefined-group:latest"],
        "files": {
            "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\ndefault-user:x:1000:1000::/home:/bin/sh\n",
            "/etc/group": "root:x:0:\ndefault-user:x:1000:\ngroup-defined-in-image:x:50000:default-user\n",
        },
    },
    {"names": ["registry.k8s.io/pause:3.9", "k8s.gcr.io/pause:3.9"], "cmd": ["sleep", "100000"]},
    {
        "names": [f"{E2E}/httpd:2.4.39-4"],
        "files": {"/www/index.html": "It works!\n"},
        "cmd": ["sh", "-c", "echo httpd; exec httpd -f -p 80 -h /www"],
    },
    {
        "names": [f"{CRI_TOOLS}/hostnet-nginx-amd64:latest"],
        "files": {"/www/index.html": "It works!\n"},
        "cmd": ["httpd", "-f", "-p", "12003", "-h", "/www"],
    },
    {
        "names": [f"{E2E}/nginx:1.14-2"],
        "files": {"/sbin/nginx": NGINX},
        "cmd": ["/sbin/nginx", "master process"],
    },
]


@pytest.fixture
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeNode]:
    """A node whose catalogue has what the suite's images are called."""

    def add_images(node: RuntimeNode) -> None:
        directory = node.trusted / "catalogue"
        directory.mkdir()
        for number, image in enumerate(IMAGES):
            definition = {"base": "busybox", "cmd": ["sleep", "100000"], **image}
            (directory / f"{number:02}.json").write_text(json.dumps(definition))

    yield from booted(tmp_path_factory, before=add_images)


@pytest.fixture
def critest(node: RuntimeNode) -> str:
    """The real suite, where the node has it."""
    real = os.environ.get("CKS_LABS_REAL")
    if real is None:
        pytest.skip("$CKS_LABS_REAL does not name a directory with critest")
    unpack(Path(real), "critest", node.rootfs / "root/critest")
    images = {"defaultTestContainerImage": "busybox:1.36", "webServerTestImage": "nginx:1.27"}
    text = "".join(f"{key}: docker.io/library/{image}\n" for key, image in images.items())
    (node.rootfs / "root/images.yaml").write_text(text)
    return "/root/critest"


@pytest.mark.long
@pytest.mark.parametrize("transport", ["spdy", "websocket"])
def test_every_case_of_the_validation_suite_passes_but_for_a_reason(
    node: RuntimeNode, critest: str, transport: str
) -> None:
    socket = "unix:///run/containerd/containerd.sock"
    options = ["--runtime-endpoint", socket, "--image-endpoint", socket]
    options += ["--test-images-file", "/root/images.yaml", "--ginkgo.v", "--ginkgo.no-color"]
    if transport == "websocket":
        options += [f"--websocket-{kind}" for kind in ("exec", "attach", "portforward")]
        options += ["--ginkgo.focus", "Streaming"]
    alone = node.sh("awk '{n += $3} END {print n}' /proc/self/uid_map") == "1\n"
    skipped = "|".join([SKIPPED, *FAILING, *(OTHER_USERS if alone else ())])

    _, report = node.run_long("chroot", "/node", critest, *options, "--ginkgo.skip", skipped, view="trusted")

    summary = re.search(r"(\d+) Passed \| (\d+) Failed", report)
    assert summary is not None, report
    assert re.findall(r"^  \[FAIL\] (.*)$", report, re.MULTILINE) == []
    assert int(summary[1]) >= (65 if transport == "spdy" else 5)
