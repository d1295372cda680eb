"""Why a manifest is not run.

    ManifestError
    ├── ParseError             not a Pod at all: YAML, kind, version, types
    ├── InvalidPodError        a Pod that the API's validation refuses
    ├── NamelessPodError       a Pod without a name
    └── ReferenceRefusedError  a Pod that needs an object of the API

The texts are upstream's (`pkg/kubelet/config/common.go`, `file.go`); the source puts the file's path around.
"""


class ManifestError(Exception):
    """A manifest cannot become a static pod; the text says why in upstream's words."""


class ParseError(ManifestError):
    """The document is not a Pod."""


class InvalidPodError(ManifestError):
    """Validation refused it; `causes` are the single findings, in upstream's order."""

    def __init__(self, *causes: str) -> None:
        self.causes = causes
        super().__init__(f"invalid pod: [{' '.join(causes)}]")


class NamelessPodError(ManifestError):
    """`metadata.name` is missing."""

    def __init__(self) -> None:
        super().__init__("invalid pod: name is needed for the pod")


class ReferenceRefusedError(ManifestError):
    """A static pod may not need API objects."""

    def __init__(self, resource: str) -> None:
        super().__init__(f"static pods may not reference {resource}")
