"""What a label selector selects (`LabelSelectorAsSelector`)."""

from __future__ import annotations

from typing import Any

import pytest

from labs.core.selectors import is_empty, selects

LABELS = {"app": "web", "tier": "front"}


def expression(operator: str, *values: str, key: str = "app") -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "web", "tier": "back"}}, False),
        (expression("In", "web", "api"), True),
        (expression("In", "api"), False),
        (expression("NotIn", "api"), True),
        (expression("NotIn", "api", key="gone"), True),
        (expression("NotIn", "web"), False),
        (expression("Exists"), True),
        (expression("Exists", key="gone"), False),
        (expression("DoesNotExist", key="gone"), True),
        (expression("DoesNotExist"), False),
        (expression("Like", "w"), False),
        ({"matchLabels": {"tier": "front"}, **expression("In", "api")}, False),
    ],
)
def test_labels_are_selected_by_all_that_a_selector_says(selector: Any, selected: bool) -> None:
    assert selects(selector, LABELS) is selected


def test_a_selector_that_says_nothing_is_empty() -> None:
    assert is_empty({"matchLabels": {}})
    assert not is_empty(expression("Exists"))
