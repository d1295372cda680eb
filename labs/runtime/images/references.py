"""Names of images, as containerd reads them.

>>> normalize("busybox:1.36")
'docker.io/library/busybox:1.36'
"""

import re

from labs.runtime.errors import InvalidArgumentError

_REFERENCE = re.compile(
    r"(?P<name>(?:[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?::[0-9]+)?/)?[a-z0-9]+(?:[._-]+[a-z0-9]+)*"
    r"(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


def normalize(reference: str) -> str:
    """The full name of what a short one means; `InvalidArgumentError` for what cannot be a name."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        why = "invalid reference format"
        if _REFERENCE.fullmatch(reference.lower()):
            why += ": repository name must be lowercase"
        raise InvalidArgumentError(f'failed to parse image reference "{reference}": {why}')
    name, tag, digest = match["name"], match["tag"], match["digest"]
    first, _, rest = name.partition("/")
    if not rest:
        name = f"docker.io/library/{name}"
    elif "." not in first and ":" not in first and first != "localhost":
        name = f"docker.io/{name}"
    if digest:
        return f"{name}@{digest}"
    return f"{name}:{tag or 'latest'}"


def manifest_url(reference: str) -> str:
    """Where containerd looks for the image first: what its error message names."""
    name, _, version = reference.rpartition("@") if "@" in reference else reference.rpartition(":")
    host, _, path = name.partition("/")
    if host == "docker.io":
        host = "registry-1.docker.io"
    return f"https://{host}/v2/{path}/manifests/{version}"
