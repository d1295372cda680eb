"""Gives ClusterRoles that are sums of others the others' rules: `admin`, `edit` and `view` are such.

Mirrors `pkg/controller/clusterroleaggregation/clusterroleaggregation_controller.go`.
"""

from __future__ import annotations

from collections.abc import Iterable

from labs.controlplane.client import Handler
from labs.controlplane.helpers.labels import selects

from .context import ControllerContext
from .controller import Controller
from .kinds import CLUSTER_ROLES
from .objects import Object, key_of


def summed_rules(role: Object, others: Iterable[Object]) -> list[Object]:
    """The rules of the others that the role's selectors select, each once, in the order of their names."""
    by_name = sorted(others, key=key_of)
    rules: list[Object] = []
    for selector in role["aggregationRule"].get("clusterRoleSelectors") or []:
        for other in by_name:
            if key_of(other) == key_of(role) or not selects(selector, other["metadata"].get("labels")):
                continue
            rules += [rule for rule in other.get("rules") or [] if rule not in rules]
    return rules


class ClusterRoleAggregationController(Controller):
    """The loop; keys are ClusterRoles' names."""

    name = "clusterrole-aggregation-controller"
    account = "clusterrole-aggregation-controller"
    source = "clusterroleaggregation_controller.go:218"
    started = ("clusterroleaggregation_controller.go:176", '"Starting ClusterRoleAggregator controller"')

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._roles = self.informer(CLUSTER_ROLES)
        self._roles.subscribe(Handler(self._all, lambda _, new: self._all(new), self._all))

    def _all(self, _: Object) -> None:
        for role in self._roles.store:
            if role.get("aggregationRule"):
                self.queue.add(key_of(role))

    async def sync(self, key: str) -> None:
        role = self._roles.store.by_key(key)
        if role is None or not role.get("aggregationRule"):
            return
        rules = summed_rules(role, self._roles.store)
        if rules != (role.get("rules") or []):
            await self.client.patch(CLUSTER_ROLES, "", key, {"rules": rules})
