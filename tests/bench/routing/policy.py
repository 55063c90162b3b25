"""Lodestar itself as a policy. A stand-in until its router weighs: the worth of a good answer, its odds, its cost."""

from collections.abc import Mapping, Sequence
from functools import partial
from math import exp, log

from lodestard.domain.task import Task
from tests.bench.routing.asks import Ask, Choose, Lesson, Market

WORTH_USD = (0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 2.0)
NANO_USD = 10**9
SPREAD = 6.0


def classify(prompt: str) -> Task:
    """What the gateway takes a prompt for."""
    return Task(kind="chat", hardness=0.5)


class Lodestar:
    """The knob is what a good answer is worth."""

    name = "lodestar"

    def teach(self, market: Market, lessons: Sequence[Lesson]) -> Mapping[str, Choose]:
        counts: dict[tuple[str, str], list[float]] = {}
        for lesson in lessons:
            for model, one in lesson.case.outcomes.items():
                row = counts.setdefault((model, lesson.ask.task.kind), [6.0, 8.0, 0.0])
                row[0], row[1], row[2] = row[0] + one.score, row[1] + 1, row[2] + one.cost_nano_usd
        return {f"{usd:g} USD": partial(_choose, market.models, counts, usd * NANO_USD) for usd in WORTH_USD}


def _choose(models: Sequence[str], counts: Mapping[tuple[str, str], Sequence[float]], worth: float, ask: Ask) -> str:
    def value(model: str) -> float:
        good, seen, cost = counts.get((model, ask.task.kind), (3.0, 4.0, 0.0))
        logit = log(good / max(seen - good, 0.5))
        return worth / (1 + exp(-(logit - SPREAD * (ask.task.hardness - 0.5)))) - cost / seen

    return max(models, key=value)
