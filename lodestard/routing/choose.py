"""The choice: one pure function from a request, its task and a view of the house to a plan with its reasons.

Law: total and deterministic. A target that may not answer is in ``rejected`` with a sentence that says why; one
that is thought to be down is asked last rather than never, for a probe may be wrong and a request that can be
answered is answered. An alias's route stands in its order unless something is preferred; then the sum of ``score.py``
orders it.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from lodestard.domain.choice import UNSEEN, Asked, Figures
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.near import did_you_mean
from lodestard.domain.routing_settings import Prefer
from lodestard.domain.task import Task
from lodestard.domain.upstream import LAN_ONLY, Candidate, Plan, Rejection, Target
from lodestard.routing.catalog import Catalog, Offer
from lodestard.routing.filters import Fence, find_hindrance, find_objection
from lodestard.routing.reasons import say_choice, say_order
from lodestard.routing.rules import ProjectRules, Verdict, judge_all
from lodestard.routing.score import NANO, pose, weigh

AUTO = "auto"
UNKNOWN_TASK = Task()


def know_nothing(_candidate: Candidate) -> Figures:
    """Where nothing was measured."""
    return UNSEEN


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What the house knows when it chooses. ``down`` are upstreams that health says are down; ``tripped`` are
    upstreams and targets, by name, that their breakers keep back, and why; ``figures_of`` gives what is known of a
    candidate at this moment; ``project`` what the request's project adds to the rules."""

    catalog: Catalog
    down: frozenset[str] = frozenset()
    tripped: Mapping[str, str] = {}
    figures_of: Callable[[Candidate], Figures] = know_nothing
    project: ProjectRules | None = None

    def passed_over(self, target: Target) -> str:
        """Why its breaker, or its upstream's, keeps it back; empty where none does."""
        tripped = self.tripped
        return (tripped.get(target.upstream) or tripped.get(str(target)) or "") if tripped else ""


def choose_route(asked: Asked, task: Task, view: View) -> Plan:
    """Who is asked, in which order, and why.

    Raises ``CallerFault``: MODEL_NOT_FOUND with the nearest names, PRICE_UNKNOWN or NOT_SUPPORTED where every
    target is ruled out.
    """
    verdict = judge_all(view.catalog.rules, view.project, asked, task)
    alias = asked.instead or verdict.model or asked.alias
    offers = find_offers(alias, view.catalog)
    labels = asked.labels | verdict.labels
    fence = Fence(asked=asked, verdict=verdict, labels=labels, lone=len(offers) == 1)
    objections = [find_objection(offer, fence, view.catalog) for offer in offers]
    rejected = [
        Rejection(target=offer.target, reason=why) for offer, why in zip(offers, objections, strict=True) if why
    ]
    able = [offer for offer, why in zip(offers, objections, strict=True) if not why]
    if not able:
        raise _nobody(alias, fence, offers, rejected)
    prefer = _preference(asked, alias, verdict, view.catalog)
    candidates = _ordered(able, view) if prefer is None else _weighed(able, Terms(asked, task, prefer), view)
    return Plan(
        alias=alias,
        candidates=tuple(candidates),
        rejected=tuple(rejected),
        reason=say_switch(asked)
        + (
            _reason(asked, alias, candidates, verdict)
            if prefer is None
            else say_choice(alias, task, candidates, verdict)
        ),
        soonest=prefer is None and alias in view.catalog.soonest,
        labels=labels,
        rules=verdict.names,
        task=None if task is UNKNOWN_TASK else task,
        prefer=prefer or "",
    )


def choose_free(view: View) -> tuple[Candidate, ...]:
    """The free models, for when nothing may be spent: those of ``auto`` first, then as they are configured.

    Upstreams that are thought to be down come last.
    """
    aliases = [AUTO, *(alias for alias in view.catalog.aliases if alias != AUTO)]
    offers = {offer.target: offer for alias in aliases for offer in view.catalog.aliases.get(alias, ())}
    usable = [offer for offer in offers.values() if offer.free and not find_hindrance(offer, view.catalog)]
    return tuple(sorted((_candidate(offer, view) for offer in usable), key=lambda candidate: not candidate.up))


class Terms(msgspec.Struct, frozen=True):
    """How candidates are weighed."""

    asked: Asked
    task: Task
    prefer: Prefer


def find_offers(alias: str, catalog: Catalog) -> tuple[Offer, ...]:
    """What an alias, or a target named outright, offers. Raises ``CallerFault(MODEL_NOT_FOUND)``."""
    offers = catalog.aliases.get(alias)
    if offers is not None:
        return offers
    if "/" in alias and alias.isprintable():  # a target named outright: "openai/gpt-4o"; it goes into a header
        upstream, _, model = alias.partition("/")
        if model and (offer := catalog.offer(Target(upstream, model))) is not None:
            return (offer,)
    near = did_you_mean(alias, catalog.aliases)
    hint = f" Did you mean {near}?" if near else ""
    raise CallerFault(
        Code.MODEL_NOT_FOUND,
        f"The model {alias!r} is not configured.{hint} GET /v1/models lists the models there are.",
        param="model",
    )


def _preference(asked: Asked, alias: str, verdict: Verdict, catalog: Catalog) -> Prefer | None:
    """What the request itself says counts before a rule, and that before its alias."""
    said = asked.caller.prefer
    named = next((prefer for prefer in catalog.worth if prefer == said), None) if said else None
    return named or verdict.prefer or catalog.prefer.get(alias)


def _ordered(able: Sequence[Offer], view: View) -> list[Candidate]:
    candidates = [_candidate(offer, view) for offer in able]
    candidates.sort(key=lambda candidate: not candidate.up)
    return candidates


def _weighed(able: Sequence[Offer], terms: Terms, view: View) -> list[Candidate]:
    """The best first; who is down or has no room in a budget comes last, for both may be over by then.

    The session's last model stays unless another one is better by more than ``sticky_usd``.
    """
    question = pose(terms.asked, terms.task, view.catalog.worth[terms.prefer])
    margin = round(view.catalog.sticky_usd * NANO)
    weighed: list[tuple[bool, bool, int, int, Candidate]] = []
    for place, offer in enumerate(able):
        bare = _candidate(offer, view)
        figures = view.figures_of(bare)
        merit = weigh(offer, figures, question)
        candidate = msgspec.structs.replace(bare, merit=merit, predicted_wait_s=figures.wait_s)
        value = merit.value_nano_usd + figures.last * margin
        weighed.append((not bare.up, figures.no_room != "", -value, place, candidate))
    weighed.sort(key=lambda one: one[:4])
    return [candidate for *_, candidate in weighed]


def _candidate(offer: Offer, view: View) -> Candidate:
    """Most are as the catalogue has them."""
    passed_over = view.passed_over(offer.target)
    if not passed_over and offer.target.upstream not in view.down:
        return offer.candidate
    return msgspec.structs.replace(offer.candidate, up=False, passed_over=passed_over)


def _nobody(alias: str, fence: Fence, offers: Sequence[Offer], rejected: Sequence[Rejection]) -> CallerFault:
    reasons = "; ".join(f"{rejection.target}: {rejection.reason}" for rejection in rejected)
    priced = any(offer.price is not None for offer in offers)
    code = Code.NOT_SUPPORTED if priced or LAN_ONLY in fence.labels else Code.PRICE_UNKNOWN
    return CallerFault(code, f"The model {alias!r} can't be used: {reasons}.", param="model")


def say_switch(asked: Asked) -> str:
    """That somebody has switched, where that counted."""
    return f"use {asked.instead} in place of {asked.alias}; " if asked.instead else ""


def _reason(asked: Asked, alias: str, candidates: Sequence[Candidate], verdict: Verdict) -> str:
    by_name = alias in (candidates[0].target.model, str(candidates[0].target))
    why = "asked for by name" if by_name and alias == asked.alias else f"alias {alias}"
    return say_order(why, candidates, verdict)
