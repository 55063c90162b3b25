"""F7: an upstream whose answers are garbage.

What must hold: the house answers, honestly: a status of error, an error event, or an answer that a client can read;
it charges at least what was billed; it goes on serving, in bounded memory.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.world import World
from tests.faults.cuts import FORMS, Form
from tests.faults.interposed import interpose
from tests.faults.mangling import CHANGES, Change, Mangled
from tests.faults.quiet import come_to_rest
from tests.faults.reading import Seen

BIG_EVENT_ODDS = 0.02


@dataclass
class Tally:
    """What came out of it."""

    outcomes: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return ", ".join(f"{count} {what}" for what, count in sorted(self.outcomes.items()))


async def ask_for_garbage(
    world: World,
    seed: int,
    tally: Tally,
    changes: tuple[Change, ...] = CHANGES,
    forms: Sequence[Form] = FORMS,
) -> None:
    """One answer that is garbage, by ``seed``."""
    luck = random.Random(seed)
    form = luck.choice(forms)
    upstream, mangled = form.upstream(world), Mangled(luck, changes)
    more: dict[str, Any] = {}
    charged, billed = world.ledger.totals().spent_today_nano_usd, upstream.bill_nano_usd
    if form.stream and form.client == "openai" and luck.random() < 0.5:
        more["stream_options"] = {"include_usage": True}
    if luck.random() < 0.3:
        upstream.say('Ein Gruß: 你好, \U0001f600!\n\n"Escaped\\" \t…')
    if luck.random() < BIG_EVENT_ODDS:
        upstream.fail("big_event")
    with interpose(upstream, mangled):
        seen = await form.ask(world, f"question {seed}", **more)
    upstream.app.app.mind.clear()
    where = f"seed {seed}, {form}, {mangled.did}"
    judge(seen, where)
    tally.outcomes[_name(seen)] += 1
    await come_to_rest(world)
    paid, bill = world.ledger.totals().spent_today_nano_usd - charged, upstream.bill_nano_usd - billed
    assert paid >= bill, f"{where}: billed {bill}, charged {paid}: {_short(seen)}"


def judge(seen: Seen, where: str) -> None:
    """Whatever came, a client can read what it gets, and is not told that a broken answer is whole."""
    try:
        honest = seen.readable if seen.succeeded else seen.told_of_failure
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise AssertionError(f"{where}: unreadable ({error!r}): {_short(seen)}") from error
    assert honest, f"{where}: not honest: {_short(seen)}"
    assert seen.status != 500, f"{where}: broke the house: {_short(seen)}"


def _short(seen: Seen) -> str:
    return f"{seen.status} {seen.headers} framed={seen.framed} {seen.body[:3000]!r}…{seen.body[-300:]!r}"


def _name(seen: Seen) -> str:
    if seen.succeeded:
        return "answers"
    return f"{seen.status}s" if seen.status != 200 else "error events"
