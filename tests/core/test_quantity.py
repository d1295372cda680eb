"""Amounts, in Kubernetes' units."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.core.quantity import BINARY, DECIMAL, add_quantities, canonical_quantity, quantity_value


def amounts(units: list[str]) -> st.SearchStrategy[str]:
    return st.builds("{}{}".format, st.integers(-(10**6), 10**6), st.sampled_from(units))


#: Those of which a million is less than the most that Go's int64 holds.
SMALL = [unit for unit in (*BINARY, *DECIMAL) if unit[:1] not in ("P", "E")]


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("64Mi", "64Mi", "128Mi"),
        ("64Mi", "1", "67108865"),
        ("0", "1Gi", "1Gi"),
        ("100m", "900m", "1"),
        ("1e3", "1k", "2e3"),
    ],
)
def test_quantities_are_added_in_the_units_of_the_first(one: str, other: str, together: str) -> None:
    assert add_quantities(one, other) == together


@given(amounts([*BINARY, *DECIMAL]))
def test_the_largest_unit_says_the_same_and_is_found_once(amount: str) -> None:
    shown = canonical_quantity(amount)

    assert quantity_value(shown) == quantity_value(amount)
    assert canonical_quantity(shown) == shown


@given(amounts(SMALL), amounts(SMALL))
def test_a_sum_is_worth_its_parts(one: str, other: str) -> None:
    assert quantity_value(add_quantities(one, other)) == quantity_value(one) + quantity_value(other)
