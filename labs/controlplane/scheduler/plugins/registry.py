"""Which plug-ins there are and where they plug in, and what is wrong with a profile's choice of them.

Mirrors `pkg/scheduler/framework/plugins/registry.go` and, for the refusals, `framework/runtime/framework.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

#: The extension points of a profile's `plugins`, each with Go's name for what plugs in there.
POINTS: Mapping[str, str] = {
    "preEnqueue": "PreEnqueuePlugin",
    "queueSort": "QueueSortPlugin",
    "preFilter": "PreFilterPlugin",
    "filter": "FilterPlugin",
    "postFilter": "PostFilterPlugin",
    "preScore": "PreScorePlugin",
    "score": "ScorePlugin",
    "reserve": "ReservePlugin",
    "permit": "PermitPlugin",
    "preBind": "PreBindPlugin",
    "bind": "BindPlugin",
    "postBind": "PostBindPlugin",
}
_NARROWING = ("preFilter", "filter")
_WEIGHING = ("preFilter", "filter", "preScore", "score")
#: The default plug-ins, which "multiPoint" enables everywhere they fit.
PLUGINS: Mapping[str, tuple[str, ...]] = {
    "SchedulingGates": ("preEnqueue",),
    "PrioritySort": ("queueSort",),
    "NodeUnschedulable": ("filter",),
    "NodeName": ("filter",),
    "TaintToleration": ("filter", "preScore", "score"),
    "NodeAffinity": _WEIGHING,
    "NodePorts": _NARROWING,
    "NodeResourcesFit": _WEIGHING,
    "VolumeRestrictions": _NARROWING,
    "NodeVolumeLimits": _NARROWING,
    "VolumeBinding": (*_WEIGHING, "reserve", "preBind"),
    "VolumeZone": _NARROWING,
    "PodTopologySpread": _WEIGHING,
    "InterPodAffinity": _WEIGHING,
    "DynamicResources": ("preEnqueue", *_NARROWING, "postFilter", "reserve", "preBind"),
    "DefaultPreemption": ("postFilter",),
    "NodeResourcesBalancedAllocation": ("preScore", "score"),
    "ImageLocality": ("score",),
    "DefaultBinder": ("bind",),
}


def enabled(plugins: Mapping[str, Any], point: str) -> set[str]:
    """The names at one extension point when a profile's `plugins` are laid over the defaults."""
    off = set(_names(plugins, point, "disabled")) | set(_names(plugins, "multiPoint", "disabled"))
    default = {name for name, points in PLUGINS.items() if point in points}
    return (set() if "*" in off else default - off) | set(_names(plugins, point, "enabled"))


def fault(name: str, plugins: Mapping[str, Any]) -> str:
    """Why the profile of the scheduler `name` cannot be made; "" when it can."""
    for each in _names(plugins, "multiPoint", "enabled"):
        if each not in PLUGINS:
            return f'{POINTS["preFilter"]} "{each}" does not exist'
    for point, kind in POINTS.items():
        if wrong := _point_fault(list(_names(plugins, point, "enabled")), point, kind):
            return wrong
    if (sorts := len(enabled(plugins, "queueSort"))) != 1:
        why = "only one queue sort plugin required for profile with scheduler name"
        return f'{why} "{name}", but got {sorts}'
    if not enabled(plugins, "bind"):
        return f'at least one bind plugin is needed for profile with scheduler name "{name}"'
    return ""


def _point_fault(names: Iterable[str], point: str, kind: str) -> str:
    seen: set[str] = set()
    for name in names:
        if name not in PLUGINS:
            return f'{kind} "{name}" does not exist'
        if point not in PLUGINS[name]:
            return f'plugin "{name}" does not extend {kind} plugin'
        if name in seen:
            return f'plugin "{name}" already registered as "{kind}"'
        seen.add(name)
    return ""


def _names(plugins: Mapping[str, Any], point: str, part: str) -> Iterator[str]:
    for plugin in plugins.get(point, {}).get(part, ()):
        yield plugin.get("name", "")
