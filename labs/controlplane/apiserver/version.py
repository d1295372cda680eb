"""The version that is shown: the Kubernetes release whose behaviour this server has."""

import platform

from labs.controlplane.version import GIT_VERSION, GO_VERSION

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": GIT_VERSION,
    "gitCommit": "unknown",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": GO_VERSION,
    "compiler": "gc",
    "platform": f"linux/{_ARCHITECTURES.get(platform.machine(), platform.machine())}",
}
