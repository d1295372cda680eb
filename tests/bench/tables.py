"""Our figures beside the real kubelet's, as they were recorded on a node of its own (`recorded.json`)."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from tests.bench.api import CHANGES, CHANGES_PER_SECOND, PODS, WATCHERS, WRITERS, Propagation, Writes
from tests.bench.processes import Usage
from tests.bench.static_pods import LEAST_GRACE, Crowd

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "recorded.json").read_text())

#: Measure to its words. What the kubelet's least grace takes is no work, and subtracted on both sides.
WORDS = {
    "drop_to_container": "manifest to container",
    "drop_to_mirror_running": "manifest to Running mirror",
    "edit_to_new_container": "edit to new container",
    "edit_to_new_mirror_running": "edit to new Running mirror",
    "mirror_deleted_to_new_mirror": "mirror deleted to new mirror",
    "remove_to_container_gone": f"file removed to container gone, less {LEAST_GRACE:.0f} s of grace",
    "remove_to_mirror_gone": f"file removed to mirror gone, less {LEAST_GRACE:.0f} s of grace",
}


def p90(values: Sequence[float]) -> float:
    """The value that nine in ten do not exceed."""
    return sorted(values)[-(-len(values) * 9 // 10) - 1]


def times(rows: Mapping[str, Sequence[float]], unit: float) -> Table:
    """Times that are given as multiples of a unit of this machine, too."""
    table = Table("what", "count", "median s", "p90", "max", "× unit", title="boot", title_justify="left")
    for key, values in rows.items():
        middle = statistics.median(values)
        numbers = (f"{middle:.2f}", f"{p90(values):.2f}", f"{max(values):.2f}", f"{middle / unit:.1f}")
        table.add_row(key, str(len(values)), *numbers)
    return table


def latencies(rows: Mapping[str, Sequence[float]], here: Mapping[str, Sequence[float]]) -> Table:
    """One static pod's life, step by step; `here` has the real kubelet's times of this run, if any."""
    columns = ("what", "count", "median s", "p90", "real median", "p90", "real / ours")
    table = _beside("one static pod", *columns, *(("real here", "p90", "/ ours") if here else ()))
    for key, values in rows.items():
        grace = LEAST_GRACE if key.startswith("remove") else 0.0
        ours = statistics.median(values)
        cells = [WORDS[key], str(len(values)), f"{ours:.3f}", f"{p90(values):.3f}"]
        for real in ([value - grace for value in RECORDED["seconds"][key]], here.get(key)):
            if real:
                theirs = statistics.median(real)
                cells += [f"{theirs:.3f}", f"{p90(real):.3f}", f"{theirs / max(ours, 0.001):.1f}"]
        table.add_row(*cells)
    return table


def crowds(results: Mapping[int, Crowd], here: Mapping[int, Crowd]) -> Table:
    """Many pods at once: seconds, and the memory of all that runs them; `here` as with `latencies`."""
    columns = ("pods", "what", "ours", "real", "real / ours")
    table = _beside("many static pods at once", *columns, *(("real here", "/ ours") if here else ()))
    for count, crowd in results.items():
        sides = [_figures(crowd), _recorded(RECORDED["at_once"][str(count)])]
        if count in here:
            sides.append(_figures(here[count]))
        for row, (what, digits) in enumerate(_OF_A_CROWD):
            ours, *theirs = (side[row] for side in sides)
            cells = [str(count), what, f"{ours:.{digits}f}"]
            for real in theirs:
                cells += [f"{real:.{digits}f}", f"{real / max(ours, 0.001):.1f}"]
            table.add_row(*cells)
        parts = ", ".join(f"{role} {usage.pss_mb:.0f}" for role, usage in crowd.usage.items())
        table.add_row("", f"of ours: {parts}", end_section=True)
    return table


#: What is told of a crowd, with how many digits.
_OF_A_CROWD = (
    ("all containers, s", 2),
    ("all mirrors Running, s", 2),
    (f"all gone, less {LEAST_GRACE:.0f} s of grace", 2),
    ("their work, CPU s", 2),
    ("PSS, MB", 0),
)


def _figures(crowd: Crowd) -> tuple[float, ...]:
    weight = sum(usage.pss_mb for usage in crowd.usage.values())
    return (crowd.all_containers, crowd.all_mirrors_running, crowd.all_gone, crowd.cpu_s, weight)


def _recorded(real: Mapping[str, Any]) -> tuple[float, ...]:
    times = (real["all_containers"], real["all_mirrors_running"], real["all_gone"] - LEAST_GRACE)
    return (*times, sum(real["cpu_s"].values()), sum(real["pss_mb"].values()))


def idle(usage: Mapping[str, Usage], seconds: float) -> Table:
    """What the node's own programs do and weigh while nothing happens; `usage` has the work of `seconds`."""
    table = _beside("idle", "what", "ours", "real", "real / ours")
    ours_cpu = sum(100 * each.cpu_s / seconds for each in usage.values())
    ours_mb = sum(each.pss_mb for each in usage.values())
    real_cpu = sum(each["cpu_percent"] for each in RECORDED["idle"].values())
    real_mb = sum(each["pss_mb"] for each in RECORDED["idle"].values())
    for what, ours, theirs in (("CPU, % of a core", ours_cpu, real_cpu), ("PSS, MB", ours_mb, real_mb)):
        table.add_row(what, f"{ours:.2f}", f"{theirs:.2f}", f"{theirs / max(ours, 0.01):.1f}")
    return table


def labs(ours: Usage, real: Usage | None, seconds: float) -> Table:
    """The labs as a whole at rest, of this run: ours, and the real node where there is one."""
    table = Table(
        "what", "ours", "real", "ours / real", title=f"{seconds:.0f} s at rest", title_justify="left"
    )
    cores = os.cpu_count() or 1
    percent = 100 / seconds
    for what, factor, digits in (
        ("CPU, % of a core", percent, 2), (f"CPU, % of this machine's {cores}", percent / cores, 2)
    ):  # fmt: skip
        _compare(table, what, factor * ours.cpu_s, factor * real.cpu_s if real else None, digits)
    _compare(table, "PSS, MB", ours.pss_mb, real.pss_mb if real else None, 0)
    _compare(table, "processes", ours.processes, real.processes if real else None, 0)
    return table


def _compare(table: Table, what: str, ours: float, real: float | None, digits: int) -> None:
    if real is None:
        table.add_row(what, f"{ours:.{digits}f}", "", "")
    else:
        table.add_row(what, f"{ours:.{digits}f}", f"{real:.{digits}f}", f"{ours / real:.2f}")


def load(listings: Sequence[float], propagation: Propagation, writes: Writes) -> Table:
    """The API server at work."""
    table = Table("what", "median", "p90", title="the API server at work", title_justify="left")
    seconds = (f"{statistics.median(listings):.2f} s", f"{p90(listings):.2f} s")
    table.add_row(f"kubectl get pods -A, {PODS} pods", *seconds)
    table.add_row(
        f"{CHANGES} changes put into etcd at {CHANGES_PER_SECOND}/s, seen by {WATCHERS} watchers",
        f"{propagation.per_second:.0f}/s, the last one {propagation.late_s:.2f} s late",
    )
    table.add_row(f"ConfigMaps created by {WRITERS} clients", f"{writes.per_second:.0f}/s")
    times = (f"{1000 * statistics.median(writes.seconds):.0f} ms", f"{1000 * p90(writes.seconds):.0f} ms")
    table.add_row("one of them", *times)
    return table


def _beside(title: str, *columns: str) -> Table:
    return Table(*columns, title=f"{title} (real: {RECORDED['components']})", title_justify="left")
