"""Print how fast and how small a lab is; nothing here passes or fails.

Times come from the evidence, whose records one process stamps. Machines differ, so each time is also
given as a multiple of a unit measured in the same run: one cold start of Python with the libraries
that kubelet, runtime and API server load.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import datetime
from http import HTTPStatus
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from labs.cluster import Cluster
from labs.errors import LabsError
from labs.nodes.image import node_image
from labs.nodes.kind import daemon
from labs.nodes.readiness import Api
from labs.nodes.state import cluster_directory

ROUNDS = 7
BOOTS = 5
IDLE_SECONDS = 60
SETTLE_SECONDS = 10
POLL_SECONDS = 0.02
PATIENCE_SECONDS = 120.0

MANIFEST = """apiVersion: v1
kind: Pod
metadata:
  name: {name}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: busybox:1.36
    command: ["sleep", "100000"]
    env: [{{name: ROUND, value: "{nonce}"}}]
"""

Record = dict[str, Any]


def unit() -> float:
    """Seconds of one cold start of Python with aiohttp and grpc: the median of five."""
    times = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import aiohttp, grpc"], check=True)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def when(record: Record) -> float:
    return datetime.fromisoformat(record["at"]).timestamp()


class Watch:
    """The evidence of one cluster from now on, asked until a record is there."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        records = cluster.call("evidence", since=0)["records"]
        self.seq = records[-1]["seq"] if records else 0
        self.seen: list[Record] = []

    def first(self, what: str, wanted: Callable[[Record], bool], *, within: float = 60.0) -> Record:
        end = time.monotonic() + within
        while time.monotonic() < end:
            for record in self.seen:
                if wanted(record):
                    return record
            self.cluster.call("barrier", timeout=5.0)
            new = self.cluster.call("evidence", since=self.seq)["records"]
            self.seq = new[-1]["seq"] if new else self.seq
            self.seen += new
        raise SystemExit(f"bench: no {what} within {within:.0f} s")


def audit_of(verb: str, name: str, subresource: str | None = None) -> Callable[[Record], bool]:
    def wanted(record: Record) -> bool:
        if record["source"] != "audit":
            return False
        event = record["event"]
        ref = event.get("objectRef", {})
        return bool(
            event["verb"] == verb
            and ref.get("resource") == "pods"
            and ref.get("name") == name
            and ref.get("subresource") == subresource
            and event["responseStatus"]["code"] < 300
        )

    return wanted


def is_running(name: str) -> Callable[[Record], bool]:
    patched = audit_of("patch", name, "status")
    updated = audit_of("update", name, "status")

    def wanted(record: Record) -> bool:
        if not (patched(record) or updated(record)):
            return False
        phase = record["event"].get("responseObject", {}).get("status", {}).get("phase")
        return bool(phase == "Running")

    return wanted


def runtime_says(event: str, pod: str) -> Callable[[Record], bool]:
    return lambda r: r["source"] == "runtime" and r["event"] == event and r["pod"]["name"] == pod


def kinds_of_nodes() -> tuple[dict[str, dict[str, str]], list[str]]:
    """What can be booted here, as options of `Cluster.up`, and why the rest can't."""
    kinds: dict[str, dict[str, str]] = {"embedded": {}}
    try:
        image = node_image(daemon.connect(), lambda _: None)
    except LabsError as error:
        return kinds, [f"no kind node here: {error}"]
    kinds["kind"] = {"backend": "kind"}
    if not image.real:
        return kinds, [f"no real components in {image.tag}: labs node-image build --from-debian --real DIR"]
    kinds["kind, real kubelet and control plane"] = {"backend": "kind", "engine": "kubelet"}
    return kinds, []


def boot(name: str, options: dict[str, str]) -> Iterator[tuple[str, float]]:
    """One `labs up`, from nothing to an API server that is ready, and to a control plane that is."""
    started = time.monotonic()
    with ThreadPoolExecutor(1) as beside:
        answered = beside.submit(api_ready, cluster_directory(name) / "kubeconfig")
        cluster = Cluster.up(name, **options)
        try:
            yield "boot to API ready", answered.result() - started
            yield "boot to all of the control plane Ready", cluster.seconds
        finally:
            cluster.down()


def api_ready(kubeconfig: Path) -> float:
    """The moment at which the API server says that it is ready; `kubeconfig` may come to be meanwhile."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError, ValueError, HTTPException, TypeError):  # a kubeconfig half written is none
            api = Api.from_kubeconfig(kubeconfig)
            connection = HTTPSConnection(api.host, api.port, context=api.context, timeout=1)
            with closing(connection):
                connection.request("GET", "/readyz")
                if connection.getresponse().status == HTTPStatus.OK:
                    return time.monotonic()
        time.sleep(POLL_SECONDS)
    raise SystemExit(f"bench: no API server within {PATIENCE_SECONDS:.0f} s")


def round_trip(cluster: Cluster, number: int) -> Iterator[tuple[str, float]]:
    """One static pod's life: dropped, mirrored, mirror deleted and back, file removed."""
    name = f"bench{number}"
    pod = f"{name}-{cluster.nodes[0]}"
    path = f"/etc/kubernetes/manifests/{name}.yaml"
    watch = Watch(cluster)
    text = MANIFEST.format(name=name, nonce=time.time_ns())
    script = f"cat > /etc/kubernetes/.{name} && mv /etc/kubernetes/.{name} {path}"
    cluster.run(["sh", "-c", script], input=text).check_returncode()
    dropped = when(watch.first("manifest", lambda r: r["source"] == "file" and r["path"] == path))
    yield (
        "manifest to container",
        when(watch.first("container", runtime_says("ContainerStarted", pod))) - dropped,
    )
    yield "manifest to Running mirror", when(watch.first("Running mirror", is_running(pod))) - dropped

    watch = Watch(cluster)
    cluster.run(["kubectl", "delete", "pod", pod, "--grace-period=30", "--wait=false"]).check_returncode()
    deleted = when(watch.first("delete", audit_of("delete", pod)))
    created = when(watch.first("new mirror", audit_of("create", pod)))
    yield "mirror deleted to new mirror", created - deleted

    watch = Watch(cluster)
    cluster.run(["rm", path]).check_returncode()
    removed = when(watch.first("removal", lambda r: r["source"] == "file" and r["event"] == "removed"))
    yield (
        "file removed to container gone",
        when(watch.first("exit", runtime_says("ContainerExited", pod))) - removed,
    )
    yield (
        "file removed to mirror gone",
        when(watch.first("end of the mirror", audit_of("delete", pod))) - removed,
    )


def family(pid: int) -> list[int]:
    """`pid` and every process below it."""
    found, queue = [], [pid]
    while queue:
        one = queue.pop()
        found.append(one)
        for task in Path(f"/proc/{one}/task").iterdir():
            queue += [int(child) for child in (task / "children").read_text().split()]
    return found


def pss_megabytes(pids: list[int]) -> float:
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def cpu_seconds(pids: list[int]) -> float:
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    console = Console()
    kinds, lacking = kinds_of_nodes()
    with tempfile.TemporaryDirectory(prefix="cks-bench-") as home:
        os.environ["XDG_STATE_HOME"] = home
        one = unit()
        console.print(f"unit: {one:.3f} s, a cold start of Python with aiohttp and grpc", highlight=False)
        rows: dict[str, list[float]] = {}
        for kind, options in kinds.items():
            for number in range(BOOTS):
                for key, seconds in boot(f"boot{number}", options):
                    rows.setdefault(f"{kind}: {key}", []).append(seconds)
        cluster = Cluster.up("bench")
        try:
            for number in range(ROUNDS):
                for key, seconds in round_trip(cluster, number):
                    rows.setdefault(key, []).append(seconds)
            pids = family(cluster.supervisor_pid)
            console.print(
                f"settling for {SETTLE_SECONDS} s, then idle for {IDLE_SECONDS} s …", highlight=False
            )
            time.sleep(SETTLE_SECONDS)
            pids = family(cluster.supervisor_pid)
            before = cpu_seconds(pids)
            time.sleep(IDLE_SECONDS)
            idle = 100 * (cpu_seconds(pids) - before) / IDLE_SECONDS
            memory = pss_megabytes(pids)
        finally:
            cluster.down()
    table = Table("what", "median s", "min", "max", "× unit", title="times", title_justify="left")
    for key, values in rows.items():
        middle = statistics.median(values)
        numbers = (f"{middle:.3f}", f"{min(values):.3f}", f"{max(values):.3f}", f"{middle / one:.1f}")
        table.add_row(key, *numbers)
    console.print(table)
    for reason in lacking:
        console.print(reason, highlight=False)
    console.print(f"memory of the whole lab: {memory:.0f} MB (PSS of {len(pids)} processes)", highlight=False)
    console.print(f"idle: {idle:.2f} % of one core over {IDLE_SECONDS} s", highlight=False)


if __name__ == "__main__":
    main()
