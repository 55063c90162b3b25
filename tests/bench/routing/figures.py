"""What choices come to: quality, cost, share of free models, regret, with their intervals; and the area of a curve.

Sources: the area is RouterBench's "average improvement in quality" (arXiv 2403.12031, section 3), on the hull of what
mixing a policy's settings, the cheapest model and the best one can reach.
"""

import random
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec

from tests.bench.routing.cases import Data
from tests.bench.routing.folds import place_of
from tests.bench.routing.trial import Tally, Tried, tally

BLOCKS = 100
DRAWS = 1000
TAIL = 0.025
GOAL_QUALITY, GOAL_COST = 0.99, 0.35
NEVER = float("inf")


class Span(NamedTuple):
    """A figure, and between what it lies 95 times in a hundred."""

    value: float
    low: float
    high: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Of one policy on one set of data. Shares are of the best single model's.

    Along the hull: ``area`` under it, the quality ``at_goal`` (``GOAL_COST``), and the cost that is ``needed`` for
    ``GOAL_QUALITY``, which is infinite where it is never reached.
    """

    name: str
    score: float
    quality: Span
    cost: Span
    local: float
    regret: float
    area: float
    at_goal: float
    needed: float
    settings: tuple[str, ...]


def best_single(data: Data) -> str:
    """The model that did best over all; of equals the cheapest."""
    tallies = {model: tally(data.cases, [model] * len(data.cases)) for model in data.models}
    return max(data.models, key=lambda model: (tallies[model].quality, -tallies[model].cost))


def free_models(data: Data) -> frozenset[str]:
    """Those that never cost anything."""
    return frozenset(
        model for model in data.models if not any(case.outcomes[model].cost_nano_usd for case in data.cases)
    )


def figures(data: Data, tried: Tried) -> Figures:
    """See the class."""
    cases, free, top = data.cases, free_models(data), reached(data, tried)
    best = (best_single(data),) * len(cases)
    quality, cost = shares(data, tried.picks, best)
    tops = [max(one.score for one in case.outcomes.values()) for case in cases]
    score = tally(cases, tried.picks).quality
    return Figures(
        name=tried.name,
        score=score,
        quality=quality,
        cost=cost,
        local=sum(pick in free for pick in tried.picks) / len(cases),
        regret=sum(tops) / len(tops) - score,
        area=_under(top),
        at_goal=height_at(top, GOAL_COST),
        needed=cost_for(top, GOAL_QUALITY),
        settings=tried.settings,
    )


def shares(data: Data, picks: Sequence[str], best: Sequence[str]) -> tuple[Span, Span]:
    """Quality and cost as shares of the best model's; intervals by drawing blocks of prompts anew."""
    ours, theirs = _blocks(data, picks), _blocks(data, best)
    luck = random.Random(f"draws {data.name}")
    numbers = range(len(ours))
    drawn = [_ratio(ours, theirs, numbers)]
    drawn += [_ratio(ours, theirs, luck.choices(numbers, k=len(ours))) for _ in range(DRAWS)]
    return _span([one.quality for one in drawn]), _span([one.cost for one in drawn])


def _blocks(data: Data, picks: Sequence[str]) -> list[Tally]:
    """Sums of score and cost of the prompts of each block."""
    sums = [[0.0, 0.0] for _ in range(BLOCKS)]
    for case, model in zip(data.cases, picks, strict=True):
        block, one = sums[place_of(case.prompt, "block", BLOCKS)], case.outcomes[model]
        block[0] += one.score
        block[1] += one.cost_nano_usd
    return [Tally(*block) for block in sums]


def _ratio(ours: Sequence[Tally], theirs: Sequence[Tally], numbers: Iterable[int]) -> Tally:
    score = cost = best_score = best_cost = 0.0
    for number in numbers:
        score, cost = score + ours[number].quality, cost + ours[number].cost
        best_score, best_cost = best_score + theirs[number].quality, best_cost + theirs[number].cost
    return Tally(score / best_score if best_score else 1.0, cost / best_cost if best_cost else 1.0)


def _span(drawn: Sequence[float]) -> Span:
    """The first is the figure itself."""
    ordered = sorted(drawn[1:])
    return Span(drawn[0], ordered[int(len(ordered) * TAIL)], ordered[int(len(ordered) * (1 - TAIL)) - 1])


def curve(data: Data, tried: Tried) -> list[Tally]:
    """What its settings reach, as shares of the best single model's, the cheapest first."""
    best = tally(data.cases, [best_single(data)] * len(data.cases))
    points = [tally(data.cases, picks) for picks in tried.by_setting.values()]
    return sorted(Tally(_of(one.quality, best.quality), _of(one.cost, best.cost)) for one in points)


def area(data: Data, tried: Tried) -> float:
    """The mean quality over costs from the cheapest to the best model's; 1 is the best model's quality."""
    return _under(reached(data, tried))


def reached(data: Data, tried: Tried) -> list[Tally]:
    """The hull of its settings, the cheapest model and the best one."""
    singles = {model: (model,) * len(data.cases) for model in _ends(data)}
    every = Tried(tried.name, tried.picks, (), {**tried.by_setting, **singles})
    return hull(curve(data, every))


def height_at(top: Sequence[Tally], cost: float) -> float:
    """The quality that the hull has at a cost; nothing below its first point."""
    height = 0.0
    for before, after in pairwise((*top, Tally(top[-1].quality, NEVER))):
        if before.cost <= cost:
            slope = 0.0 if after.cost == NEVER else (after.quality - before.quality) / (after.cost - before.cost)
            height = before.quality + slope * (min(cost, after.cost) - before.cost)
    return height


def cost_for(top: Sequence[Tally], quality: float) -> float:
    """The least cost at which the hull has a quality."""
    if top[0].quality >= quality:
        return top[0].cost
    for before, after in pairwise(top):
        if after.quality >= quality:
            share = (quality - before.quality) / (after.quality - before.quality)
            return before.cost + share * (after.cost - before.cost)
    return NEVER


def _ends(data: Data) -> tuple[str, str]:
    """The cheapest model and the best one."""
    tallies = {model: tally(data.cases, [model] * len(data.cases)) for model in data.models}
    cheap = min(data.models, key=lambda model: (tallies[model].cost, -tallies[model].quality))
    return cheap, best_single(data)


def hull(points: Sequence[Tally]) -> list[Tally]:
    """The upper concave hull, never falling, from the cheapest point on."""
    kept: list[Tally] = []
    for point in sorted(points, key=lambda one: (one.cost, -one.quality)):
        if kept and point.quality <= kept[-1].quality:
            continue
        while len(kept) > 1 and _bends_up(kept[-2], kept[-1], point):
            kept.pop()
        kept.append(point)
    return kept


def _bends_up(first: Tally, middle: Tally, last: Tally) -> bool:
    return (middle.quality - first.quality) * (last.cost - first.cost) <= (last.quality - first.quality) * (
        middle.cost - first.cost
    )


def _under(top: Sequence[Tally]) -> float:
    """The mean height between the first point's cost and 1."""
    begin = min(top[0].cost, 1.0)
    if begin >= 1:
        return top[0].quality
    total, before = 0.0, top[0]
    for point in (*top[1:], Tally(top[-1].quality, max(1.0, top[-1].cost))):
        end = min(point.cost, 1.0)
        if end > before.cost:
            slope = (point.quality - before.quality) / (point.cost - before.cost)
            height = before.quality + slope * (end - before.cost)
            total += (before.quality + height) / 2 * (end - before.cost)
            before = Tally(height, end)
        if point.cost >= 1:
            break
    return total / (1 - begin)


def _of(part: float, whole: float) -> float:
    return part / whole if whole else 1.0
