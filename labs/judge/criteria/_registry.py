"""Where criteria and deeds are entered under the names that exercises use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, ParamSpec

from labs.judge.case import Case
from labs.judge.facts import ApiFact
from labs.judge.finding import Finding

P = ParamSpec("P")


@dataclass(frozen=True)
class Judge:
    """A criterion's function and the names of the parameters that an exercise must give it."""

    function: Callable[..., Finding]
    parameters: tuple[str, ...]


CRITERIA: dict[str, Judge] = {}
DEEDS: dict[str, Callable[[Case], tuple[ApiFact, ...]]] = {}


def criterion(
    name: str, *parameters: str
) -> Callable[[Callable[Concatenate[Case, P], Finding]], Callable[Concatenate[Case, P], Finding]]:
    """Enter a function as a criterion. It takes the case and the parameters, as keywords."""

    def enter(function: Callable[Concatenate[Case, P], Finding]) -> Callable[Concatenate[Case, P], Finding]:
        CRITERIA[name] = Judge(function, parameters)
        return function

    return enter


def deed(
    name: str,
) -> Callable[[Callable[[Case], tuple[ApiFact, ...]]], Callable[[Case], tuple[ApiFact, ...]]]:
    """Enter a function that finds, in a case, the acts an exercise is about."""

    def enter(function: Callable[[Case], tuple[ApiFact, ...]]) -> Callable[[Case], tuple[ApiFact, ...]]:
        DEEDS[name] = function
        return function

    return enter
