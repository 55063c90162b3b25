"""F19: days of the house on the mock clock, with faults by seed: the books add up, and nothing grows.

What must hold at the end: I1 to I8 by the ledger and the provider's own meter, I9 no prompt and no key anywhere; and
at every hour's end I3 and I10: nothing is held, and tasks, sockets and memory are what they were.
"""

import gc
import os
import random
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from statistics import median

import trio

from lodestard.domain.settings import Budget
from lodestard.ledger import verify
from lodestard.simulator.card.figures import ALL_MODELS, Machine, Pace
from lodestard.simulator.paid.openai_app import OpenAIApp
from lodestard.store import open_snapshot
from tests.fakes.world import chat
from tests.faults.audit import audit
from tests.faults.figures import memory_bytes
from tests.faults.reading import read, write_request
from tests.faults.still import Still, open_still
from tests.faults.traffic import CANARY, compare_bills, count_tasks, look_for, say_nothing_of_it

HOUR_S = 3_600.0
BUSY_S = 600.0
"""The first part of each hour, in which everybody comes."""
POLL_S = 180.0
VISITS = 8
MOST_MORE = 0.02
MOST_EACH_BYTES = 2_048
"""What is kept up to a bound (sessions, samples, the last hours' sums) still fills up."""
PACED = Machine(
    models=ALL_MODELS, pace=Pace(load_s=4.0, unload_s=1.0, prefill_tokens_per_s=1000.0, decode_tokens_per_s=100.0)
)
BUDGETS = {  # about one worst case, so that two at once are one too many
    "all": Budget(window="day", usd=Decimal("0.0106")),
    "rolling": Budget(scope="provider", of="openai", window="24h", usd=Decimal("0.0102")),
}
FAULTS = (
    "status=500",
    "status=429;retry-after=1",
    "cut=200",
    "cut_rst=500",
    "reset",
    "close",
    "hang",
    "stall=400",
    "garbage=60",
    "noise",
    "no_usage",
    "slow=5",
    "dribble=50",
)
KINDS = ("question", "question", "load", "unload", "ps")
ALIASES = ("llama", "coder", "paid", "paid", "llama-or-paid")


@dataclass
class Days:
    """What came of it. ``memory``: traced bytes at each hour's end, when all is at rest."""

    seed: int
    hours: int
    outcomes: Counter[str] = field(default_factory=Counter)
    memory: list[int] = field(default_factory=list)
    tasks: set[int] = field(default_factory=set)
    descriptors: set[int] = field(default_factory=set)
    billed: Counter[tuple[int, int]] = field(default_factory=Counter)
    unknown: int = 0
    most: Counter[str] = field(default_factory=Counter)
    base_bytes: int = field(default_factory=lambda: memory_bytes(os.getpid()))

    @property
    def more_bytes(self) -> float:
        """The second half's median less the first's, once the house has learned what it keeps of the past."""
        warm = self.memory[len(self.memory) // 3 :]
        middle = len(warm) // 2
        return median(warm[middle:]) - median(warm[:middle]) if middle else 0.0

    @property
    def growth(self) -> float:
        """The same as a share of all the process's memory."""
        return self.more_bytes / self.base_bytes

    @property
    def each_bytes(self) -> float:
        """The same for each request that came between the halves' middles."""
        return self.more_bytes / (len(self.memory) / 3 * VISITS)

    def __str__(self) -> str:
        outcomes = ", ".join(f"{count} {what}" for what, count in sorted(self.outcomes.items()))
        memory = f"memory {self.growth:+.3%}, {self.each_bytes:+.0f} bytes each request"
        return f"{outcomes}; {self.unknown} unknown; at most {self.most['all']} nano-USD a day; {memory}"


async def live(folder: Path, days: Days) -> None:
    """All the hours, and the books at the end."""
    luck = random.Random(days.seed)
    async with open_still(folder, PACED, budgets=BUDGETS, poll_s=POLL_S) as still:
        assert isinstance(still.openai.app, OpenAIApp)
        for simulator in (still.ollama, still.openai):
            simulator.app.mind._script = say_nothing_of_it
        for _ in range(days.hours):
            await _live_hour(still, luck, days)
            _take_notes(still, still.openai.app, days)
            _look(still, days)
    check_books(folder, days)


async def _live_hour(still: Still, luck: random.Random, days: Days) -> None:
    ends_s = trio.current_time() + HOUR_S
    still.ollama.faults_of = _plan_faults(luck, KINDS)
    still.openai.faults_of = _plan_faults(luck, ("question",))
    async with trio.open_nursery() as nursery:
        for number in range(VISITS):
            nursery.start_soon(_visit, still, random.Random(luck.random()), number, days.outcomes)
    still.ollama.faults_of, still.openai.faults_of = {}, {}
    await trio.sleep_until(ends_s)


def _take_notes(still: Still, provider: OpenAIApp, days: Days) -> None:
    """What the simulators keep is not the house's memory."""
    for entry in provider.desk.meter.entries:
        days.billed[entry.tokens.prompt, entry.nano_usd] += 1
    provider.desk.meter.entries.clear()
    still.ollama.seen.clear()
    still.openai.seen.clear()


def _plan_faults(luck: random.Random, kinds: Sequence[str]) -> dict[str, str]:
    return {kind: luck.choice(FAULTS) for kind in kinds if luck.random() < 0.3}


async def _visit(still: Still, luck: random.Random, number: int, outcomes: Counter[str]) -> None:
    """One client: it comes within the hour, and may leave before it has its answer."""
    await trio.sleep(luck.random() * BUSY_S)
    body = chat(luck.choice(ALIASES), f"{CANARY} {number}", stream=luck.random() < 0.5)
    stays_s = luck.random() * 10 if luck.random() < 0.2 else HOUR_S
    received = bytearray()
    async with await trio.open_unix_socket(still.path) as connection:
        await connection.send_all(write_request(body))
        with trio.move_on_after(stays_s) as scope:
            while data := await connection.receive_some(65_536):
                received += data
    if scope.cancelled_caught:
        assert stays_s < HOUR_S, f"no end of {body}"
        outcomes["left"] += 1
        return
    seen = read(bytes(received))
    assert seen.finished if seen.succeeded else seen.told_of_failure, f"{body}: {seen}"
    assert seen.status != 500, f"{body}: {seen}"
    outcomes["whole" if seen.succeeded else str(seen.status) if seen.status != 200 else "broken off"] += 1


def _look(still: Still, days: Days) -> None:
    """An hour's end: nothing is under way."""
    where = f"seed {days.seed}, hour {len(days.memory)}"
    totals = still.ledger.totals()
    assert (totals.held_nano_usd, totals.open_requests) == (0, 0), f"{where}: held at rest: {totals}"
    assert not still.runtime.flights.under_way, f"{where}: flights"
    assert not still.runtime.flights.load.held_bytes, f"{where}: bytes are held"
    assert not still.proxy.connections, f"{where}: connections"
    gc.collect()
    days.memory.append(tracemalloc.get_traced_memory()[0])
    root = trio.lowlevel.current_root_task()
    assert root is not None
    days.tasks.add(count_tasks(root))
    days.descriptors.add(len(os.listdir("/proc/self/fd")))


def check_books(folder: Path, days: Days) -> None:
    """I1 to I8, at the end of all days."""
    file = folder / "ledger.db"
    with open_snapshot(file) as snapshot:
        report = verify(snapshot, idle=True)
        ((whole,),) = snapshot.read("PRAGMA integrity_check")
        ((requests,),) = snapshot.read("SELECT count(*) FROM request")
    assert report.ok, f"seed {days.seed}: {report.problems}"
    assert whole == "ok", f"seed {days.seed}: {whole!r}"
    assert requests == days.hours * VISITS, f"seed {days.seed}: {requests!r} rows of {days.hours * VISITS}"
    days.unknown = compare_bills(file, "openai", days.billed)
    days.most = audit(file, BUDGETS).most
    look_for([CANARY, "sk-still"], folder, "")
