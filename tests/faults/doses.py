"""How much of each fault, and by which seed.

``LODESTAR_SEED`` gives the seed of every random test; without it each draws its own and prints it in the table.
``LODESTAR_DOSE=N`` takes the dose of the table of faults, N times; without it the dose is short.
"""

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

T = TypeVar("T")


def factor() -> int:
    """How many times the table's dose; nought for the short one."""
    return int(os.environ.get("LODESTAR_DOSE") or 0)


def dose(short: int, table: int) -> int:
    """How often this time."""
    return factor() * table or short


def table_only() -> Any:
    """For what the short dose leaves out: a second planted defect of a kind that a first one stands for."""
    return pytest.mark.skipif(not factor(), reason="in the doses of the table")


def draw_seed() -> int:
    given = os.environ.get("LODESTAR_SEED")
    return int(given) if given else random.SystemRandom().randrange(10**9)


def some_of(all_of_them: Sequence[T], short: int, luck: random.Random) -> list[T]:
    """All of them in the table's dose; in the short one the first, the last and some between."""
    if factor() or len(all_of_them) <= short:
        return list(all_of_them)
    between = luck.sample(range(1, len(all_of_them) - 1), short - 2)
    return [all_of_them[0], *(all_of_them[at] for at in sorted(between)), all_of_them[-1]]


@dataclass(frozen=True)
class Figure:
    """One row of the table: what was done how often, and what was measured."""

    fault: str
    dose: str
    figure: str


Tell = Callable[[Figure], None]
