"""The check of the ledger bites: each planted lie is found, and the truth passes quickly."""

import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import apsw
import pytest

from lodestard.domain.clock import SystemClock
from lodestard.domain.closing import Closing
from lodestard.domain.price import Price
from lodestard.domain.request import Caller
from lodestard.domain.upstream import Candidate, Target
from lodestard.domain.usage import Usage
from lodestard.ledger import SCHEMA, Ledger, VerifyReport, open_ledger, verify
from lodestard.store import StoreOptions, open_snapshot, open_store, run_inline

PRICE = Price(input_pico_usd=3_000_000, output_pico_usd=15_000_000)
PAID = Candidate(target=Target("anthropic", "claude"), dialect="openai", price=PRICE, free=False, up=True)
LOCAL = Candidate(target=Target("t600", "llama"), dialect="ollama", price=None, free=True, up=True)


async def serve(ledger: Ledger, end: Callable[..., object], candidate: Candidate = PAID, cache: str = "miss") -> None:
    entry = ledger.open_entry(Caller(), "a", dialect="openai_chat", stream=False)
    if cache == "miss":
        end(await ledger.hold(entry, candidate, 10_000_000))
    target = candidate.target
    closing = Closing(
        outcome="ok", status=200, cache=cache, target=target, usage=Usage(prompt_tokens=1), trace={"a": 1}
    )
    ledger.close_entry(entry, closing)


async def fill(path: Path, times: int = 1) -> None:
    clock = SystemClock()
    async with (
        open_store(path, (SCHEMA,), options=StoreOptions(durable=False), clock=clock, run=run_inline) as store,
        open_ledger(store, clock) as ledger,
    ):
        for _ in range(times):
            await serve(ledger, lambda attempt: ledger.capture(attempt, Usage(prompt_tokens=1_000)))
            await serve(ledger, lambda attempt: ledger.release(attempt, "refused"))
            await serve(ledger, lambda attempt: ledger.unknown(attempt, "cut"))
            await serve(ledger, lambda attempt: ledger.capture(attempt, Usage(prompt_tokens=5)), LOCAL)
            await serve(ledger, print, cache="hit")


def checked(path: Path, *, idle: bool = True) -> VerifyReport:
    with open_snapshot(path) as snapshot:
        return verify(snapshot, idle=idle)


async def test_the_truth_passes(tmp_path: Path, autojump_clock: object) -> None:
    path = tmp_path / "ledger.db"
    await fill(path)
    report = checked(path)
    assert report.ok and not report.problems
    assert (report.requests, report.attempts, report.postings) == (5, 4, 7)
    assert (report.held, report.open_requests) == (0, 0)
    assert report.books == {"funds": -13_000_000, "held": 0, "spent": 3_000_000, "unknown": 10_000_000}
    assert sum(report.books.values()) == 0


NO_GUARDS = "DROP TRIGGER attempt_ends_once; DROP TRIGGER posting_stays; PRAGMA ignore_check_constraints = 1;"


HELD_IN_SECRET = """
    INSERT INTO attempt (request_seq, ordinal, upstream, model, free, state, started_ms, total_us, held_nano_usd,
        cost_nano_usd, price, reason) VALUES (1, 2, 'a', 'b', 0, 'held', 1, 0, 5, 0, '', '')
"""


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        ("DELETE FROM posting WHERE event = 'capture'", "its postings say something else"),
        ("DELETE FROM posting WHERE event = 'hold' AND request_seq = 1", "its postings say something else"),
        ("UPDATE posting SET amount_nano_usd = amount_nano_usd + 1 WHERE event = 'unknown'", "say something else"),
        ("UPDATE posting SET to_book = 'spent' WHERE event = 'release'", "say something else"),
        ("UPDATE posting SET to_book = 'elsewhere' WHERE event = 'capture'", "say something else"),
        ("UPDATE attempt SET state = 'released' WHERE request_seq = 1", "say something else"),
        ("UPDATE attempt SET state = 'captured' WHERE request_seq = 3", "say something else"),
        ("UPDATE attempt SET state = 'lost' WHERE request_seq = 4", "say something else"),
        ("UPDATE attempt SET state = 'held' WHERE request_seq = 4", "say something else"),
        ("UPDATE attempt SET ended_ms = NULL WHERE request_seq = 4", "say something else"),
        ("UPDATE attempt SET cost_nano_usd = cost_nano_usd - 1 WHERE request_seq = 1", "not the sums of its"),
        ("UPDATE attempt SET prompt_tokens = 7 WHERE request_seq = 1", "not the sums of its attempts"),
        ("UPDATE request SET cost_nano_usd = 0 WHERE seq = 1", "not the sums of its attempts"),
        ("UPDATE request SET cost_nano_usd = 1, cache = 'hit' WHERE seq = 5", "from the cache has cost something"),
        ("UPDATE request SET attempts = 2 WHERE seq = 1", "not the sums of its attempts"),
        ("UPDATE request SET state = 'open' WHERE seq = 5", "1 requests open, though nothing is under way"),
        ("DELETE FROM request WHERE seq = 1", "without its"),
        ("DELETE FROM attempt WHERE request_seq = 1", "without its"),
        ("DROP TABLE posting", "no such table"),
        (HELD_IN_SECRET, "say something else"),
    ],
)  # fmt: skip
async def test_every_lie_is_found(tmp_path: Path, autojump_clock: object, lie: str, said: str) -> None:
    path = tmp_path / "ledger.db"
    await fill(path)
    liar = apsw.Connection(str(path))
    liar.execute(NO_GUARDS)
    liar.execute(lie)
    liar.close()
    report = checked(path)
    assert not report.ok
    assert any(said in problem for problem in report.problems), report.problems


async def test_what_is_under_way_is_no_problem_unless_nothing_can_be(tmp_path: Path, autojump_clock: object) -> None:
    path = tmp_path / "ledger.db"
    clock = SystemClock()
    async with (
        open_store(path, (SCHEMA,), options=StoreOptions(durable=True), clock=clock, run=run_inline) as store,
        open_ledger(store, clock) as ledger,
    ):
        entry = ledger.open_entry(Caller(), "a", dialect="openai_chat", stream=False)
        await ledger.hold(entry, PAID, 5)
        beside = checked(path, idle=False)
        assert beside.ok
        assert (beside.held, beside.open_requests, beside.books) == (1, 1, {"funds": -5, "held": 5})
        assert not checked(path).ok


async def test_a_damaged_page_is_found(tmp_path: Path, autojump_clock: object) -> None:
    path = tmp_path / "ledger.db"
    await fill(path, 40)
    damage(path)
    report = checked(path)
    assert not report.ok


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for page in range(24, len(data) // 4096, 3):  # above the schema
        data[page * 4096 : page * 4096 + 100] = b"\xff" * 100
    path.write_bytes(data)


@pytest.mark.repeats
async def test_it_is_quick(tmp_path: Path, autojump_clock: object) -> None:
    path = tmp_path / "ledger.db"
    await fill(path, 1_000)
    start = perf_counter()
    report = checked(path)
    took_s = perf_counter() - start
    assert report.ok
    sys.stdout.write(f"verify: {took_s * 1_000:.0f} ms for {report.requests} requests\n")
    assert took_s < 25 * report.requests / 100_000  # a busy machine; a quadratic verify would still be caught
