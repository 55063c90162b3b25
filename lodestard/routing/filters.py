"""Why an offer may not answer a request: the hard limits, before anything is weighed.

Law: a sentence for a person, or None. ``lan-only`` comes first, for nothing outweighs it. What is only thought of a
model (by its name) rules nothing out where it is the alias's only one. Pure.
"""

from collections.abc import Iterator

import msgspec

from lodestard.domain.choice import Asked
from lodestard.domain.upstream import LAN_ONLY
from lodestard.routing.catalog import Catalog, Offer
from lodestard.routing.rules import Verdict, read_words

_SORTS = frozenset(("free", "paid", "lan"))


class Fence(msgspec.Struct, frozen=True, kw_only=True):
    """What a request and the rules that fit it demand of whoever answers. ``lone``: the alias has no other model."""

    asked: Asked
    verdict: Verdict
    labels: frozenset[str]
    lone: bool = False


def find_objection(offer: Offer, fence: Fence, catalog: Catalog) -> str:
    """Why ``offer`` may not answer; an empty string where it may."""
    return next(_objections(offer, fence, catalog), "")


def _objections(offer: Offer, fence: Fence, catalog: Catalog) -> Iterator[str]:
    if LAN_ONLY in fence.labels and not offer.lan:
        yield "the request is lan-only, and it is outside the local network"
    if why := find_hindrance(offer, catalog):
        yield why
    for pattern in fence.verdict.forbid:
        if _fits(pattern, offer):
            yield f"a rule forbids {pattern}"
    for patterns in fence.verdict.require:
        if not any(_fits(pattern, offer) for pattern in patterns):
            yield f"a rule requires {' or '.join(patterns)}"
    if not fence.lone:
        yield from _incapable(offer, fence.asked)


def find_hindrance(offer: Offer, catalog: Catalog) -> str:
    """Why it may answer nobody; an empty string where it may."""
    if offer.dialect not in catalog.spoken:
        return f"its upstream speaks the {offer.dialect} dialect, which this version can't speak yet"
    if offer.price is not None:
        return ""
    quote = catalog.prices.quotes.get(str(offer.target))
    known = f" ({quote.problem})" if quote is not None and quote.problem else ""
    return f'it has no price{known}: add [prices."{offer.target}"], or free = true to its upstream'


def _incapable(offer: Offer, asked: Asked) -> Iterator[str]:
    if asked.images and offer.takes_images is False:
        yield "it takes no images"
    if asked.tools and not offer.takes_tools:
        yield "it takes no tools"
    context = offer.context_tokens
    if context is not None and asked.prompt_tokens > context:
        yield f"its context is {context} tokens, and the prompt about {asked.prompt_tokens}"


def _fits(pattern: str, offer: Offer) -> bool:
    if pattern in _SORTS:
        return {"free": offer.free, "paid": not offer.free, "lan": offer.lan}[pattern]
    return read_words((pattern,))(str(offer.target))
