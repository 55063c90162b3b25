"""The choice: one pure function from a request and a view of the house to a plan with its reasons.

Law: total and deterministic. A target that may not answer is in ``rejected`` with a sentence that says why; one
that is thought to be down is asked last rather than never, for a probe may be wrong and a request that can be
answered is answered.
"""

import msgspec

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.near import did_you_mean
from lodestard.domain.upstream import Candidate, Plan, Rejection, Target
from lodestard.routing.catalog import Catalog, Offer

AUTO = "auto"


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What the house knows when it chooses. ``down`` are upstreams that health says are down."""

    catalog: Catalog
    down: frozenset[str] = frozenset()


def choose_route(alias: str, view: View) -> Plan:
    """Who is asked for ``alias``, in which order, and why.

    Raises ``CallerFault``: MODEL_NOT_FOUND with the nearest names, PRICE_UNKNOWN or NOT_SUPPORTED where every
    target is ruled out.
    """
    offers = _offers(alias, view.catalog)
    rejected = tuple(rejection for offer in offers if (rejection := _objection(offer, view.catalog)) is not None)
    refused = {rejection.target for rejection in rejected}
    candidates = [_candidate(offer, view) for offer in offers if offer.target not in refused]
    if not candidates:
        raise _nobody(alias, offers, rejected)
    candidates.sort(key=lambda candidate: not candidate.up)
    return Plan(
        alias=alias,
        candidates=tuple(candidates),
        rejected=rejected,
        reason=_reason(alias, candidates),
        soonest=alias in view.catalog.soonest,
    )


def choose_free(view: View) -> tuple[Candidate, ...]:
    """The free models, for when nothing may be spent: those of ``auto`` first, then as they are configured.

    Upstreams that are thought to be down come last.
    """
    aliases = [AUTO, *(alias for alias in view.catalog.aliases if alias != AUTO)]
    offers = {offer.target: offer for alias in aliases for offer in view.catalog.aliases.get(alias, ())}
    usable = [offer for offer in offers.values() if offer.free and _objection(offer, view.catalog) is None]
    return tuple(sorted((_candidate(offer, view) for offer in usable), key=lambda candidate: not candidate.up))


def _offers(alias: str, catalog: Catalog) -> tuple[Offer, ...]:
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


def _objection(offer: Offer, catalog: Catalog) -> Rejection | None:
    if offer.dialect not in catalog.spoken:
        why = f"its upstream speaks the {offer.dialect} dialect, which this version can't speak yet"
    elif offer.price is None:
        quote = catalog.prices.quotes.get(str(offer.target))
        known = f" ({quote.problem})" if quote is not None and quote.problem else ""
        why = f'it has no price{known}: add [prices."{offer.target}"], or free = true to its upstream'
    else:
        return None
    return Rejection(target=offer.target, reason=why)


def _candidate(offer: Offer, view: View) -> Candidate:
    return Candidate(
        target=offer.target,
        dialect=offer.dialect,
        price=offer.price,
        free=offer.free,
        up=offer.target.upstream not in view.down,
        least_output_tokens=offer.least_output_tokens,
    )


def _nobody(alias: str, offers: tuple[Offer, ...], rejected: tuple[Rejection, ...]) -> CallerFault:
    reasons = "; ".join(f"{rejection.target}: {rejection.reason}" for rejection in rejected)
    priced = any(offer.price is not None for offer in offers)
    code = Code.NOT_SUPPORTED if priced else Code.PRICE_UNKNOWN
    return CallerFault(code, f"The model {alias!r} can't be used: {reasons}.", param="model")


def _reason(alias: str, candidates: list[Candidate]) -> str:
    first = candidates[0]
    passed_over = [candidate.target.upstream for candidate in candidates if not candidate.up]
    by_name = alias in (first.target.model, str(first.target))
    why = "asked for by name" if by_name else f"alias {alias}"
    if passed_over and first.up:
        why += f"; {', '.join(dict.fromkeys(passed_over))} down"
    return why
