"""The tables, as Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

import msgspec

from tests.bench.routing.figures import GOAL_COST, GOAL_QUALITY, Figures, Span
from tests.bench.routing.trial import Tally

TOTALS = "## All sets"


class Guessed(msgspec.Struct, frozen=True):
    """How often each predictor names the true kind: of ``labelled`` prompts, which were never learned from."""

    labelled: int
    right: Mapping[str, float]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Of one set of data. ``singles``: each model's mean score and cost in nano-USD."""

    name: str
    says: str
    cases: int
    best: str
    singles: Mapping[str, Tally]
    policies: tuple[Figures, ...]
    curves: Mapping[str, tuple[Tally, ...]]
    guessed: Guessed | None = None


class Total(NamedTuple):
    """A policy over all sets: means, and in how many of them it reached the aim."""

    name: str
    quality: float
    worst: float
    cost: float
    dearest: float
    local: float
    regret: float
    area: float
    at_goal: float
    needed: float
    met: int
    sets: int


def write_result(result: Result) -> Iterator[str]:
    """One set of data."""
    yield f"## {result.name}: {result.says}" if result.says else f"## {result.name}"
    yield ""
    singles = sorted(result.singles.items(), key=lambda item: item[1].cost)
    said = "; ".join(f"{model} {one.quality:.3f} at {one.cost / 1e6:,.2f}" for model, one in singles)
    yield f"{result.cases:,} prompts. Mean score and cost in thousandths of a dollar of each model: {said}."
    yield f"The best single model is {result.best}."
    if result.guessed is not None:
        right = ", ".join(f"{name} {share:.1%}" for name, share in result.guessed.right.items())
        yield f"The kind of {result.guessed.labelled:,} prompts, told rightly: {right}."
    yield ""
    yield "| policy | score | quality | | cost | | local | regret | area | at 35 % | for 99 % | knob |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|"
    for one in result.policies:
        yield (
            f"| {one.name} | {one.score:.4f} | {one.quality.value:.2%} | {_between(one.quality)} |"
            f" {one.cost.value:.1%} | {_between(one.cost)} | {one.local:.0%} | {one.regret:.4f} |"
            f" {one.area:.4f} | {one.at_goal:.2%} | {one.needed:.1%} | {', '.join(dict.fromkeys(one.settings))} |"
        )
    yield ""


def write_curve(result: Result, name: str) -> Iterator[str]:
    """Cost and quality at each setting of one policy."""
    points = ", ".join(f"{one.cost:.1%} → {one.quality:.2%}" for one in result.curves[name])
    yield f"Cost → quality of {name}: {points}."
    yield ""


def write_totals(results: Sequence[Result]) -> Iterator[str]:
    """All sets together."""
    yield TOTALS
    yield ""
    yield f"Aim: quality of the best single model >= {GOAL_QUALITY:.0%} at <= {GOAL_COST:.0%} of its cost."
    yield ""
    yield "| policy | quality | worst | cost | dearest | local | regret | area | at 35 % | for 99 % | aim met |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    for one in totals(results):
        yield (
            f"| {one.name} | {one.quality:.2%} | {one.worst:.2%} | {one.cost:.1%} | {one.dearest:.1%} |"
            f" {one.local:.0%} | {one.regret:.4f} | {one.area:.4f} |"
            f" {one.at_goal:.2%} | {one.needed:.1%} | {one.met} of {one.sets} |"
        )
    yield ""


def totals(results: Sequence[Result]) -> Iterator[Total]:
    """Of each policy, in the order of the first set."""
    for place, first in enumerate(results[0].policies):
        rows = [result.policies[place] for result in results]
        yield Total(
            name=first.name,
            quality=fmean(row.quality.value for row in rows),
            worst=min(row.quality.value for row in rows),
            cost=fmean(row.cost.value for row in rows),
            dearest=max(row.cost.value for row in rows),
            local=fmean(row.local for row in rows),
            regret=fmean(row.regret for row in rows),
            area=fmean(row.area for row in rows),
            at_goal=fmean(row.at_goal for row in rows),
            needed=fmean(row.needed for row in rows),
            met=sum(meets(row) for row in rows),
            sets=len(rows),
        )


def meets(row: Figures) -> bool:
    """The aim, by the figures themselves."""
    return row.quality.value >= GOAL_QUALITY and row.cost.value <= GOAL_COST


def _between(span: Span) -> str:
    return f"{span.low:.1%} … {span.high:.1%}"
