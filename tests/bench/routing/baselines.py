"""Policies that anybody could write in an afternoon: what the router has to beat."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from tests.bench.routing.asks import VALUES_USD, Ask, Choose, Lesson, Market
from tests.bench.routing.bag_of_words import Bag
from tests.bench.routing.folds import place_of

QUANTILES = 20
NANO_USD = 10**9
DOUBT = 4.0
"""How many lessons a model's mean over all kinds weighs beside those of one kind."""


class Strong:
    """Always the model that did best in what was seen; of equals the cheapest."""

    name = "always strong"

    def teach(self, market: Market, lessons: Sequence[Lesson]) -> Mapping[str, Choose]:
        model = strongest(market, lessons)
        return {"": lambda _ask: model}


class Cheap:
    """Always the model that cost least in what was seen; of equals the best."""

    name = "always cheap"

    def teach(self, market: Market, lessons: Sequence[Lesson]) -> Mapping[str, Choose]:
        model = cheapest(market, lessons)
        return {"": lambda _ask: model}


class Random:
    """Any model, each as often."""

    name = "random"

    def teach(self, market: Market, lessons: Sequence[Lesson]) -> Mapping[str, Choose]:
        return {"": lambda ask: market.models[place_of(ask.prompt, "random", len(market.models))]}


class Coin:
    """The strong model so often, else another, without looking at the prompt."""

    name = "coin"

    def teach(self, market: Market, lessons: Sequence[Lesson]) -> Mapping[str, Choose]:
        strong = strongest(market, lessons)
        return {
            f"{100 - share}% {model}": partial(_toss, strong, model, share)
            for model in market.models
            for share in range(0, 101, 5)
        }


class Length:
    """The strong model for long prompts, another for short ones; where long begins is learned."""

    name = "prompt length"

    def teach(self, market: Market, lessons: Sequence[Lesson]) -> Mapping[str, Choose]:
        strong = strongest(market, lessons)
        lengths = sorted(len(lesson.ask.prompt) for lesson in lessons)
        steps = [lengths[len(lengths) * step // QUANTILES] for step in range(QUANTILES)] + [lengths[-1] + 1]
        return {
            f"{100 * place // QUANTILES}% {model}": partial(_by_length, strong, model, step)
            for model in market.models
            for place, step in enumerate(steps)
        }


class ByKind:
    """What a good answer is worth times how often each model gave one for a prompt of this kind, less its cost.

    Which kind a prompt is of, ``predictor`` says: it has learned it from the seen prompts and their true kinds.
    """

    def __init__(self, name: str, predictor: Callable[[Sequence[Lesson]], Callable[[str], str]]) -> None:
        self.name = name
        self._predictor = predictor

    def teach(self, market: Market, lessons: Sequence[Lesson]) -> Mapping[str, Choose]:
        kind_of = self._predictor(lessons)
        seen: dict[str, list[Lesson]] = {}
        for lesson in lessons:
            seen.setdefault(kind_of(lesson.ask.prompt), []).append(lesson)
        means = {kind: means_of(market, some, lessons) for kind, some in seen.items()}
        usual = means_of(market, lessons, lessons)
        return {f"{value:g} USD": partial(_by_kind, kind_of, means, usual, value) for value in VALUES_USD}


Means = Mapping[str, tuple[float, float]]
"""Of each model: mean score, mean cost in nano-USD."""


def majority(lessons: Sequence[Lesson]) -> Callable[[str], str]:
    """Every prompt is of the commonest kind."""
    kinds = [lesson.case.kind for lesson in lessons]
    commonest = max(sorted(set(kinds)), key=kinds.count)
    return lambda _prompt: commonest


def bag_of_words(lessons: Sequence[Lesson]) -> Callable[[str], str]:
    """Naive Bayes over words."""
    return Bag((lesson.ask.prompt, lesson.case.kind) for lesson in lessons).kind_of


def baselines() -> tuple[Strong | Cheap | Random | Coin | Length | ByKind, ...]:
    """All of them, in the order of the report."""
    predictors = (ByKind("majority kind", majority), ByKind("bag of words", bag_of_words))
    return (Strong(), Cheap(), Random(), Coin(), Length(), *predictors)


def strongest(market: Market, lessons: Sequence[Lesson]) -> str:
    means = means_of(market, lessons, lessons)
    return max(market.models, key=lambda model: (means[model][0], -means[model][1]))


def cheapest(market: Market, lessons: Sequence[Lesson]) -> str:
    means = means_of(market, lessons, lessons)
    return min(market.models, key=lambda model: (means[model][1], -means[model][0]))


def means_of(market: Market, some: Sequence[Lesson], everything: Sequence[Lesson]) -> Means:
    """Over ``some`` lessons; few of them are drawn towards the mean of ``everything``."""
    found = {}
    for model in market.models:
        outcomes = [lesson.case.outcomes[model] for lesson in some]
        score, cost = sum(one.score for one in outcomes), float(sum(one.cost_nano_usd for one in outcomes))
        weight = float(len(some))
        if some is not everything:
            usual_score, usual_cost = means_of_one(model, everything)
            score, cost = score + DOUBT * usual_score, cost + DOUBT * usual_cost
            weight += DOUBT
        found[model] = (score / weight, cost / weight)
    return found


def means_of_one(model: str, lessons: Sequence[Lesson]) -> tuple[float, float]:
    outcomes = [lesson.case.outcomes[model] for lesson in lessons]
    count = len(outcomes)
    return sum(one.score for one in outcomes) / count, sum(one.cost_nano_usd for one in outcomes) / count


def _toss(strong: str, other: str, share: int, ask: Ask) -> str:
    return strong if place_of(ask.prompt, "coin", 100) < share else other


def _by_length(strong: str, other: str, step: int, ask: Ask) -> str:
    return strong if len(ask.prompt) >= step else other


def _by_kind(
    kind_of: Callable[[str], str], means: Mapping[str, Means], usual: Means, value_usd: float, ask: Ask
) -> str:
    of_kind = means.get(kind_of(ask.prompt), usual)
    worth = value_usd * NANO_USD
    return max(of_kind, key=lambda model: (worth * of_kind[model][0] - of_kind[model][1], of_kind[model][0]))
