"""Lodestar itself as a policy: the real ``choose_route`` over a catalogue of the market, nothing of it imitated.

Its knob is what a good answer is worth, and how likely it must be good (``[routing.worth]``). There is no waiting in
a table, so a second costs nothing here. What was seen of each model's work is counted by the kind that the classifier
named, as the gateway counts it; prices are those of the list, and where there is none, a line through seen costs.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from statistics import fmean

import msgspec

from lodestard.classify.classify import classify as classify_request
from lodestard.classify.task_rules import compile_rules
from lodestard.domain.choice import UNSEEN, Asked, Figures
from lodestard.domain.feedback import Given, Verdict
from lodestard.domain.routing_settings import Worth
from lodestard.domain.settings import Model, ModelPrice, Settings, Upstream
from lodestard.domain.task import Task
from lodestard.domain.upstream import Candidate
from lodestard.ledger.outcomes import Outcomes
from lodestard.routing.catalog import Catalog, build_catalog
from lodestard.routing.choose import View, choose_route
from tests.bench.labelled import ask
from tests.bench.routing.asks import Ask, Choose, Lesson, Market
from tests.bench.routing.cases import Rate

ALIAS = "auto"
RULES = compile_rules(())
WORTH_USD = (0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
ENOUGH = (0.85, 0.9, 0.93, 0.95, 0.97, 0.98)
WORTH: Mapping[str, Worth] = {
    **{f"{usd:g} USD": Worth(answer_usd=usd, second_usd=0.0) for usd in WORTH_USD},
    **{f"enough at {share:g}": Worth(answer_usd=5.0, second_usd=0.0, enough=share) for share in ENOUGH},
}
FREE, PAID = "free", "paid"
"""The upstreams of models that cost nothing and of those that do."""
PICO_PER_NANO, NANO_USD = 1000, 10**9
Seen = Mapping[str, Figures]
"""By model."""


def classify(prompt: str) -> Task:
    """What the gateway takes a prompt for."""
    return classify_request(ask(prompt), RULES)


class Lodestar:
    """``learns``: whether it has seen what models did, or goes by what is assumed of their names."""

    def __init__(self, name: str = "lodestar", *, learns: bool = True) -> None:
        self.name = name
        self._learns = learns

    def teach(self, market: Market, lessons: Sequence[Lesson]) -> Mapping[str, Choose]:
        seen = count(lessons) if self._learns else {}
        prices = {model: price_of(model, market, lessons) for model in market.models}
        catalog = make_catalog(prices)
        return {name: partial(_choose, View(catalog=valued(catalog, worth)), seen) for name, worth in WORTH.items()}


def _choose(view: View, seen: Seen, ask: Ask) -> str:
    def figures_of(candidate: Candidate) -> Figures:
        return seen.get(candidate.target.model, UNSEEN)

    here = msgspec.structs.replace(view, figures_of=figures_of)
    plan = choose_route(Asked(alias=ALIAS, prompt_tokens=ask.prompt_tokens), ask.task, here)
    return plan.candidates[0].target.model


def count(lessons: Sequence[Lesson]) -> Seen:
    """Good and bad answers, by the kind and the hardness that each prompt was taken for, as the gateway counts."""
    outcomes = Outcomes()
    for lesson in lessons:
        task = lesson.ask.task
        for model, one in lesson.case.outcomes.items():
            outcomes.add(judged(model, task, "good", one.score), 0)
            outcomes.add(judged(model, task, "bad", 1.0 - one.score), 0)
    models = {model for lesson in lessons for model in lesson.case.outcomes}
    return {model: Figures(cells=outcomes.cells(model, 0)) for model in models}


def judged(model: str, task: Task, verdict: Verdict, weight: float) -> Given:
    return Given(
        request_id="",
        source="said",
        target=model,
        verdict=verdict,
        kind=task.kind,
        project="",
        weight=weight,
        at_ms=0,
        hardness=task.hardness,
    )


def price_of(model: str, market: Market, lessons: Sequence[Lesson]) -> ModelPrice | None:
    """As a ``[prices]`` table; None where it costs nothing."""
    rate = market.rates.get(model)
    if rate is not None:
        return None if rate.free else _listed(rate)
    paid = [(lesson.case.prompt_tokens, lesson.case.outcomes[model].cost_nano_usd) for lesson in lessons]
    return _fitted(paid) if any(cost for _, cost in paid) else None


def _listed(rate: Rate) -> ModelPrice:
    million = Decimal(1_000_000)
    return ModelPrice(input=rate.input_pico_usd / million, output=rate.output_pico_usd / million)


def _fitted(paid: Sequence[tuple[int, int]]) -> ModelPrice:
    """So much a request and so much a token of its prompt, by least squares, neither below nothing."""
    middle_tokens, middle_cost = (fmean(one[place] for one in paid) for place in (0, 1))
    spread = sum((tokens - middle_tokens) ** 2 for tokens, _ in paid)
    slope = sum((tokens - middle_tokens) * (cost - middle_cost) for tokens, cost in paid) / spread if spread else 0.0
    slope = min(max(slope, 0.0), middle_cost / middle_tokens if middle_tokens else 0.0)
    request = Decimal(round(middle_cost - slope * middle_tokens)) / NANO_USD
    return ModelPrice(request=request, input=Decimal(round(slope * PICO_PER_NANO)) / 1_000_000, output=Decimal(0))


def make_catalog(prices: Mapping[str, ModelPrice | None]) -> Catalog:
    """One alias of all models, in their order."""
    targets = {model: f"{FREE if price is None else PAID}/{model}" for model, price in prices.items()}
    upstreams = {name: Upstream(dialect="openai", url="http://127.0.0.1", free=name == FREE) for name in (FREE, PAID)}
    settings = Settings(
        upstreams=upstreams,
        models={ALIAS: Model(route=tuple(targets.values()), prefer="balanced")},
        prices={targets[model]: price for model, price in prices.items() if price is not None},
    )
    return build_catalog(settings, frozenset({"openai"}))


def valued(catalog: Catalog, worth: Worth) -> Catalog:
    """The same by another worth of answers."""
    return msgspec.structs.replace(catalog, worth={"balanced": worth})
