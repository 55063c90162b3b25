"""``make bench-admission``: what a hold costs, beside a bare commit of the same file, in one run.

Sixty-four tasks ask at once. A round of bare commits (one small row each, through the same writer) and a round of
paid requests (a hold in three hard budgets, checked, held and durable; then its end and its row) take turns; timed is
what a request waits for, the commit or the hold. The table has medians over the rounds: once with an upstream that
takes 25 to 75 ms, as the quickest do, and once with one that takes no time at all, so that the processor is always
full.
Then free and cached requests are counted: none of them may wait for anything.
"""

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import trio
from trio.testing import assert_no_checkpoints

from lodestard.budget.rules import read_rules
from lodestard.domain.clock import SystemClock
from lodestard.domain.closing import Closing
from lodestard.domain.ports import Tx
from lodestard.domain.price import Price
from lodestard.domain.request import Caller
from lodestard.domain.settings import Budget
from lodestard.domain.upstream import Candidate, Target
from lodestard.domain.usage import Usage
from lodestard.ledger import SCHEMA, Ledger, LedgerOptions, open_ledger
from lodestard.store import FileStore, StoreOptions, open_store

TASKS = 64
EACH = 10
ROUNDS = 7
FREE_REQUESTS = 2_000
NS_PER_MS = 1_000_000
MOST_RATIO = 3
MOST_MORE_MS = 1.0
UPSTREAMS = {"takes 25 to 75 ms": 0.05, "takes no time": 0.0}
Rounds = tuple[list[list[float]], list[list[float]]]
PAID = Candidate(
    target=Target("openai", "gpt-4o"),
    dialect="openai",
    price=Price(input_pico_usd=2_500_000, output_pico_usd=10_000_000),
    free=False,
    up=True,
)
LOCAL = Candidate(target=Target("t600", "llama3.1:8b"), dialect="ollama", price=None, free=True, up=True)
BUDGETS = {
    "all": Budget(usd=Decimal(1_000_000)),
    "project": Budget(usd=Decimal(1_000_000), scope="project", window="day"),
    "provider": Budget(usd=Decimal(1_000_000), scope="provider", window="24h"),
}
USAGE = Usage(prompt_tokens=900, completion_tokens=120)


Finish = Callable[[], object]


async def timed_round(work: Callable[[int], Awaitable[Finish]], upstream_s: float) -> list[float]:
    """Milliseconds that each of ``TASKS`` times ``EACH`` calls took, all tasks at once; then the upstream answers."""
    taken: list[float] = []
    luck = random.Random(TASKS)

    async def run(number: int) -> None:
        await trio.sleep(upstream_s * number / TASKS)
        for _ in range(EACH):
            start = time.perf_counter_ns()
            finish = await work(number)
            taken.append((time.perf_counter_ns() - start) / NS_PER_MS)
            await trio.sleep(upstream_s * (0.5 + luck.random()))
            finish()

    async with trio.open_nursery() as nursery:
        for number in range(TASKS):
            nursery.start_soon(run, number)
    return taken


def write_row(tx: Tx) -> None:
    """The bare commit's work: one small row."""
    tx.execute("INSERT INTO bench (body) VALUES (?)", ("x" * 100,))


async def measure(folder: Path) -> tuple[dict[str, Rounds], int]:
    """Rounds of bare commits and of holds by kind of upstream, and how many free and cached requests waited."""
    clock = SystemClock()
    options = LedgerOptions(rules=read_rules(BUDGETS))
    async with (
        open_store(folder / "ledger.db", [SCHEMA], options=StoreOptions(durable=True), clock=clock) as store,
        open_ledger(store, clock, options=options) as ledger,
    ):
        await store.commit(lambda tx: tx.execute("CREATE TABLE bench (body TEXT)"))
        found: dict[str, Rounds] = {}
        for name, upstream_s in UPSTREAMS.items():
            bare: list[list[float]] = []
            holds: list[list[float]] = []
            for _ in range(ROUNDS):
                bare.append(await timed_round(lambda _number: commit(store), upstream_s))
                holds.append(await timed_round(lambda number: hold(ledger, number), upstream_s))
            found[name] = bare, holds
        return found, await count_waits(ledger)


async def commit(store: FileStore) -> Finish:
    await store.commit(write_row)
    return int


async def hold(ledger: Ledger, number: int) -> Finish:
    """What a paid request waits for; gives back what ends it."""
    entry = ledger.open_entry(Caller(project=f"p{number % 8}"), "gpt-4o", dialect="openai", stream=True)
    attempt = await ledger.hold(entry, PAID, 10_000_000, 2_000)

    def finish() -> None:
        ledger.capture(attempt, USAGE)
        ledger.close_entry(entry, Closing(outcome="ok", status=200, cache="miss", target=PAID.target, usage=USAGE))

    return finish


async def count_waits(ledger: Ledger) -> int:
    """How many of the free and cached requests did anything but go on at once."""
    waited = 0
    for number in range(FREE_REQUESTS):
        try:
            with assert_no_checkpoints():
                await serve_free(ledger, cached=number % 4 == 0)
        except AssertionError:
            waited += 1
    return waited


async def serve_free(ledger: Ledger, *, cached: bool) -> None:
    entry = ledger.open_entry(Caller(), "local", dialect="openai", stream=False)
    if not cached:
        ledger.capture(await ledger.hold(entry, LOCAL, 0, 500), USAGE)
    cache = "hit" if cached else "miss"
    ledger.close_entry(entry, Closing(outcome="ok", status=200, cache=cache, target=LOCAL.target, usage=USAGE))


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main() -> int:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        found, waited = trio.run(measure, Path(folder))
    out = [f"{TASKS} at once, {TASKS * EACH} a round, medians of {ROUNDS} rounds", ""]
    out += ["| upstream | | bare commit | hold with 3 budgets | allowed |", "|---|---|---|---|---|"]
    missed = 0
    for name, (bare, holds) in found.items():
        for share, words in ((0.5, "p50"), (0.99, "p99")):
            commit_ms = statistics.median(percentile(values, share) for values in bare)
            hold_ms = statistics.median(percentile(values, share) for values in holds)
            allowed_ms = MOST_RATIO * commit_ms + MOST_MORE_MS
            out.append(f"| {name} | {words} | {commit_ms:.2f} ms | {hold_ms:.2f} ms | {allowed_ms:.2f} ms |")
            missed += words == "p99" and hold_ms > allowed_ms
    out += ["", f"{waited} of {FREE_REQUESTS} free and cached requests waited"]
    sys.stdout.write("\n".join(out) + "\n")
    return 1 if missed or waited else 0


if __name__ == "__main__":
    sys.exit(main())
