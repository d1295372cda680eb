"""The other nodes of a kind cluster: containers beside the control plane's, found, started and made like it.

They are left with their kubelet stopped: who starts the kubelets one after the other (`RunningCluster.join`)
has the controller manager give out the ranges of pods' addresses in the nodes' order, in which they are laid
out here. What kindnet would do on kind's own nodes, the ways between their pods, is done at each start.
"""

import tempfile
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from labs.nodes.kind import container, daemon, provision
from labs.nodes.kind.container import Progress
from labs.nodes.kind.machine import Machine, fetch, find_node, remove_container
from labs.nodes.kind.note import Note
from labs.nodes.kind.options import POD_SUBNET
from labs.nodes.layout import Layout
from labs.nodes.network import pod_cidr
from labs.nodes.spec import Spec


def boot(plane: Machine, layout: Layout, spec: Spec, progress: Progress) -> list[Machine]:
    """The workers of the cluster whose control plane is `plane`, in their order; see `container.boot`."""
    names = layout.node_names(spec.workers)[1:]
    if not names:
        return []
    progress("booting the workers")
    with ThreadPoolExecutor(len(names), "worker") as pool:
        booting = [
            pool.submit(_boot, plane, layout, spec, name, number) for number, name in enumerate(names, 1)
        ]
        nodes = [plane, *(worker.result() for worker in booting)]
        for number, node in enumerate(nodes):
            node.run(ways(number, [each.address for each in nodes]), "laying the ways between the nodes")
    return nodes[1:]


def ways(number: int, addresses: Sequence[str]) -> str:
    """Shell that tells node `number` where the others' pods are; its own go there under their own names."""
    routes = [
        f"ip route replace {pod_cidr(other)} via {address}"
        for other, address in enumerate(addresses)
        if other != number
    ]
    rule = f"POSTROUTING -s {POD_SUBNET} -d {POD_SUBNET} -j ACCEPT"
    accept = f"iptables -t nat -C {rule} 2>/dev/null || iptables -t nat -I {rule}"
    return "\n".join(["set -e", *routes, accept])


def _boot(plane: Machine, layout: Layout, spec: Spec, name: str, number: int) -> Machine:
    client, note = plane.client, Note.load(layout, name)
    found = find_node(client, layout.cluster, name)
    if note is not None:
        return container.resume(client, container.noted(found, note, layout, name), layout, note)
    if found is not None:
        container.refuse_foreign(found, layout)
        remove_container(client, found)  # an interrupted start left it
    return _create(plane, layout, spec, name, number)


def _create(plane: Machine, layout: Layout, spec: Spec, name: str, number: int) -> Machine:
    from labs.nodes.image import node_image

    client = plane.client
    image, facts = node_image(client, lambda _: None), daemon.facts(client)
    ground = provision.Ground(image.debian, facts.cgroup, image.kubernetes)
    made = container.started(client, layout, spec, name, image.id, facts)
    try:
        machine = Machine.of(client, made)
        with ThreadPoolExecutor(1, "systemd") as pool:
            up: Future[None] = pool.submit(container.wait_for_systemd, made)
            node = provision.identity(layout.cluster, name, machine.address, number)
            with tempfile.TemporaryDirectory(prefix="cks-labs-") as directory:
                root, ours = Path(directory, "worker"), Path(directory, "plane")
                fetch(plane, "etc/kubernetes/pki", ours)
                provision.write_worker(root, node, ours, plane.name, spec, ground)
                machine.put(provision.archive(root))
            up.result()
        machine.run(provision.worker_script(), "starting containerd")
    except BaseException:
        remove_container(client, made)
        raise
    Note(made.id, machine.address, machine.started).save(layout, name)
    return machine
