"""A manifest's bytes to static pods: decode, default, name, validate, in upstream's order.

Callers: the config sources. Mirrors `extractFromFile`, `extractFromURL`, `tryDecodeSinglePod` and
`tryDecodePodList`.
"""

from typing import Any

from labs.core.defaults import default_pod
from labs.core.validation.pods import validate_pod_create
from labs.kubelet.pod.decode import decode_pod, decode_pod_list
from labs.kubelet.pod.errors import InvalidPodError, NamelessPodError, ParseError
from labs.kubelet.pod.identity import give_identity
from labs.kubelet.pod.model import Pod
from labs.kubelet.pod.references import refuse_new_references, refuse_references

MAX_SIZE = 10 << 20
Version = tuple[int, int]
LATEST = (1, 36)
#: From this version on the kubelet refuses what only the mirror was refused for before.
REFERENCES_REFUSED = (1, 34)


def pod_from_file(data: bytes, path: str, node_name: str, version: Version = LATEST) -> Pod:
    """The static pod that a file holds. Raises ManifestError with upstream's text."""
    try:
        pod = decode_pod(data[:MAX_SIZE])
    except ParseError as error:
        raise ParseError(f"{path}: couldn't parse as pod({error}), please check config file") from None
    return _finished(pod, node_name, "file", path, version)


def pods_from_url(data: bytes, url: str, node_name: str, version: Version = LATEST) -> list[Pod]:
    """The static pods that a URL serves, as one Pod or a PodList. Raises ManifestError.

    One that is wrong refuses them all.
    """
    try:
        found = [decode_pod(data)]
    except ParseError as single:
        try:
            found = decode_pod_list(data)
        except ParseError as many:
            text = data.decode(errors="replace")
            raise ParseError(
                f"{url}: received '{text}', but couldn't parse as single ({single}) or multiple pods ({many})"
            ) from None
    return [_finished(pod, node_name, "http", url, version) for pod in found]


def _finished(pod: dict[str, Any], node_name: str, source: str, origin: str, version: Version) -> Pod:
    default_pod(pod)
    if not pod["metadata"].get("name"):
        raise NamelessPodError
    give_identity(pod, node_name, source, origin)
    if found := validate_pod_create(pod, stored=False):
        raise InvalidPodError(*map(str, found))
    if version < REFERENCES_REFUSED:
        refuse_new_references(pod["spec"])
    else:
        refuse_references(pod["spec"])
    return Pod.of(pod)
