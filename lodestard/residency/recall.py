"""A card's learned figures and standing orders, from and into the document that survives the daemon.

Law: what can't be read is as good as never learned; nothing here raises.
"""

import msgspec

from lodestard.residency.card import Card
from lodestard.residency.memory import HostMemory, Learned
from lodestard.residency.standing import Standing


def recall(learned: Learned, host: str) -> Standing:
    """What is known of ``host`` from before."""
    memory = learned.hosts.get(host, HostMemory())
    standing = Standing(pinned=dict(memory.pins), paused_until_ms=memory.paused_until_ms)
    standing.rates.take(memory.rates)
    standing.hindsight.take(memory.hindsight)
    if memory.habits:
        standing.habits.take(msgspec.json.encode(memory.habits))
    return standing


def remember(learned: Learned, card: Card) -> Learned:
    """``learned`` with what ``card`` knows now."""
    standing = card.standing
    memory = HostMemory(
        rates=standing.rates.dump(),
        habits=msgspec.json.decode(standing.habits.dump() or b"{}"),
        hindsight=standing.hindsight.dump(),
        pins=dict(standing.pinned),
        paused_until_ms=standing.paused_until_ms,
    )
    return Learned(hosts={**learned.hosts, card.name: memory})
