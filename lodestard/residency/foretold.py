"""How long a request that came now would wait for each known model: worked out again when something has happened.

Law: reads the card, never changes it. A report is asked for every second by several, and each wait is a roll of the
whole host. While nobody waits and nothing runs or moves, waits don't depend on the time. Otherwise a report rolls a
few, those told longest ago first, and keeps the others for a few seconds. Models that differ in nothing but their
name share one roll. Owner: whoever keeps the card.
"""

from collections.abc import Mapping, Sequence
from math import inf
from typing import NamedTuple

import msgspec
import trio

from lodestard.domain.residency import ModelRates
from lodestard.residency.card import Card
from lodestard.residency.hindsight import Foreseen
from lodestard.residency.waits import Question, say_load

FRESH_S = 0.9
"""Less than the second after which most ask again, so that they are never told the same twice."""
KEPT_S = 5.0
MOST_ROLLED = 3


class Told(NamedTuple):
    """What was told, when, and after how many events; ``fresh_s``: for how long it holds where nothing happens."""

    wait: Foreseen | None
    at_s: float
    events: int
    fresh_s: float


class Foretold:
    """One card's waits."""

    def __init__(self) -> None:
        self._told: dict[str, Told] = {}

    def of(self, card: Card, models: Sequence[str]) -> Mapping[str, Foreseen | None]:
        """Those of ``models``; None where a request would be sent away."""
        now_s, idle = trio.current_time(), card.state.quiet and card.state.settled
        known = {model: told for model in models if (told := self._told.get(model)) is not None}
        stale = [model for model in models if not holds(known.get(model), card.events, now_s)]
        stale.sort(key=lambda model: known[model].at_s if model in known else -inf)
        rolls = Rolls(card)
        for model in stale:
            old = known.get(model)
            if idle or old is None or now_s - old.at_s > KEPT_S or rolls.count < MOST_ROLLED:
                known[model] = Told(rolls.predict(model), now_s, card.events, inf if idle else FRESH_S)
        self._told = known
        return {model: told.wait for model, told in known.items()}


def holds(told: Told | None, events: int, now_s: float) -> bool:
    """Whether it would be told again."""
    return told is not None and told.events == events and now_s < told.at_s + told.fresh_s


class Rolls:
    """The waits of one moment. ``count``: how many were rolled."""

    def __init__(self, card: Card) -> None:
        self.count = 0
        self._card = card
        self._special = find_special(card)
        self._alike: dict[ModelRates, tuple[str, Foreseen]] = {}

    def predict(self, model: str) -> Foreseen | None:
        rates = self._card.standing.rates.of(model)
        plain = model not in self._special
        if plain and (alike := self._alike.get(rates)) is not None:
            return rename(*alike, model)
        wait = self._card.predict(Question(model=model))
        self.count += wait is not None
        if plain and wait is not None:
            self._alike[rates] = model, wait
        return wait


def find_special(card: Card) -> frozenset[str]:
    """The models that are more to a card than a name with rates: in memory, on their way, waited for or missing."""
    state = card.state
    loading = "" if state.loading is None else state.loading.model
    waited = (visit.asked.model for visit in state.queue.values())
    return frozenset((*state.tenants, *waited, *state.missing, loading, state.leaving, state.displaced))


def rename(other: str, wait: Foreseen, model: str) -> Foreseen:
    """The wait for ``model``, which is that for ``other`` but for its name."""
    return msgspec.structs.replace(wait, why=wait.why.replace(say_load(other), say_load(model)))
