"""F2: the power fails while the ledger is written, and what the real code makes of the files that are found.

What must hold: the file opens and looks as it did after some group of works, none of them missing that was
acknowledged (a hold that returned, a commit that returned); the books add up; what was held is charged as unknown;
reports can be read.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import trio

from lodestard.budget.judge import Relief
from lodestard.budget.rules import read_rules
from lodestard.domain.closing import Closing
from lodestard.domain.errors import HouseFault
from lodestard.domain.price import Price
from lodestard.domain.request import Caller
from lodestard.domain.settings import Budget
from lodestard.domain.upstream import Candidate, Target
from lodestard.domain.usage import Usage
from lodestard.ledger import SCHEMA, Attempt, Entry, Ledger, LedgerOptions, open_ledger, verify
from lodestard.store import StoreOptions, open_snapshot, open_store, run_inline
from tests.faults.images import crash_images, lay_out
from tests.faults.recorder import Record, recorded
from tests.faults.shadow import Shadow, WatchedStore, Work, look_of

T = TypeVar("T")
CLIENTS, REQUESTS = 5, 9
LIVES = 3  # how many power cuts follow one another
LONGEST_S, LONGEST_WRITE_S = 0.4, 0.05
FILE = "ledger.db"
PRICE = Price(input_pico_usd=3_000_000, output_pico_usd=15_000_000)
PAID = Candidate(target=Target("openai", "gpt"), dialect="openai", price=PRICE, free=False, up=True)
LOCAL = Candidate(target=Target("t600", "llama"), dialect="ollama", price=None, free=True, up=True)
DURABLE = StoreOptions(durable=True)
DAY_MS = 86_400_000
RULES = read_rules({"all": Budget(usd=Decimal(1), hard=False)})
OPTIONS = LedgerOptions(rules=RULES, retention_days=1)
"""A budget that is overrun, so that alerts are written; requests that are deleted after a day."""
_BOOKED = """
SELECT coalesce(sum(amount), 0) FROM (
    SELECT to_book AS book, amount_nano_usd AS amount FROM posting
    UNION ALL SELECT from_book, -amount_nano_usd FROM posting
    UNION ALL SELECT book, amount_nano_usd FROM carried
) WHERE book IN ('spent', 'unknown')
"""


class LoopClock:
    """Wall time by the loop's own clock, so that the time which tests skip passes here too."""

    ms_per_s = 1_000

    def now_ms(self) -> int:
        return 1_790_000_000_000 + round(trio.current_time() * self.ms_per_s)

    def monotonic_ns(self) -> int:
        return round(trio.current_time() * 1_000_000_000)


class FastClock(LoopClock):
    """A day passes in a second, so that requests grow old enough to be deleted."""

    ms_per_s = DAY_MS


@dataclass
class Life:
    """A ledger from its opening to its closing: what it wrote, and what was acknowledged at which operation.

    ``base``: the works that its file had from lives before.
    """

    base: list[Work]
    luck: random.Random
    options: StoreOptions = DURABLE
    works: list[Work] = field(default_factory=list)
    acknowledged: list[tuple[int, int]] = field(default_factory=list)
    record: Record = field(default_factory=Record)

    async def run(self, work: Callable[[], T], /) -> T:
        """An executor that takes its time, so that works gather and callers leave while they wait."""
        await trio.sleep(self.luck.random() * LONGEST_WRITE_S)
        return work()

    def durable(self, operations: int) -> int:
        """How many works were acknowledged by then."""
        return max((works for at, works in self.acknowledged if at <= operations), default=0)

    def acknowledge(self, works: int) -> None:
        self.acknowledged.append((len(self.record.operations), works))


@dataclass
class Found:
    """What came of all images."""

    images: int = 0
    ahead: int = 0
    recovered: int = 0

    def __str__(self) -> str:
        return f"{self.recovered} holds charged as unknown; {self.ahead} had more than was acknowledged"


# -- a life --------------------------------------------------------------------------------------------------------


async def live(life: Life, folder: Path, *, sync_lies: bool = False) -> None:
    """Random traffic over the ledger in ``folder``, every operation of its disk recorded."""
    clock = FastClock()
    with recorded(folder) as life.record:
        life.record.sync_lies = sync_lies
        async with open_store(folder / FILE, (SCHEMA,), options=life.options, clock=clock, run=life.run) as store:
            watched = WatchedStore(store, life.works, life.acknowledge)
            async with open_ledger(watched, clock, options=OPTIONS) as ledger, trio.open_nursery() as nursery:
                nursery.start_soon(keep_house, ledger, random.Random(life.luck.random()))
                async with trio.open_nursery() as guests:
                    for _ in range(CLIENTS):
                        guests.start_soon(Guest(life, ledger, random.Random(life.luck.random())).visit)
                nursery.cancel_scope.cancel()


@dataclass
class Guest:
    """One of those who ask, by a luck of its own."""

    life: Life
    ledger: Ledger
    luck: random.Random

    async def visit(self) -> None:
        luck, ledger = self.luck, self.ledger
        for _ in range(REQUESTS):
            await trio.sleep(luck.random() * LONGEST_S)
            caller = Caller(project=luck.choice(("", "p", "q")), session=luck.choice(("", "s")))
            entry = ledger.open_entry(caller, "a", dialect="d", stream=luck.random() < 0.5)
            attempts = [attempt for _ in range(luck.choice((0, 1, 1, 1, 2))) if (attempt := await self.hold(entry))]
            early = len(attempts) if luck.random() < 0.8 else 0
            self.end(attempts[:early])
            trace = {"text": "why " * luck.randrange(400)} if luck.random() < 0.5 else {}
            cache = "miss" if attempts else "hit"
            ledger.close_entry(entry, Closing(outcome="ok", status=200, cache=cache, trace=trace))
            await trio.sleep(luck.random() * LONGEST_S)
            self.end(attempts[early:])

    async def hold(self, entry: Entry) -> Attempt | None:
        """Held, which is an acknowledgement; or given up while its hold was written."""
        luck, held, works = self.luck, None, len(self.life.works)
        candidate = LOCAL if luck.random() < 0.25 else PAID
        with trio.move_on_after(LONGEST_WRITE_S * luck.choice((luck.random(), 9, 9, 9))):
            held = await self.ledger.hold(entry, candidate, luck.randrange(1, 10**9))
            if not held.free:
                self.life.acknowledge(works + 1)
        await trio.sleep(luck.random() * LONGEST_S)
        return held

    def end(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            match self.luck.randrange(5):
                case 0:
                    self.ledger.release(attempt, "refused")
                case 1:
                    self.ledger.unknown(attempt, "cut")
                case _:
                    usage = Usage(prompt_tokens=self.luck.randrange(10**5), completion_tokens=9)
                    self.ledger.capture(attempt, usage)


async def keep_house(ledger: Ledger, luck: random.Random) -> None:
    """What goes on beside the requests: sums and deletions, and people who lift a budget and take that back."""
    while True:
        await trio.sleep(LONGEST_S * (1 + luck.random()))
        await ledger.upkeep.tidy()
        until_ms = ledger.now_ms() + 10 * DAY_MS
        await ledger.budgets.override(
            Relief(id=0, budget="all", value="", until_ms=until_ms, extra=None, reason="why", who="ann")
        )
        await trio.sleep(LONGEST_S * luck.random())
        await ledger.budgets.revoke("all", "ann")


# -- what is found after it ----------------------------------------------------------------------------------------


async def cut_the_power(folder: Path, seed: int, images: int, found: Found) -> None:
    """So many images of lives that follow one another, each on what a power cut left of the one before."""
    luck, base, files = random.Random(seed), list[Work](), dict[str, bytes]()
    for number in range(LIVES):
        life, share = Life(base, luck), images // LIVES + (number < images % LIVES)
        at = folder / f"life {number}"
        lay_out(files, at)
        await live(life, at)
        base, files = await check_images(life, folder / f"images {number}", share, found)


async def check_images(life: Life, folder: Path, images: int, found: Found) -> tuple[list[Work], dict[str, bytes]]:
    """Check so many images of a life. Gives one of them, and the works that are in it."""
    shadow = Shadow()
    shadow.play(life.base)
    del shadow.looks[:-1]
    shadow.play(life.works)
    cuts = [life.luck.randint(0, len(life.record.operations)) for _ in range(images)]
    kept: list[tuple[list[Work], dict[str, bytes]]] = [(life.base, {})]
    for number, (cut, files) in enumerate(crash_images(life.record, cuts, life.luck)):
        lay_out(files, folder / str(number))
        durable = life.durable(cut)
        try:
            works = await check_image(folder / str(number), shadow.looks, durable, found)
        except HouseFault as fault:
            raise AssertionError(f"{folder}/{number}: can't be opened: {fault}") from fault
        found.ahead += works > durable
        kept.append(([*life.base, *life.works[:works]], files))
    return life.luck.choice(kept[1:] or kept)


async def check_image(folder: Path, looks: Sequence[int], durable: int, found: Found) -> int:
    """Open what was found, by the real code, and check it. Gives the number of works that are in it."""
    found.images += 1
    clock = FastClock()
    async with open_store(folder / FILE, (SCHEMA,), options=DURABLE, clock=clock, run=run_inline) as store:
        look = look_of(store.read)
        works = max((number for number, known in enumerate(looks) if known == look), default=-1)
        assert works >= 0, f"{folder}: it looks like nothing that was ever written"
        assert works >= durable, f"{folder}: {durable} works were acknowledged, {works} are there"
        held = store.read("SELECT request_seq, ordinal, held_nano_usd FROM attempt WHERE state = 'held'")
        async with open_ledger(store, clock, options=OPTIONS) as ledger:
            found.recovered += len(held)
            for seq, ordinal, nano_usd in held:
                where = "SELECT state, cost_nano_usd FROM attempt WHERE request_seq = ? AND ordinal = ?"
                assert store.read(where, (seq, ordinal)) == [("unknown", nano_usd)], f"{folder}: a hold was let go"
            reported = sum(row.cost_nano_usd for row in await ledger.reports.costs("all"))
            ((booked,),) = store.read(_BOOKED)
            assert reported == booked, f"{folder}: the report says {reported}, the books {booked!s}"
            assert ledger.totals().held_nano_usd == 0
    with open_snapshot(folder / FILE) as snapshot:
        report = verify(snapshot, idle=True)
    assert report.ok, f"{folder}: {report.problems}"
    return works
