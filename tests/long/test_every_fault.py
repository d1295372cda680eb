"""Each fault of a control plane that was recorded on a real node shows in the same places, and is mended.

A fault is one change of one manifest and the file that it points to. Each is tried twice: with the word that
was recorded, and with one that nobody has seen before, which the messages must carry.
"""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from labs.cluster import Cluster

from ..conftest import booted
from .waiting import until

pytestmark = pytest.mark.long

API, ETCD, MANAGER, SCHEDULER = "kube-apiserver", "etcd", "kube-controller-manager", "kube-scheduler"
COMPONENTS = (API, ETCD, MANAGER, SCHEDULER)
MANIFESTS, PKI = "/etc/kubernetes/manifests", "/etc/kubernetes/pki"
PATIENCE = 240.0
BACK_OFF = r"failed to \"StartContainer\" for \"COMPONENT\" with CrashLoopBackOff: \"back-off 10s restarting "

Pod = dict[str, Any]
#: Changes a pod, with the word that the messages are to carry.
Change = Callable[[Pod, str], None]


@dataclass(frozen=True)
class Fault:
    """What is broken and what was seen then; `{}` in texts is the word."""

    component: str
    change: Change
    #: The recorded word; None where there is nothing to choose.
    word: str | None = None
    #: Files that are written first.
    files: Mapping[str, str] = field(default_factory=dict)
    #: Lines of the new container's log and of the kubelet's journal have these in them.
    log: tuple[str, ...] = ()
    journal: tuple[str, ...] = (BACK_OFF,)
    #: Messages of the node's events.
    events: tuple[str, ...] = ()
    #: The status with which the new container ends; ANY: whichever; NEVER: it keeps running; ABSENT: there
    #: is no new container.
    status: int | str = 1
    #: Changes the manifest's text.
    spoil: Callable[[str], str] = str
    #: Shell that runs while the component is away, before its broken manifest comes; and before its good one.
    damage: str = ""
    mend: str = ""


ANY, NEVER, ABSENT = "any", "never", "absent"


def container(pod: Pod) -> dict[str, Any]:
    found: dict[str, Any] = pod["spec"]["containers"][0]
    return found


def flag(name: str, value: str) -> Change:
    """Give a flag a value, whether it is there or not."""

    def change(pod: Pod, word: str) -> None:
        kept = [part for part in container(pod)["command"] if not part.startswith(f"--{name}=")]
        container(pod)["command"] = [*kept, f"--{name}={value.replace('{}', word)}"]

    return change


def mounted(path: str) -> Change:
    def change(pod: Pod, word: str) -> None:
        file = path.replace("{}", word)
        container(pod)["volumeMounts"].append({"name": "extra", "mountPath": file, "readOnly": True})
        pod["spec"]["volumes"].append({"name": "extra", "hostPath": {"path": file, "type": "File"}})

    return change


def both(*changes: Change) -> Change:
    def change(pod: Pod, word: str) -> None:
        for each in changes:
            each(pod, word)

    return change


def _kind(pod: Pod, word: str) -> None:
    pod["kind"] = word


def _image(pod: Pod, word: str) -> None:
    container(pod)["image"] = f"{container(pod)['image'].rpartition(':')[0]}:{word}"


def _command(pod: Pod, word: str) -> None:
    container(pod)["command"][0] = word


def _nothing(pod: Pod, word: str) -> None:
    pass


def _again(pod: Pod, word: str) -> None:
    pod["metadata"].setdefault("annotations", {})["again"] = "1"


def _liveness_port(pod: Pod, word: str) -> None:
    probe = container(pod)["livenessProbe"]
    probe |= {"failureThreshold": 2, "periodSeconds": 2}
    probe["httpGet"]["port"] = int(f"6{word}")


def _certificates_elsewhere(pod: Pod, word: str) -> None:
    for volume in pod["spec"]["volumes"]:
        if volume["hostPath"]["path"] == PKI:
            volume["hostPath"]["path"] = f"{PKI}{word}"


def _data_elsewhere(pod: Pod, word: str) -> None:
    moved = json.loads(json.dumps(pod).replace("/var/lib/etcd", f"/var/lib/etcd-{word}"))
    pod.clear()
    pod.update(moved)


def encryption(provider: str, secret: bytes) -> str:
    key = f"keys: [{{name: k, secret: {base64.b64encode(secret).decode()}}}]"
    return (
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n"
        f"- resources: [secrets]\n  providers:\n  - {provider}: {{{key}}}\n  - identity: {{ }}\n"
    )


BAD_POLICY = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [\n"
AUDIT, ENCRYPTION = "/etc/kubernetes/{}.yaml", "/etc/kubernetes/{}.yaml"
audit = both(flag("audit-policy-file", AUDIT), flag("audit-log-path", "-"))
encrypt = both(flag("encryption-provider-config", ENCRYPTION), mounted(ENCRYPTION))
webhook = both(
    flag("enable-admission-plugins", "NodeRestriction,ImagePolicyWebhook"),
    flag("admission-control-config-file", "/etc/kubernetes/{}.yaml"),
)

GARBAGE = (
    "cp -a /var/lib/etcd /var/lib/etcd.good && "
    "head -c 65536 /dev/urandom | dd of=/var/lib/etcd/member/snap/db conv=notrunc 2>/dev/null"
)

FAULTS = {
    "unknown flag": Fault(API, flag("{}", "true"), "this-is-very-wrong", log=("Error: unknown flag: --{}",)),
    "client CA missing": Fault(
        API, flag("client-ca-file", f"{PKI}/{{}}.crt"), "nope", log=(f"open {PKI}/{{}}.crt: no such file",)
    ),
    "etcd's port": Fault(
        API,
        flag("etcd-servers", "https://127.0.0.1:2{}"),
        "378",
        log=("context deadline exceeded", "dial tcp 127.0.0.1:2{}: connect: connection refused"),
    ),
    "etcd by plain HTTP": Fault(
        API,
        flag("etcd-servers", "http://127.0.0.1:2379"),
        log=("context deadline exceeded", "error reading server preface: EOF"),
    ),
    "another's key": Fault(
        API,
        flag("tls-private-key-file", f"{PKI}/sa.key"),
        log=("tls: private key does not match public key",),
    ),
    "authorization mode": Fault(
        API,
        flag("authorization-mode", "Node,{}"),
        "RBACK",
        log=(r"authorization-mode \"{}\" is not a valid mode",),
    ),
    "admission plug-in": Fault(
        API,
        flag("enable-admission-plugins", "{}"),
        "NodeRestriktion",
        log=(r"enable-admission-plugins plugin \"{}\" is unknown",),
    ),
    "audit policy not mounted": Fault(
        API,
        audit,
        "audit",
        files={AUDIT: "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n"},
        log=(
            rf"loading audit policy file: failed to read file path \"{AUDIT}\": open {AUDIT}: no such file",
        ),
    ),
    "audit policy no YAML": Fault(
        API,
        both(audit, mounted(AUDIT)),
        "audit",
        files={AUDIT: BAD_POLICY},
        log=(f"failed decoding: yaml: line 3: did not find expected node content: from file {AUDIT}",),
    ),
    "key of encryption too short": Fault(
        API,
        encrypt,
        "enc",
        files={ENCRYPTION: encryption("aescbc", b"a" * 31)},
        log=("secret is not of the expected length, got 31, expected one of [16 24 32]",),
    ),
    "unknown provider of encryption": Fault(
        API,
        encrypt,
        "rot13",
        files={ENCRYPTION: encryption("{}", b"a" * 16)},
        log=(rf"\"{ENCRYPTION}\": strict decoding error: unknown field \"resources[0].providers[0].{{}}\"",),
    ),
    "range of services": Fault(
        API,
        flag("service-cluster-ip-range", "{}"),
        "10.96.0.0",
        log=("service-cluster-ip-range[0] is not a valid cidr",),
    ),
    "taken port": Fault(
        API,
        flag("secure-port", "2379"),
        log=("failed to listen on 0.0.0.0:2379: listen tcp 0.0.0.0:2379: bind: address already in use",),
    ),
    "TLS version": Fault(
        API, flag("tls-min-version", "{}"), "VersionTLS14", log=(r"unknown tls version \"{}\"",)
    ),
    "configuration of a webhook missing": Fault(
        API,
        webhook,
        "admission",
        log=(
            r"failed to read plugin config: unable to read admission control configuration from "
            r"\"/etc/kubernetes/{}.yaml\" [open /etc/kubernetes/{}.yaml: no such file or directory]",
        ),
    ),
    "kind": Fault(
        API,
        _kind,
        "PoD",
        journal=(r"no kind \"{}\" is registered for version \"v1\" in scheme",),
        status=ABSENT,
    ),
    "tag of the image": Fault(API, _image, "v1.36.99", journal=("with ErrImagePull", ":{}"), status=ABSENT),
    "command": Fault(
        API, _command, "kube-apiservr", journal=(r"{}\\\": executable file not found in $PATH",), status=128
    ),
    "file to mount missing": Fault(
        API,
        mounted("/etc/kubernetes/{}.yaml"),
        "absent",
        journal=("hostPath type check failed: /etc/kubernetes/{}.yaml is not a file",),
        status=ABSENT,
    ),
    "a tab": Fault(
        API,
        _nothing,
        spoil=lambda text: text.replace("    - kube-apiserver\n", "    - kube-apiserver\n\t- --x\n", 1),
        journal=("found a tab character that violates indentation), please check config file",),
        status=ABSENT,
    ),
    "port of the liveness probe": Fault(
        API,
        _liveness_port,
        "444",
        journal=(),
        events=("Liveness probe failed: Get ", ':6{}/livez": dial tcp ', ":6{}: connect: connection refused"),
        status=ANY,
    ),
    "nobody anonymous": Fault(
        API,
        flag("anonymous-auth", "false"),
        journal=(),
        events=("probe failed: HTTP probe failed with statuscode: 401",),
        status=ANY,
    ),
    "etcd's database of garbage": Fault(
        ETCD,
        _again,
        damage=GARBAGE,
        mend="rm -rf /var/lib/etcd; mv /var/lib/etcd.good /var/lib/etcd",
        log=("mvcc/backend.newBackend(",),
        journal=(),
        status=2,
    ),
    "certificates' directory": Fault(
        API,
        _certificates_elsewhere,
        "i",
        log=(f"failed to parse service-account-issuer-key-file: open {PKI}/sa.key: no such file",),
    ),
    "etcd's data elsewhere": Fault(ETCD, _data_elsewhere, "new", journal=(), status=NEVER),
    "etcd's unknown flag": Fault(
        ETCD, flag("{}", "1"), "wibble", log=("flag provided but not defined: -{}",), journal=(), status=2
    ),
    "controllers' unknown flag": Fault(MANAGER, flag("{}", "1"), "wrong", log=("Error: unknown flag: --{}",)),
    "scheduler's unknown flag": Fault(
        SCHEDULER, flag("{}", "1"), "wrong", log=("Error: unknown flag: --{}",)
    ),
}


class Node:
    """The node that is broken and mended."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.name = cluster.nodes[0]
        self.good = {component: self.shell(f"cat {MANIFESTS}/{component}.yaml") for component in COMPONENTS}

    def shell(self, script: str, content: str | None = None) -> str:
        return self._cluster.run(["sh", "-c", script], input=content).stdout

    def write(self, path: str, content: str) -> None:
        """At once, as an editor does that renames."""
        self.shell(f"cat > /root/new && mv /root/new {path}", content)

    def containers(self, component: str) -> dict[str, str]:
        """The state of each of a component's containers, by its id."""
        listed = json.loads(self.shell(f"crictl ps -a --name '^{component}$' -o json") or "{}")
        return {each["id"]: each["state"] for each in listed.get("containers") or ()}

    def status(self, container: str) -> int | None:
        """How a container ended; None also for one that is gone."""
        told = json.loads(self.shell(f"crictl inspect {container}") or "{}").get("status", {})
        return told.get("exitCode") if told.get("state") == "CONTAINER_EXITED" else None

    def log(self, component: str) -> str:
        return self.shell(f"cat /var/log/pods/kube-system_{component}-{self.name}_*/{component}/*.log")

    def evidence_of(self, component: str) -> str:
        """What is to be seen of it, for whoever looks for something else."""
        ends = f"tail -n 20 /var/log/pods/*{component}*/*/*.log; journalctl -u kubelet -o cat | tail -8"
        return self.shell(f"crictl ps -a | head -5; {ends}")

    def is_well(self) -> bool:
        pods = self.shell("kubectl get pods -n kube-system --no-headers")
        return all(f"{component}-{self.name} " in pods for component in COMPONENTS) and pods.count("1/1") == 4


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with booted() as running:
        yield Node(running)


@pytest.mark.parametrize("chosen", ["recorded", "random"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_shows_where_a_real_node_shows_it_and_is_mended(node: Node, name: str, chosen: str) -> None:
    fault = FAULTS[name]
    if chosen == "random" and fault.word is None:
        pytest.skip("nothing to choose in this one")
    word = fault.word or ""
    if chosen == "random":
        number = word.isdigit()
        word = "".join(random.choices("456789" if number else string.ascii_lowercase, k=3 if number else 12))
    until(node.is_well, True, PATIENCE)
    component, old = fault.component, set(node.containers(fault.component))
    pod = yaml.safe_load(node.good[component])
    fault.change(pod, word)
    broken = fault.spoil(yaml.safe_dump(pod, sort_keys=False, width=10**6).replace("--{}=", f"--{word}="))
    if fault.damage:
        node.shell(f"rm {MANIFESTS}/{component}.yaml")
        until(lambda: "CONTAINER_RUNNING" in node.containers(component).values(), False, PATIENCE)
        node.shell(fault.damage)
    for path, content in fault.files.items():
        node.write(path.replace("{}", word), content.replace("{}", word))
    since = node.shell("date +%s").strip()

    node.write(f"{MANIFESTS}/{component}.yaml", broken)

    def new() -> set[str]:
        return set(node.containers(component)) - old

    def stopped() -> bool:
        return "CONTAINER_RUNNING" not in {node.containers(component).get(each) for each in old}

    def lacking() -> list[str]:
        journal = node.shell(f"journalctl -u kubelet -o cat --since @{since}")
        log = node.log(component)
        listing = "kubectl get events -n kube-system -o custom-columns=MESSAGE:.message"
        events = node.shell(listing) if fault.events else ""
        told = [
            *((line, log) for line in fault.log),
            *((line, journal) for line in fault.journal),
            *((line, events) for line in fault.events),
        ]
        return [
            line
            for line, text in told
            if line.replace("{}", word).replace("COMPONENT", component) not in text
        ]

    until(stopped, True, PATIENCE)
    until(lacking, [], PATIENCE, hint=lambda: node.evidence_of(component))
    if fault.status == ABSENT:
        assert new() == set()
    elif fault.status == NEVER:
        until(lambda: bool(new()), True, PATIENCE)
    elif fault.status == ANY:
        until(lambda: any(node.status(each) is not None for each in new()), True, PATIENCE)
    else:
        until(lambda: fault.status in {node.status(each) for each in new()}, True, PATIENCE)

    if fault.mend:
        node.shell(f"rm {MANIFESTS}/{component}.yaml")
        until(lambda: "CONTAINER_RUNNING" in node.containers(component).values(), False, PATIENCE)
        node.shell(fault.mend)
    for path in fault.files:
        node.shell(f"rm -f {path.replace('{}', word)}")
    node.write(f"{MANIFESTS}/{component}.yaml", node.good[component])
    node.shell("systemctl restart kubelet")  # which forgets the back-off
    until(node.is_well, True, PATIENCE)
