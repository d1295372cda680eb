"""Image names as distribution/reference reads them: what is valid, and the tag that is meant."""

import re

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_TAG = r"[\w][\w.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(rf"(?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*(:{_TAG})?(@{_DIGEST})?", re.ASCII)
_HEX = re.compile(r"[a-f0-9]{64}")


class ImageNameError(Exception):
    """No name of an image, in upstream's words."""


def with_tag(name: str) -> str:
    """The name with `:latest` where it has neither tag nor digest. Raises ImageNameError."""
    if _HEX.fullmatch(name):
        why = f"invalid repository name ({name}), cannot specify 64-byte hexadecimal strings"
        raise _wrong(name, why)
    repository = _without_domain(name).partition(":")[0]
    if repository.lower() != repository:
        raise _wrong(name, f"invalid reference format: repository name ({repository}) must be lowercase")
    found = _REFERENCE.fullmatch(name)
    if not found:
        raise _wrong(name, "invalid reference format")
    return name if found[1] or found[2] else f"{name}:latest"


def _wrong(name: str, why: str) -> ImageNameError:
    return ImageNameError(f'couldn\'t parse image name "{name}": {why}')


def _without_domain(name: str) -> str:
    """The repository as it is completed: one word alone is an image of Docker's library."""
    first, slash, rest = name.partition("/")
    if not slash:
        return f"library/{name}"
    is_domain = "." in first or ":" in first or first == "localhost" or first.lower() != first
    return rest if is_domain else name
