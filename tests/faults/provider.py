"""A paid provider in the place of the house's sender: it answers, fails and bills as it likes, and meters itself.

Law: its arithmetic is its own (fractions, rounded up once), and its bills stay within what was asked for. It looks
for the hold of each request that it sees in the tables themselves, and notes those that are not there (I5).
"""

import math
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import apsw
import trio

from lodestard.domain.errors import Code, UpstreamFault
from lodestard.domain.ports import ReplyStream
from lodestard.domain.reply import Piece
from lodestard.domain.request import Request
from lodestard.domain.upstream import AS_ASKED, Target
from lodestard.domain.usage import Usage

LIST = {"a": ("3", "15", "0.3"), "b": ("1.234567", "7.654321", "0.123457")}
"""Its prices: US dollars per million tokens, in, out and read from its cache."""
LONGEST_ANSWER = 600
MOODS = ("whole",) * 8 + ("slow", "slow", "silent", "cut", "busy", "unreached")
_HELD = """
SELECT ordinal FROM attempt JOIN request ON seq = request_seq
WHERE id = ? AND attempt.upstream = ? AND attempt.model = ? AND attempt.state = 'held'
"""


@dataclass
class Bill:
    """What one request cost. ``told``: its usage was sent in full."""

    nano_usd: int
    told: bool = False


@dataclass
class Provider:
    """Implements the ``Sender`` port. ``bills`` by request id and ordinal; ``file`` is the ledger's as it is now."""

    luck: random.Random
    file: Path
    bills: dict[tuple[str, int], Bill] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    unheld: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def send(self, target: Target, request: Request, on_sent: Callable[[], None]) -> AsyncIterator[ReplyStream]:
        await trio.sleep(self.luck.random() * 0.05)
        mood = self.luck.choice(MOODS)
        if mood == "unreached":
            raise UpstreamFault(Code.UPSTREAM_UNREACHABLE, "refused", sent=False)
        key = (request.alias, self._find_hold(request.alias, target)) if target.upstream in LIST else None
        on_sent()
        self.seen[target.upstream] += 1
        if mood == "busy":
            raise UpstreamFault(Code.UPSTREAM_RATE_LIMITED, "busy", status=429, billed=False)
        answer = Answering(self.luck, mood, self._plan_usage(request))
        if key is None:
            yield answer
            return
        bill = self.bills[key] = Bill(price(target.upstream, answer.usage))
        try:
            yield answer
        finally:
            bill.told = answer.told
            if not answer.told:  # it stops where it is, and bills what it likes of it
                bill.nano_usd = self.luck.randint(0, bill.nano_usd)

    def _find_hold(self, request_id: str, target: Target) -> int:
        reader = apsw.Connection(str(self.file), flags=apsw.SQLITE_OPEN_READONLY)
        held = reader.execute(_HELD, (request_id, target.upstream, target.model)).fetchall()
        reader.close()
        if len(held) != 1:
            self.unheld.append(f"{request_id} was sent to {target}, but its hold is not in the ledger")
        return int(str(held[0][0])) if held else 0

    def _plan_usage(self, request: Request) -> Usage:
        most = request.conversation.sampling.max_output_tokens or LONGEST_ANSWER
        prompt = self.luck.randint(1, request.size_bytes + 1_024)
        return Usage(
            prompt_tokens=prompt,
            cached_tokens=self.luck.choice((0, 0, self.luck.randint(0, prompt))),
            completion_tokens=self.luck.choice((most, self.luck.randint(min(8, most), most))),
        )


def price(upstream: str, usage: Usage) -> int:
    """Nano-USD, by the list."""
    into, out, cached = (Fraction(rate) for rate in LIST[upstream])
    plain = usage.prompt_tokens - usage.cached_tokens
    usd_per_million = plain * into + usage.cached_tokens * cached + usage.completion_tokens * out
    return math.ceil(usd_per_million * 1_000)


class Answering:
    """One answer: a few pieces, and its usage at the end unless the mood is another."""

    sent_as = AS_ASKED

    def __init__(self, luck: random.Random, mood: str, usage: Usage) -> None:
        self._luck = luck
        self._mood = mood
        self._left = luck.randint(1, 5)
        self.usage = usage
        self.told = False

    async def receive(self) -> Sequence[Piece] | None:
        await trio.sleep(self._luck.random() * (1.0 if self._mood == "slow" else 0.05))
        if self.told or self._left < 0:
            return None
        self._left -= 1
        if self._left >= 0:
            return (Piece(text="word "),)
        if self._mood == "cut":
            raise UpstreamFault(Code.UPSTREAM_CUT, "cut")
        if self._mood == "silent":
            return (Piece(finish="stop"),)
        self.told = True
        return (Piece(finish="stop"), Piece(usage=self.usage))

    @property
    def body(self) -> bytes:
        return b""
