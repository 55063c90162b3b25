"""What a person tells a card: warm, unload, pin, lend.

Law: goes through the planner like a request, so that a command can't do what a request could not wait for. What was
told is remembered over restarts; what the configuration says can't be untold here.
"""

from functools import partial

import trio

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import Caller, Conversation, Request
from lodestard.domain.residency import Ask
from lodestard.domain.upstream import Target
from lodestard.residency import refusals
from lodestard.residency.card import Card
from lodestard.residency.place import CardPlace
from lodestard.residency.state import Going

NOTHING = Request(
    dialect="",
    alias="",
    stream=False,
    include_usage=False,
    members={},
    conversation=Conversation(messages=()),
    size_bytes=0,
)
PERSON = Caller(principal="lodestarctl", client="lodestarctl", task="warm", priority="interactive")


async def warm(card: Card, target: Target) -> None:
    """Wait, as a request that somebody waits for, until ``target`` is in memory and its turn has come."""
    async with CardPlace(card, Ask(target=target, request=NOTHING, caller=PERSON)):
        await trio.lowlevel.checkpoint()


async def unload(card: Card, model: str) -> bool:
    """Have ``model`` go once its answers are whole; False where it is not there. It does not come back unasked.

    Raises ``UpstreamFault`` where its server does not let it go.
    """
    if model not in card.state.tenants:
        return False
    going = card.state.going.setdefault(model, Going())
    card.state.anew.discard(model)
    card.state.refused_until_s[model] = trio.current_time() + card.terms.residency.quiet_s
    card.replan()
    await going.ended.wait()
    if going.fault is not None:
        raise refusals.restated(going.fault, card.name)
    return True


def pin(card: Card, model: str, *, exclusive: bool) -> None:
    """Keep ``model``, over restarts too. Raises ``CallerFault`` where more are pinned than fit."""
    others = card.pins().kept - {model}
    if len(others) >= card.terms.policy.resident_models:
        text = f"{', '.join(sorted(others))} is pinned already: unpin it first (lodestarctl gpu unpin)."
        raise CallerFault(Code.INVALID_REQUEST, text)
    card.standing.pinned[model] = "exclusive" if exclusive else "kept"
    if exclusive:
        for other in {visit.asked.model for visit in card.state.queue.values()} - {model}:
            card.state.turn_away(partial(refusals.pinned_out, card.name, other, model), other)
    card.replan()


def unpin(card: Card, model: str) -> bool:
    """Whether it was pinned by ``pin``. Raises ``CallerFault`` where the configuration pins it."""
    told = card.standing.pinned.pop(model, None) is not None
    if not told and model in card.pins().kept:
        text = f'The configuration pins {model}: set upstreams.{card.name}.models."{model}".pinned = false.'
        raise CallerFault(Code.INVALID_REQUEST, text)
    card.replan()
    return told


def lend(card: Card, until_ms: int) -> None:
    """Take no requests and unload everything; until then, or for 0 until ``take_back``."""
    card.standing.paused_until_ms = until_ms
    card.state.lent_from_s = trio.current_time()
    card.state.anew.clear()
    card.replan()


def take_back(card: Card) -> bool:
    """Whether the card was lent."""
    lent = card.standing.paused_until_ms is not None
    card.standing.paused_until_ms = None
    card.replan()
    return lent


async def wait_quiet(card: Card) -> None:
    """Wait until nobody waits and nothing is being answered."""
    while not card.state.quiet:
        await card.changed.park()
