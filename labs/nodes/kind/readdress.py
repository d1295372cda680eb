"""A node whose container got another address at its start: manifests, flags, certificates follow.

kind's entrypoint does the same for its own files before systemd starts. Here it is done from outside, with
the authorities that the node keeps, and the kubelet restarted: it finds changed manifests and replaces pods.
"""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from labs.nodes.files import write_file
from labs.nodes.kind import provision
from labs.nodes.kind.machine import Machine, fetch
from labs.nodes.kubeadm import SERVICE_ADDRESS
from labs.nodes.pki import Authority, write_etcd_pairs, write_kubelet_serving_pair, write_serving_pair

KUBERNETES = "etc/kubernetes"
FLAGS = "var/lib/kubelet/kubeadm-flags.env"
#: Below /etc/kubernetes: what may name the node's address.
PATTERNS = ("manifests/*.yaml", "*.conf")


def move(machine: Machine, old: str) -> None:
    """Have the node's files say its present address where they said `old`."""
    with tempfile.TemporaryDirectory(prefix="cks-labs-") as directory:
        before, after = Path(directory, "before"), Path(directory, "after")
        for path in (KUBERNETES, FLAGS):
            fetch(machine, path, before)
        texts = {
            str(path.relative_to(before)): path.read_text()
            for path in [
                *(p for pattern in PATTERNS for p in (before / KUBERNETES).glob(pattern)),
                before / FLAGS,
            ]
        }
        for name, text in replaced(texts, old, machine.address).items():
            write_file(after / name, text, (before / name).stat().st_mode & 0o777)
        pki = Path(KUBERNETES, "pki")
        if (before / pki / "ca.key").exists():
            authority = Authority.load(before / pki)
            write_serving_pair(authority, after / pki, machine.name, machine.address, SERVICE_ADDRESS)
            write_etcd_pairs(
                Authority.load(before / pki / "etcd"), after / pki / "etcd", machine.name, machine.address
            )
        write_kubelet_serving_pair(after / "var/lib/kubelet/pki", machine.name, machine.address)
        machine.put(provision.archive(after))
    machine.run("systemctl restart kubelet", "restarting the kubelet")


def replaced(texts: Mapping[str, str], old: str, new: str) -> dict[str, str]:
    """Of these texts those that name the address `old`, naming `new` instead."""
    address = re.compile(rf"(?<![\d.]){re.escape(old)}(?!\d|\.\d)")
    changed = {name: address.sub(new, text) for name, text in texts.items()}
    return {name: text for name, text in changed.items() if text != texts[name]}
