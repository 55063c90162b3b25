"""The trial: each policy learns from some folds and chooses for the other, until all were chosen for.

Law: what is learned and what is tuned comes from the training folds alone, and their verdicts; a policy is handed
no truth. The rule by which a knob is set is the same for all: the cheapest that kept ``KEEP`` of the best single
model's quality on folds within the training folds, or else the best.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from lodestard.domain.task import Task
from tests.bench.routing.asks import VALUES_USD, Ask, Lesson, Market, Policy
from tests.bench.routing.cases import Case, Data
from tests.bench.routing.folds import FOLDS, INNER_FOLDS, split

KEEP = 0.99
NANO_USD = 10**9
Classify = Callable[[str], Task]


class Tried(msgspec.Struct, frozen=True):
    """A policy's choices, case by case: by the tuned knob, and by each setting. ``settings``: one for each fold."""

    name: str
    picks: tuple[str, ...]
    settings: tuple[str, ...]
    by_setting: Mapping[str, tuple[str, ...]]


class Tally(NamedTuple):
    quality: float
    cost: float


def try_policies(data: Data, policies: Sequence[Policy], classify: Classify) -> list[Tried]:
    """All policies on the same folds, and with the same guesses of the classifier."""
    asks = [Ask(case.prompt, case.prompt_tokens, classify(case.prompt)) for case in data.cases]
    return [try_policy(data, asks, policy) for policy in policies]


def try_policy(data: Data, asks: Sequence[Ask], policy: Policy) -> Tried:
    """See the law."""
    market = Market(data.models, data.rates)
    guessed = {ask.prompt: ask for ask in asks}
    picks, settings = [""] * len(asks), list[str]()
    by_setting: dict[str, list[str]] = {}
    for part in split(data.cases, FOLDS, "fold"):
        lessons = [Lesson(guessed[case.prompt], case) for case in part.seen]
        setting = tune(market, lessons, policy)
        settings.append(setting)
        for name, choose in policy.teach(market, lessons).items():
            row = by_setting.setdefault(name, [""] * len(asks))
            for number in part.tested:
                row[number] = choose(asks[number])
        for number in part.tested:
            picks[number] = by_setting[setting][number]
    rows = {name: tuple(row) for name, row in by_setting.items()}
    return Tried(policy.name, tuple(picks), tuple(settings), rows)


def tune(market: Market, lessons: Sequence[Lesson], policy: Policy) -> str:
    """The setting for these lessons."""
    cases = [lesson.case for lesson in lessons]
    names = list(policy.teach(market, lessons[:1]))
    if len(names) == 1:
        return names[0]
    picks: dict[str, list[str]] = {name: [""] * len(lessons) for name in names}
    for part in split(cases, INNER_FOLDS, "inner"):
        for number, found in _choose_inner(market, lessons, policy, part.tested):
            for name, model in found.items():
                picks[name][number] = model
    best = max(tally(cases, [model] * len(cases)).quality for model in market.models)
    return best_setting({name: tally(cases, chosen) for name, chosen in picks.items()}, best * KEEP)


def _choose_inner(
    market: Market, lessons: Sequence[Lesson], policy: Policy, tested: Sequence[int]
) -> Iterator[tuple[int, Mapping[str, str]]]:
    left_out = set(tested)
    taught = policy.teach(market, [lesson for number, lesson in enumerate(lessons) if number not in left_out])
    for number in tested:
        yield number, {name: choose(lessons[number].ask) for name, choose in taught.items()}


def best_setting(tallies: Mapping[str, Tally], wanted: float) -> str:
    """The cheapest that is good enough; where none is, the best."""
    good = {name: one for name, one in tallies.items() if one.quality >= wanted}
    if good:
        return min(good, key=lambda name: (good[name].cost, -good[name].quality))
    return max(tallies, key=lambda name: (tallies[name].quality, -tallies[name].cost))


def tally(cases: Sequence[Case], picks: Sequence[str]) -> Tally:
    """Mean score and mean cost in nano-USD."""
    outcomes = [case.outcomes[model] for case, model in zip(cases, picks, strict=True) if model]
    count = len(outcomes) or 1
    return Tally(sum(one.score for one in outcomes) / count, sum(one.cost_nano_usd for one in outcomes) / count)


def oracle(data: Data) -> Tried:
    """The cheapest of the models that did best, as only the truth can tell."""
    picks = tuple(
        min(case.outcomes, key=lambda model: (-case.outcomes[model].score, case.outcomes[model].cost_nano_usd))
        for case in data.cases
    )
    return Tried("oracle", picks, (), {"": picks})


def by_odds(data: Data) -> Tried | None:
    """What could be reached by who knows each model's ability, each prompt's difficulty and each cost, but not how
    the answers come out: a bound for every router. None where nobody knows the odds.
    """
    if any(one.odds is None for case in data.cases for one in case.outcomes.values()):
        return None
    rows = {f"{usd:g} USD": tuple(_by_odds(case, usd * NANO_USD) for case in data.cases) for usd in VALUES_USD}
    best = max(tally(data.cases, [model] * len(data.cases)).quality for model in data.models)
    setting = best_setting({name: tally(data.cases, row) for name, row in rows.items()}, best * KEEP)
    return Tried("best by the odds", rows[setting], (setting,), rows)


def _by_odds(case: Case, worth: float) -> str:
    return max(
        case.outcomes, key=lambda model: worth * (case.outcomes[model].odds or 0) - case.outcomes[model].cost_nano_usd
    )
