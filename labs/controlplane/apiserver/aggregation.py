"""ClusterRoles that gather their rules from others by label, as `admin`, `edit` and `view` do.

Mirrors `pkg/controller/clusterroleaggregation`, which in a full cluster runs in the controller manager.
"""

from __future__ import annotations

import asyncio
from typing import Any

from labs.controlplane import klog
from labs.core.selectors import selects

from .authorization import Policy
from .etcd import EtcdError
from .storage import Changed, Storage

Object = dict[str, Any]
PREFIX = "/registry/clusterroles/"
RETRY_SECONDS = 1.0


async def aggregate_for_ever(storage: Storage, policy: Policy) -> None:
    """Gather whenever a ClusterRole changes."""
    changed = asyncio.Event()
    changed.set()
    policy.on_cluster_role = changed.set
    while True:
        await changed.wait()
        changed.clear()
        for key, role in list(policy.objects.items()):
            if not key.startswith(PREFIX) or not role.get("aggregationRule"):
                continue
            rules = _gathered(role, policy)
            if rules == (role.get("rules") or []):
                continue
            try:
                version = int(role["metadata"]["resourceVersion"])
                await storage.update(key, {**role, "rules": rules}, version)
            except Changed:
                changed.set()
            except EtcdError as error:
                klog.error("clusterroleaggregation_controller.go:197", "Unhandled Error", err=error)
                await asyncio.sleep(RETRY_SECONDS)
                changed.set()


def _gathered(role: Object, policy: Policy) -> list[Object]:
    rules: list[Object] = []
    selectors = role["aggregationRule"].get("clusterRoleSelectors") or []
    others = sorted(key for key in policy.objects if key.startswith(PREFIX))
    for selector in selectors:
        for key in others:
            other = policy.objects[key]
            if other["metadata"]["name"] == role["metadata"]["name"]:
                continue
            if selects(selector, other["metadata"].get("labels") or {}):
                rules += [rule for rule in other.get("rules") or [] if rule not in rules]
    return rules
