"""What one attempt may take, and the request that keeps it within: worked out before it is held. Pure.

Law: where a hard budget has room for less than the longest answer, and the request names no limit of its own, one
that is affordable is written into it; so the hold is what the upstream can bill. A request's own limit is
raised only to the lowest that the upstream takes, and lowered only to what the model can write at all.
"""

from collections.abc import Sequence

import msgspec

from lodestard.budget import Ceiling, cost_nano_usd, find_ceiling, find_unpriced
from lodestard.budget.judge import Prospect, choose_output_limit, output_at_least
from lodestard.domain.errors import BudgetFault, CallerFault, Code
from lodestard.domain.money import MAX_NANO_USD
from lodestard.domain.price import FREE, Price
from lodestard.domain.reply import Piece
from lodestard.domain.request import Request
from lodestard.domain.room import Room
from lodestard.domain.upstream import Candidate
from lodestard.protocols.json_repeats import repeats_a_key

# What a hold is read off, below the top level (where no key comes twice).
PRICED_MEMBERS = ("messages", "tools", "system", "context_management", "input", "instructions", "prompt", "suffix")

LIMIT_DEMANDED = frozenset({"anthropic"})
"""Dialects in which a request must name an output limit."""

DEMANDED_TOKENS = 8_192
"""That limit, where neither the client nor a price names one."""


class Bid(msgspec.Struct, frozen=True, kw_only=True):
    """The most that an attempt takes. ``output_tokens`` is of all its choices together.

    ``limit_tokens`` is the output limit that we wrote into ``request``, None where we wrote none; ``by_budget``: a
    budget wants it. ``capped``: a hard budget is about it, so that its answer is cut rather than let beyond what is
    held (of vectors nothing is written).
    """

    request: Request
    nano_usd: int
    tokens: int
    output_tokens: int
    price: Price = FREE
    limit_tokens: int | None = None
    by_budget: bool = False
    capped: bool = False


def make_bid(candidate: Candidate, request: Request, room: Room) -> Bid:
    """The bid for an attempt at ``candidate``. Where its price is not known it is nought, and the ledger refuses.

    Raises ``CallerFault``: PRICE_UNKNOWN for what is billed otherwise than by the token, INVALID_REQUEST for sums
    beyond reason.
    """
    if candidate.free and not room.counted and candidate.dialect not in LIMIT_DEMANDED:
        return Bid(request=request, nano_usd=0, tokens=0, output_tokens=0)
    price = FREE if candidate.free or candidate.price is None else candidate.price
    if price is not FREE:
        require_priceable(candidate, request, price)
        request = within_upstream(within_model(request, candidate, price), candidate)
    ceiling = find_ceiling(request, price)
    limit = find_limit(request, ceiling, room)
    by_budget = limit is not None
    if limit is None and candidate.dialect in LIMIT_DEMANDED and not names_limit(request):
        limit = price.max_output_tokens or DEMANDED_TOKENS
    bounded = with_output_limit(request, limit) if limit is not None else request
    worst = ceiling.at(ceiling.limit_tokens if limit is None else limit)
    if worst.nano_usd > MAX_NANO_USD:
        raise CallerFault(Code.INVALID_REQUEST, "It could cost more than can be accounted for: ask for less output.")
    return Bid(
        request=bounded,
        nano_usd=worst.nano_usd,
        tokens=worst.prompt_tokens + worst.completion_tokens,
        output_tokens=worst.completion_tokens,
        price=price,
        limit_tokens=limit,
        by_budget=by_budget,
        capped=room.limited and price is not FREE and request.conversation.embedding is None,
    )


def require_priceable(candidate: Candidate, request: Request, price: Price) -> None:
    """Raises ``CallerFault`` for what could be billed in a way that can't be foreseen."""
    for name in PRICED_MEMBERS:
        if repeats_a_key(bytes(request.members.get(name, b"null"))):
            raise CallerFault(Code.INVALID_REQUEST, f"An object in '{name}' has the same key twice.", param=name)
    if price.embeds_only and request.conversation.embedding is None:
        text = f"{candidate.target} has a price of embeddings alone: nobody has said what its output costs"
        raise CallerFault(Code.PRICE_UNKNOWN, text, param="model")
    if unpriced := find_unpriced(request, price):
        text = f"'{unpriced}' is billed by {candidate.target.upstream} in a way that no price says: leave it out"
        raise CallerFault(Code.PRICE_UNKNOWN, text, param=unpriced)


def names_limit(request: Request) -> bool:
    """Whether ``request`` brings an output limit of its own."""
    return request.conversation.sampling.max_output_tokens is not None


def find_limit(request: Request, ceiling: Ceiling, room: Room) -> int | None:
    """The output limit to write into ``request``, or None where it brings one or needs none."""
    if not room.limited or names_limit(request) or request.conversation.embedding is not None:
        return None
    least = ceiling.at(0)
    prospect = Prospect(
        prompt_nano_usd=least.nano_usd,
        prompt_tokens=least.prompt_tokens + least.completion_tokens,  # and what may be thought beside any limit
        token_pico_usd=ceiling.output_pico_usd,
        most_output_tokens=ceiling.limit_tokens,
        choices=ceiling.choices,
    )
    return choose_output_limit(room, prospect)


def with_output_limit(request: Request, tokens: int) -> Request:
    """``request`` with an output limit of ours."""
    sampling = msgspec.structs.replace(request.conversation.sampling, max_output_tokens=tokens)
    conversation = msgspec.structs.replace(request.conversation, sampling=sampling)
    return msgspec.structs.replace(request, conversation=conversation)


def within_model(request: Request, candidate: Candidate, price: Price) -> Request:
    """``request`` with a limit that the model takes, where its client speaks of the models of another provider:
    Claude Code asks everybody for 32,000 tokens, and a provider refuses what is more than its model can write."""
    asked, most = request.conversation.sampling.max_output_tokens, price.max_output_tokens
    if asked is None or most is None or asked <= most or candidate.dialect == request.dialect:
        return request
    return with_output_limit(request, most)


def within_upstream(request: Request, candidate: Candidate) -> Request:
    """``request`` with a limit that the upstream takes: chat clients ask for one token to classify, or to look
    whether a model is there."""
    asked, least = request.conversation.sampling.max_output_tokens, candidate.least_output_tokens
    if asked is None or asked >= least or not request.conversation.is_chat:
        return request
    return with_output_limit(request, least)


def within_room(request: Request, room_tokens: int | None) -> Request:
    """``request`` with an answer that ends where the model's context does: its beginning is never dropped for it."""
    asked = request.conversation.sampling.max_output_tokens
    if room_tokens is None or (asked is not None and asked <= room_tokens):
        return request
    return with_output_limit(request, room_tokens)


class OutputCap:
    """Watches an answer under a hard budget: an upstream that goes beyond the limit that it was given is cut."""

    __slots__ = ("_bid", "_pieces", "_size_bytes")

    def __init__(self, bid: Bid) -> None:
        self._bid = bid
        self._pieces = self._size_bytes = 0

    def count(self, pieces: Sequence[Piece]) -> None:
        """More of the answer has come. Raises ``BudgetFault`` once it surely costs more than is held."""
        for piece in pieces:
            arguments = sum(len(call.arguments) for call in piece.tool_calls)
            size_bytes = len(piece.text) + len(piece.reasoning) + len(piece.refusal) + arguments
            self._pieces += piece.words if size_bytes else 0
            self._size_bytes += size_bytes
            if piece.usage is not None and self._costs_more(piece):
                raise _cut()
        if output_at_least(self._pieces, self._size_bytes) > self._bid.output_tokens:
            raise _cut()

    def _costs_more(self, piece: Piece) -> bool:
        cost = None if piece.usage is None else cost_nano_usd(piece.usage, self._bid.price)
        return cost is not None and cost > self._bid.nano_usd  # where no price says, the hold is what it costs


def _cut() -> BudgetFault:
    text = "The answer was cut: it went beyond its output limit, so it costs more than a budget has set aside for it."
    return BudgetFault(text)
