"""`pods/eviction`: a deletion that asks disruption budgets first.

Mirrors `pkg/registry/core/pod/storage/eviction.go`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from labs.core.selectors import is_empty, selects

from . import meta, status
from .context import Context
from .registry import Deletion, Preconditions, Registry
from .resources import Resource, served

Object = dict[str, Any]
VIOLATES = "Cannot evict pod as it would violate the pod's disruption budget."
MORE_THAN_ONE = (
    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
)
#: So many evictions that the disruption controller has not seen are too many.
DISRUPTED_LIMIT = 2000
RETRY_SECONDS = 10


async def evict(
    ctx: Context, registry: Registry, pods: Resource, namespace: str, name: str, deletion: Deletion
) -> None:
    """Delete the pod, or raise a 429 because too few of its kind would be left."""
    pod = await registry.get(pods, namespace, name)
    phase = (pod.get("status") or {}).get("phase")
    if phase not in ("Succeeded", "Failed", "Pending") and "deletionTimestamp" not in pod["metadata"]:
        budgets = await _budgets(registry, namespace, pod)
        if len(budgets) > 1:
            raise status.APIError(500, "", MORE_THAN_ONE)
        if budgets and _spared(pod, budgets[0]):
            deletion = _of_this_version(deletion, pod)
        elif budgets:
            await _take(ctx, registry, namespace, budgets[0]["metadata"]["name"], name)
    await registry.delete(ctx, pods, namespace, name, deletion)


async def _budgets(registry: Registry, namespace: str, pod: Object) -> list[Object]:
    page = await registry.storage.list(served("policy", "poddisruptionbudgets").key_prefix(namespace))
    labels = pod["metadata"].get("labels") or {}
    found = []
    for stored in page.items:
        selector = (stored.object.get("spec") or {}).get("selector") or {}
        if not is_empty(selector) and selects(selector, labels):
            found.append(stored.object)
    return found


def _spared(pod: Object, budget: Object) -> bool:
    """Whether the pod is none of those that the budget counts, and enough others are healthy."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
    state, always = budget["status"], budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow"
    enough = state.get("currentHealthy", 0) >= state.get("desiredHealthy", 0) > 0
    return not ready and (always or enough)


def _of_this_version(deletion: Deletion, pod: Object) -> Deletion:
    wanted = deletion.preconditions
    version = wanted.resource_version or pod["metadata"]["resourceVersion"]
    return replace(deletion, preconditions=Preconditions(wanted.uid, version))


async def _take(ctx: Context, registry: Registry, namespace: str, budget_name: str, pod_name: str) -> None:
    """Take one disruption from the budget; raises a 429 when there is none left."""

    def take(budget: Object | None) -> Object:
        assert budget is not None
        state = budget.setdefault("status", {})
        if state.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
            cause = f"The disruption budget {budget_name} is still being processed by the server."
            raise _too_many(cause, RETRY_SECONDS)
        allowed = state.get("disruptionsAllowed", 0)
        if allowed < 0:
            why = "pdb disruptions allowed is negative"
            raise status.forbidden("policy", "poddisruptionbudget", budget_name, why)
        if len(state.get("disruptedPods") or {}) > DISRUPTED_LIMIT:
            why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
            raise status.forbidden("policy", "poddisruptionbudget", budget_name, why)
        if allowed == 0:
            raise _too_many(
                f"The disruption budget {budget_name} needs {state.get('desiredHealthy', 0)} healthy pods "
                f"and has {state.get('currentHealthy', 0)} currently"
            )
        state["disruptionsAllowed"] = allowed - 1
        if allowed == 1:
            _tell_of_none_left(budget)
        state["disruptedPods"] = {**(state.get("disruptedPods") or {}), pod_name: meta.now()}
        return budget

    budgets = served("policy", "poddisruptionbudgets")
    await registry.update(ctx, budgets, namespace, budget_name, take, subresource="status", partial=True)


def _too_many(cause: str, seconds: int = 0) -> status.APIError:
    causes = [{"reason": "DisruptionBudget", "message": cause}]
    error = status.APIError(429, "TooManyRequests", VIOLATES, {"causes": causes})
    if seconds:
        assert error.details is not None
        error.details["retryAfterSeconds"] = seconds
        error.headers["Retry-After"] = str(seconds)
    return error


def _tell_of_none_left(budget: Object) -> None:
    state = budget["status"]
    others = [c for c in state.get("conditions") or [] if c.get("type") != "DisruptionAllowed"]
    condition = {
        "type": "DisruptionAllowed",
        "status": "False",
        "observedGeneration": budget["metadata"].get("generation", 0),
        "lastTransitionTime": meta.now(),
        "reason": "InsufficientPods",
        "message": "",
    }
    state["conditions"] = [*others, condition]
