"""Past requests under another policy: who would have been asked, and what that would have come to.

Law: whatever two policies choose alike stays exactly as it was recorded, so that the running policy against itself
changes nothing to the cent; only what they choose otherwise is estimated, by the tokens that were recorded, at the
price of its time, with the pace that was recorded. Bounded memory; pure.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import get_args
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from lodestard.advice.past import US_PER_S, Pace, Past
from lodestard.advice.tally import Estimate, Tally
from lodestard.domain.choice import Asked, Figures
from lodestard.domain.errors import CallerFault
from lodestard.domain.feedback import Cell, kind_of
from lodestard.domain.last_answers import LastAnswer, LastAnswers
from lodestard.domain.request import Caller
from lodestard.domain.routing_settings import Day
from lodestard.domain.task import Task
from lodestard.domain.upstream import Candidate, Target
from lodestard.routing.abilities import assume_ability
from lodestard.routing.catalog import Catalog, Offer, assume_abilities
from lodestard.routing.choose import View, choose_route
from lodestard.routing.quality import PLACE, expect_quality, fit_abilities
from lodestard.routing.score import likely_cost, likely_wait

MOST_OFFERS = 4_096
MS_PER_S = 1_000
DAYS = get_args(Day)
USUAL_HARDNESS = 0.5


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known beside the rows: recorded paces by target, usual hardness by kind, and what was seen of each
    target's answers."""

    paces: Mapping[str, Pace] = {}
    hardness: Mapping[str, float] = {}
    judged: Mapping[str, tuple[Cell, ...]] = {}
    timezone: str = "UTC"

    def cells(self, target: Target) -> tuple[Cell, ...]:
        return self.judged.get(str(target), ())


class Chooser:
    """One policy, and what it remembers of sessions."""

    def __init__(self, catalog: Catalog, known: Known) -> None:
        self.catalog = catalog
        self._known = known
        self._last = LastAnswers()
        self._plain: dict[str, Target | None] = {}

    def choose(self, asked: Asked, task: Task, past: Past) -> Target | None:
        """Who is asked first; None where nobody may be."""
        plain = self._is_plain(asked)
        if plain and asked.alias in self._plain:
            return self._plain[asked.alias]
        view = View(catalog=self.catalog, figures_of=lambda candidate: self._figures(candidate, past))
        try:
            found = choose_route(asked, task, view).candidates[0].target
        except CallerFault:
            found = None
        if plain and asked.alias in self.catalog.aliases:
            self._plain[asked.alias] = found
        return found

    def _is_plain(self, asked: Asked) -> bool:
        """Whether the choice depends on nothing but the alias."""
        needs = self.catalog.needs_of(asked.alias)
        if needs is None or asked.labels or (needs.tools and asked.tools):
            return False
        return not needs.context_tokens or asked.prompt_tokens <= needs.context_tokens

    def _figures(self, candidate: Candidate, past: Past) -> Figures:
        pace = self._known.paces.get(str(candidate.target))
        return Figures(
            first_s=None if pace is None else pace.first_s,
            tokens_per_s=None if pace is None else pace.tokens_per_s,
            cells=self._known.cells(candidate.target),
            cached_tokens=self.cached_tokens(candidate.target, past),
            last=self._last.came_from(past.session, candidate.target),
        )

    def cached_tokens(self, target: Target, past: Past) -> int:
        """How much of its prompt ``target`` would have read before, for its session."""
        return self._last.cached_tokens(past.session, target, past.received_ms / MS_PER_S)

    def remember(self, target: Target, past: Past) -> None:
        """It was asked."""
        read_tokens = past.prompt_tokens + past.completion_tokens
        self._last.note(past.session, LastAnswer(target, read_tokens, past.received_ms / MS_PER_S))


class Replay:
    """The running policy and a candidate, request by request. What comes of it is in ``tally``."""

    def __init__(self, running: Catalog, candidate: Catalog, known: Known) -> None:
        self.tally = Tally()
        self._known = known
        self._zone = ZoneInfo(known.timezone)
        self._running = Chooser(running, known)
        self._candidate = Chooser(candidate, known)
        self._offers: dict[Target, Offer | None] = {}

    def add(self, past: Past) -> None:
        """One more request; they come in the order of time."""
        tally = self.tally
        if past.kept:
            tally.keep(past)
            return
        if past.outcome != "ok" or not past.target:
            tally.fail(past)
            return
        task, asked = self._task(past), self._asked(past)
        now = self._running.choose(asked, task, past)
        then = self._candidate.choose(asked, task, past)
        recorded = Target.parse(past.target)
        tally.drifted += now != recorded
        quality = self._quality(recorded, task)
        tally.record(past, recorded, quality, free=self._is_free(recorded, past))
        if then in (now, recorded):
            tally.stay(past, recorded, quality, free=self._is_free(recorded, past))
        elif then is None:
            tally.refuse(past, quality)
        else:
            tally.move(past, then, self._estimate(then, task, past), quality)
        for chooser, target in ((self._running, now), (self._candidate, then)):
            if target is not None:
                chooser.remember(target, past)

    def _task(self, past: Past) -> Task:
        """What it was found to be; where that was not kept, what it was for, as hard as such work usually was."""
        kind = past.kind or kind_of(past.task)
        if past.hardness is not None:
            return Task(kind=kind, hardness=past.hardness)
        return Task(kind=kind, hardness=self._known.hardness.get(kind, USUAL_HARDNESS))

    def _asked(self, past: Past) -> Asked:
        """As far as it was kept: its tags, its images and its text were not, its tools only in its label."""
        at = datetime.fromtimestamp(past.received_ms / MS_PER_S, self._zone)
        return Asked(
            alias=past.alias,
            caller=Caller(
                principal=past.principal,
                project=past.project,
                user=past.user,
                session=past.session,
                client=past.client,
                task=past.task,
            ),
            prompt_tokens=past.prompt_tokens,
            tools=past.task == "tools",
            schema=past.task == "json",
            minute=at.hour * 60 + at.minute,
            day=DAYS[at.weekday()],
            labels=frozenset(past.labels),
        )

    def _estimate(self, target: Target, task: Task, past: Past) -> Estimate:
        """What it would have come to there."""
        offer, cost, wait_s = self._offer(target), 0, past.total_us / US_PER_S
        if offer is not None:
            pace = self._known.paces.get(str(target))
            figures = Figures() if pace is None else Figures(first_s=pace.first_s, tokens_per_s=pace.tokens_per_s)
            wait_s = likely_wait(offer, past.completion_tokens, figures)
            price = self._candidate.catalog.prices.price_at(target, past.received_ms)
            then = offer if offer.free or price is None else replace(offer, price=price)
            cached = self._candidate.cached_tokens(target, past)
            cost = likely_cost(then, past.prompt_tokens, past.completion_tokens, cached)
        return Estimate(cost, wait_s, self._quality(target, task), free=self._is_free(target, past))

    def _quality(self, target: Target, task: Task) -> float:
        """How likely its answer is good: the proxy."""
        offer = self._offer(target)
        assumed = assume_abilities(assume_ability(target.model)) if offer is None else offer.abilities
        return expect_quality(fit_abilities(assumed, self._known.cells(target))[PLACE[task.kind]], task.hardness)

    def _is_free(self, target: Target, past: Past) -> bool:
        offer = self._offer(target)
        return past.cost_nano_usd == 0 if offer is None else offer.free

    def _offer(self, target: Target) -> Offer | None:
        if target not in self._offers:
            if len(self._offers) >= MOST_OFFERS:
                self._offers.clear()
            self._offers[target] = self._candidate.catalog.offer(target)
        return self._offers[target]
