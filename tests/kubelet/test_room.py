"""Which pods a node's labels, ports, sysctls and room let in (fact 34): the pure decisions of `admit`."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import yaml

from labs.kubelet.admission import Room, admit
from labs.kubelet.pod.manifest import pod_from_file
from labs.kubelet.pod.model import Pod
from labs.kubelet.sources.api import pod_from_api
from tests.kubelet.node import api_pod, manifest

LABELS = {"disk": "ssd", "cores": "8", "zone": ""}
ROOM = Room(LABELS, "node-1", Decimal(2), Decimal(1000), Decimal(500), 3)


STATIC = {"metadata": {"name": "web", "annotations": {"kubernetes.io/config.source": "file"}}}


def _pod(name: str = "web", **spec: Any) -> Pod:
    """A pod as the API has it; a static one with STATIC."""
    return pod_from_file(yaml.safe_dump(manifest(name, **spec)).encode(), f"/{name}.yaml", "node-1")


def refused(pod: Pod, *others: Pod, room: Room = ROOM) -> str:
    """The reason and the message; nothing when the pod is let in."""
    rejection = admit(pod, others, room)
    return f"{rejection.reason}: {rejection.message}" if rejection else ""


def terms(*wanted: dict[str, Any]) -> dict[str, Any]:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(wanted)}}
    return {"affinity": {"nodeAffinity": required}}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (expression("disk", "In", "hdd", "ssd"), True),
        (expression("disk", "In", "hdd"), False),
        (expression("gpu", "In", "x"), False),
        (expression("disk", "NotIn", "hdd"), True),
        (expression("disk", "NotIn", "ssd"), False),
        (expression("gpu", "NotIn", "x"), True),
        (expression("disk", "Exists"), True),
        (expression("zone", "Exists"), True),
        (expression("gpu", "Exists"), False),
        (expression("gpu", "DoesNotExist"), True),
        (expression("zone", "DoesNotExist"), False),
        (expression("cores", "Gt", "7"), True),
        (expression("cores", "Gt", "8"), False),
        (expression("cores", "Lt", "9"), True),
        (expression("cores", "Lt", "8"), False),
        (expression("cores", "Gt", "0"), True),
        (expression("disk", "Gt", "1"), False),
        (expression("gpu", "Lt", "1"), False),
        (expression("cores", "Gt", "many"), False),
    ],
    ids=str,
)
def test_an_expression_is_matched_with_the_nodes_labels(wanted: dict[str, Any], fits: bool) -> None:
    said = refused(_pod(**terms({"matchExpressions": [wanted]})))

    message = "NodeAffinity: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
    assert said == ("" if fits else message)


def test_a_term_needs_all_its_expressions_and_a_pod_one_of_its_terms() -> None:
    good, bad = expression("disk", "Exists"), expression("gpu", "Exists")

    assert not refused(_pod(**terms({"matchExpressions": [bad]}, {"matchExpressions": [good]})))
    assert refused(_pod(**terms({"matchExpressions": [good, bad]})))
    assert refused(_pod(**terms({})))


def test_a_field_of_a_term_is_the_nodes_name() -> None:
    own, other = expression("metadata.name", "In", "node-1"), expression("metadata.name", "In", "node-2")

    assert not refused(_pod(**terms({"matchFields": [own]})))
    assert refused(_pod(**terms({"matchFields": [other]})))
    assert refused(_pod(**terms({"matchFields": [own], "matchExpressions": [expression("gpu", "Exists")]})))


def test_a_preference_refuses_nobody() -> None:
    preferred = [{"weight": 1, "preference": {"matchExpressions": [expression("gpu", "Exists")]}}]
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}

    assert not refused(_pod(affinity=affinity))


def test_every_label_of_a_node_selector_must_be_the_nodes() -> None:
    assert not refused(_pod(nodeSelector={"disk": "ssd", "cores": "8"}))
    assert refused(_pod(nodeSelector={"disk": "ssd", "cores": "9"}))
    assert refused(_pod(nodeSelector={"gpu": ""}))


def port(number: int, ip: str = "", protocol: str = "TCP") -> dict[str, Any]:
    where = {"hostIP": ip} if ip else {}
    return {"ports": [{"containerPort": 80, "hostPort": number, "protocol": protocol, **where}]}


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        (port(80), port(80), True),
        (port(80), port(81), False),
        (port(80), port(80, protocol="UDP"), False),
        (port(80, "10.0.0.1"), port(80, "10.0.0.2"), False),
        (port(80, "10.0.0.1"), port(80, "10.0.0.1"), True),
        (port(80, "10.0.0.1"), port(80), True),
        (port(80), port(80, "10.0.0.1"), True),
    ],
    ids=str,
)
def test_a_host_port_is_taken_per_address_and_protocol(one: Any, other: Any, clash: bool) -> None:
    said = refused(_pod("one", container=one), _pod("other", container=other))

    why = "NodePorts: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
    assert said == (why if clash else "")


def requests(**amounts: str) -> dict[str, Any]:
    return {"resources": {"requests": {name.replace("_", "-"): value for name, value in amounts.items()}}}


def lacking(what: str) -> str:
    return (
        "UnexpectedAdmissionError: Unexpected error while attempting to recover from admission failure: "
        "preemption: error finding a set of pods to preempt: no set of running pods found to reclaim "
        f"resources: [{what}]"
    )


def test_a_pod_may_take_exactly_what_the_others_leave() -> None:
    other = _pod("other", container=requests(cpu="500m", memory="400", ephemeral_storage="100"))

    assert not refused(_pod(container=requests(cpu="1500m", memory="600", ephemeral_storage="400")), other)
    assert not refused(_pod(), other)


def test_what_a_pod_lacks_first_is_told_in_thousandths_of_a_cpu() -> None:
    other = _pod("other", container=requests(cpu="500m", memory="400", ephemeral_storage="100"))

    said = [
        refused(_pod(container=requests(**wanted)), other)
        for wanted in ({"cpu": "1501m", "memory": "602"}, {"memory": "602"}, {"ephemeral_storage": "403"})
    ]

    what = "Node didn't have enough resource:"
    assert said == [
        f"OutOfcpu: {what} cpu, requested: 1501, used: 500, capacity: 2000",
        f"OutOfmemory: {what} memory, requested: 602, used: 400, capacity: 1000",
        f"OutOfephemeral-storage: {what} ephemeral-storage, requested: 403, used: 100, capacity: 500",
    ]


def test_what_a_static_pod_lacks_and_nobody_can_be_evicted_for_is_told_in_full() -> None:
    other = _pod("other", **STATIC, container=requests(cpu="500m", memory="400", ephemeral_storage="100"))

    said = refused(
        _pod(**STATIC, container=requests(cpu="1501m", memory="602", ephemeral_storage="403")), other
    )

    assert said == lacking("(res: cpu, q: 1), (res: memory, q: 2), (res: ephemeral-storage, q: 3), ")


def test_a_node_holds_so_many_pods_and_no_more() -> None:
    one, two, three = (_pod(name, **STATIC) for name in ("one", "two", "three"))

    assert not refused(_pod(), one, two)
    assert refused(_pod(**STATIC), one, two, three) == lacking("(res: pods, q: 1), ")
    assert refused(_pod(), one, two, three) == (
        "OutOfpods: Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3"
    )


@pytest.mark.parametrize(
    ("sysctl", "spec", "why"),
    [
        ("kernel.shm_rmid_forced", {}, ""),
        ("net.ipv4.tcp_syncookies", {}, ""),
        ("net/ipv4/tcp_syncookies", {}, ""),
        ("net.ipv4.tcp_syncookies", {"hostNetwork": True}, "not allowed with host net enabled"),
        ("kernel.shm_rmid_forced", {"hostNetwork": True}, ""),
        ("kernel.shm_rmid_forced", {"hostIPC": True}, "not allowed with host ipc enabled"),
        ("fs.mqueue.msg_max", {"hostIPC": True}, "not allowed with host ipc enabled"),
        ("net.ipv4.tcp_syncookies", {"hostIPC": True}, ""),
        ("kernel.msgmax", {}, "not allowlisted"),
        ("net.core.somaxconn", {}, ""),
    ],
)
def test_a_sysctl_is_safe_or_allowed_or_refused(sysctl: str, spec: dict[str, Any], why: str) -> None:
    room = Room({}, "node-1", Decimal(2), Decimal(1000), Decimal(500), 3, ("net.core.*",))
    setting = {"sysctls": [{"name": sysctl, "value": "1"}]}

    said = refused(pod_from_api(api_pod(metadata={"uid": "u"}, securityContext=setting, **spec)), room=room)

    name = sysctl.replace("/", ".")
    assert said == (f'SysctlForbidden: forbidden sysctl: "{name}" {why}' if why else "")


def test_a_pod_for_another_system_is_refused_first() -> None:
    pod = _pod(os={"name": "windows"}, nodeSelector={"gpu": "x"})

    why = "PodOSNotSupported: Failed to admit pod as the OS field doesn't match node OS"
    assert refused(pod) == why
    assert not refused(_pod(os={"name": "linux"}))


@pytest.mark.parametrize("kind", ["RuntimeDefault", "Localhost", "Unconfined"])
@pytest.mark.parametrize("static", [{}, STATIC])
def test_a_node_without_apparmor_takes_no_pod_that_wants_a_profile(kind: str, static: dict[str, Any]) -> None:
    profile = {"appArmorProfile": {"type": kind} | ({"localhostProfile": "p"} if kind == "Localhost" else {})}
    container = {"name": "c", "image": "i", "securityContext": profile}
    without = replace(ROOM, apparmor=False)
    why = "AppArmor: Cannot enforce AppArmor: AppArmor is not enabled on the host"

    for pod in (_pod(containers=[container], **static), _pod(securityContext=profile, **static)):
        assert refused(pod, room=without) == ("" if kind == "Unconfined" else why)
        assert refused(pod) == ""
