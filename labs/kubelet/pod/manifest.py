"""A manifest's bytes to a static pod: decode, default, name, validate, in upstream's order.

Callers: the config sources. Mirrors `extractFromFile` and `tryDecodeSinglePod`.
"""

from labs.kubelet.pod.decode import decode_pod
from labs.kubelet.pod.defaults import set_defaults
from labs.kubelet.pod.errors import NamelessPodError, ParseError
from labs.kubelet.pod.identity import give_identity
from labs.kubelet.pod.model import Pod
from labs.kubelet.pod.references import refuse_references
from labs.kubelet.pod.validation import validate

MAX_SIZE = 10 << 20


def pod_from_file(data: bytes, path: str, node_name: str) -> Pod:
    """The static pod that a file holds. Raises ManifestError with upstream's text."""
    try:
        pod = decode_pod(data[:MAX_SIZE])
    except ParseError as error:
        raise ParseError(f"{path}: couldn't parse as pod({error}), please check config file") from None
    set_defaults(pod)
    if not pod["metadata"].get("name"):
        raise NamelessPodError
    give_identity(pod, node_name, "file", f"file:{path}")
    if pod["spec"]["terminationGracePeriodSeconds"] < 0:
        pod["spec"]["terminationGracePeriodSeconds"] = 1
    validate(pod)
    refuse_references(pod["spec"])
    return Pod.of(pod)
