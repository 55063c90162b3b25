"""The ledger over a real file, written inline on a mock clock: holds, their one end, what is reported of them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from lodestard.domain.closing import Closing
from lodestard.domain.errors import CallerFault, Code, HouseFault
from lodestard.domain.ports import LedgerPort, Tx
from lodestard.domain.price import FREE, Price
from lodestard.domain.request import Caller
from lodestard.domain.upstream import Candidate, Target
from lodestard.domain.usage import Durations, Usage
from lodestard.ledger import SCHEMA, Ledger, LedgerOptions, RequestFilter, VerifyReport, open_ledger, verify
from lodestard.ledger.figures import QUARTER_MS
from lodestard.ledger.rows import write_end
from lodestard.store import FileStore, Run, StoreOptions, open_snapshot, open_store, run_in_thread, run_inline

PRICE = Price(input_pico_usd=3_000_000, output_pico_usd=15_000_000)
BASELINE = Price(input_pico_usd=5_000_000, output_pico_usd=25_000_000)
PAID = Candidate(target=Target("anthropic", "claude"), dialect="openai", price=PRICE, free=False, up=True)
LOCAL = Candidate(target=Target("t600", "llama3.1:8b"), dialect="ollama", price=None, free=True, up=True)
UNPRICED = Candidate(target=Target("xai", "grok"), dialect="openai", price=None, free=False, up=True)
USAGE = Usage(prompt_tokens=1_000, completion_tokens=100, cached_tokens=50, reasoning_tokens=7)
COST = 1_000 * 3_000 + 100 * 15_000
WORST = 10_000_000
NOON_MS = 1_790_000_000_000
DAY_MS = 86_400_000


class FakeClock:
    """Wall time that stands still unless it is moved; monotonic time that goes on by a millisecond a reading."""

    def __init__(self) -> None:
        self.ms = NOON_MS
        self.ns = 0

    def now_ms(self) -> int:
        return self.ms

    def monotonic_ns(self) -> int:
        self.ns += 1_000_000
        return self.ns


class House:
    """A ledger on its store."""

    def __init__(self, store: FileStore, ledger: Ledger, clock: FakeClock) -> None:
        self.store = store
        self.ledger = ledger
        self.clock = clock

    def open(self, **words: Any) -> Any:
        return self.ledger.open_entry(Caller(**words), "gpt-4o", dialect="openai_chat", stream=True)

    async def serve(self, candidate: Candidate = PAID, usage: Usage | None = USAGE, **words: Any) -> Any:
        entry = self.open(**words)
        attempt = await self.ledger.hold(entry, candidate, WORST)
        self.ledger.capture(attempt, usage)
        self.ledger.close_entry(entry, closing(candidate, usage))
        return entry


def closing(candidate: Candidate = PAID, usage: Usage | None = USAGE, **members: Any) -> Closing:
    given = {"outcome": "ok", "status": 200, "cache": "miss", "target": candidate.target, "usage": usage, **members}
    return Closing(**given)


@asynccontextmanager
async def opened(path: Path, run: Run = run_inline, **options: Any) -> AsyncIterator[House]:
    clock = FakeClock()
    wanted = LedgerOptions(**{"strict": True, "baseline": BASELINE, **options})
    async with (
        open_store(path, (SCHEMA,), options=StoreOptions(durable=True), clock=clock, run=run) as store,
        open_ledger(store, clock, options=wanted) as ledger,
    ):
        yield House(store, ledger, clock)


def check(path: Path, *, idle: bool = True) -> VerifyReport:
    with open_snapshot(path) as snapshot:
        report = verify(snapshot, idle=idle)
    assert report.ok, report.problems
    return report


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


async def test_a_paid_request_from_hold_to_explanation(path: Path, autojump_clock: object) -> None:
    async with opened(path) as house:
        ledger: LedgerPort = house.ledger
        entry = ledger.open_entry(
            Caller(principal="ann", project="p", user="u", session="s", client="aider"),
            "gpt-4o",
            dialect="openai_chat",
            stream=True,
        )
        attempt = await ledger.hold(entry, PAID, WORST)
        assert attempt.hold_nano_usd == WORST
        assert house.store.read("SELECT state, held_nano_usd FROM attempt") == [("held", WORST)]
        assert house.ledger.totals().held_nano_usd == WORST
        check(path, idle=False)
        assert ledger.capture(attempt, USAGE) == COST
        durations = Durations(total_ns=9_000, load_ns=2_000, prefill_ns=3_000, decode_ns=4_000)
        ledger.close_entry(
            entry,
            closing(
                total_us=9, first_piece_us=4, overhead_us=1, durations=durations, trace={"reason": "the cheapest"}
            ),
        )
        found = await house.ledger.reports.explain(entry.id)
    assert found is not None
    request = found.request
    assert (request.id, request.state, request.received_ms) == (entry.id, "closed", NOON_MS)
    assert (request.alias, request.dialect, request.stream) == ("gpt-4o", "openai_chat", 1)
    assert (request.principal, request.project, request.user) == ("ann", "p", "u")
    assert (request.session, request.client) == ("s", "aider")
    assert (request.upstream, request.model) == ("anthropic", "claude")
    assert (request.cache, request.outcome, request.status, request.attempts) == ("miss", "ok", 200, 1)
    assert (request.prompt_tokens, request.completion_tokens) == (1_000, 100)
    assert (request.cached_tokens, request.reasoning_tokens) == (50, 7)
    assert (request.cost_nano_usd, request.unknown_nano_usd, request.baseline_nano_usd) == (COST, 0, 7_500_000)
    assert (request.total_us, request.first_piece_us, request.overhead_us) == (9, 4, 1)
    assert (request.load_us, request.prefill_us, request.decode_us) == (2, 3, 4)
    assert found.trace == {"reason": "the cheapest"}
    (only,) = found.attempts
    assert (only.state, only.held_nano_usd, only.cost_nano_usd, only.free) == ("captured", WORST, COST, 0)
    assert only.total_us == 1_000
    assert only.price == PRICE.version
    assert found.prices[only.price] == PRICE
    moves = [(each.event, each.from_book, each.to_book, each.amount_nano_usd) for each in found.postings]
    assert moves == [
        ("hold", "funds", "held", WORST),
        ("capture", "held", "spent", COST),
        ("release", "held", "funds", WORST - COST),
    ]
    assert check(path).books == {"funds": -COST, "held": 0, "spent": COST}


async def test_ends_of_an_attempt(path: Path, autojump_clock: object) -> None:
    async with opened(path) as house:
        ends: list[Callable[[Any], object]] = [
            lambda attempt: house.ledger.release(attempt, "refused"),
            lambda attempt: house.ledger.unknown(attempt, "cut"),
            lambda attempt: house.ledger.capture(attempt, None),
            lambda attempt: house.ledger.capture(attempt, Usage(prompt_tokens=10_000_000)),
            lambda attempt: house.ledger.capture(attempt, Usage(billed_nano_usd=5)),
            lambda attempt: house.ledger.capture(attempt, Usage()),
        ]
        for end in ends:
            entry = house.open()
            attempt = await house.ledger.hold(entry, PAID, WORST)
            end(attempt)
            for again in ends:
                with pytest.raises(HouseFault, match="can't be"):
                    again(attempt)
            house.ledger.close_entry(entry, closing(usage=None))
            with pytest.raises(HouseFault, match="closed already"):
                house.ledger.close_entry(entry, closing())
        assert house.ledger.totals().held_nano_usd == 0
        spent = house.ledger.totals().spent_today_nano_usd
    rows = []
    with open_snapshot(path) as snapshot:
        rows = snapshot.read("SELECT state, cost_nano_usd, reason FROM attempt ORDER BY request_seq")
    assert rows == [
        ("released", 0, "refused"),
        ("unknown", WORST, "cut"),
        ("unknown", WORST, "the upstream did not say what it used"),
        ("captured", 30_000_000_000, ""),
        ("captured", 5, ""),
        ("captured", 0, ""),
    ]
    books = check(path).books
    assert books == {"funds": -spent, "held": 0, "spent": 30_000_000_005, "unknown": 2 * WORST}


async def test_in_service_a_second_end_is_logged_and_the_first_stands(
    path: Path, autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(path, strict=False) as house:
        entry = house.open()
        attempt = await house.ledger.hold(entry, PAID, WORST)
        assert house.ledger.capture(attempt, USAGE) == COST
        house.ledger.release(attempt, "again")
        assert house.ledger.capture(attempt, None) == COST
        house.ledger.close_entry(entry, closing())
        house.ledger.close_entry(entry, closing())
    assert caplog.text.count("a defect") == 3
    assert check(path).books["spent"] == COST


async def test_a_cost_above_its_hold_is_charged_and_logged(
    path: Path, autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(path) as house:
        entry = house.open()
        attempt = await house.ledger.hold(entry, PAID, COST - 1)
        assert house.ledger.capture(attempt, USAGE) == COST
        house.ledger.close_entry(entry, closing())
        found = await house.ledger.reports.explain(entry.id)
    assert found is not None
    assert [(each.event, each.amount_nano_usd) for each in found.postings] == [
        ("hold", COST - 1),
        ("capture", COST - 1),
        ("adjust", 1),
    ]
    assert "above its hold of $0.004499999" in caplog.text
    check(path)


async def test_a_free_request_waits_for_nothing_and_costs_nothing(path: Path, autojump_clock: object) -> None:
    async with opened(path) as house:
        commits = house.store.health.commits
        entry = house.open()
        attempt = await house.ledger.hold(entry, LOCAL, 0)
        assert house.ledger.capture(attempt, USAGE) == 0
        house.ledger.close_entry(entry, closing(LOCAL))
        assert house.store.health.commits == commits
        await trio.sleep(1)
        assert house.store.health.commits == commits + 1
        (row,) = await house.ledger.reports.requests()
        assert (row.cost_nano_usd, row.attempts, row.prompt_tokens) == (0, 1, 1_000)
        assert house.ledger.totals().saved_today_nano_usd == row.baseline_nano_usd == 7_500_000
    report = check(path)
    assert (report.attempts, report.postings) == (1, 0)


async def test_a_free_upstream_that_bills_after_all_is_believed(path: Path, autojump_clock: object) -> None:
    async with opened(path) as house:
        await house.serve(LOCAL, Usage(billed_nano_usd=70))
        assert house.ledger.totals().spent_today_nano_usd == 70
    assert check(path).books == {"funds": -70, "spent": 70}


async def test_a_cached_answer_posts_no_money(path: Path, autojump_clock: object) -> None:
    async with opened(path) as house:
        for cache in ("hit", "shared"):
            house.ledger.close_entry(house.open(), closing(cache=cache))
        (row,) = await house.ledger.reports.costs("all")
        assert (row.requests, row.cache_hits, row.cost_nano_usd) == (2, 2, 0)
        assert (row.prompt_tokens, row.cache_tokens) == (0, 2_200)
        assert row.saved_nano_usd == row.baseline_nano_usd == 2 * 7_500_000
        assert house.ledger.totals().cache_hits_today == 2
    report = check(path)
    assert (report.requests, report.attempts, report.postings) == (2, 0, 0)


async def test_an_unknown_price_is_refused(path: Path, autojump_clock: object) -> None:
    async with opened(path) as house:
        entry = house.open()
        with pytest.raises(HouseFault) as caught:
            await house.ledger.hold(entry, UNPRICED, WORST)
        assert caught.value.code is Code.PRICE_UNKNOWN
        with pytest.raises(HouseFault):
            await house.ledger.hold(entry, PAID, -1)
        house.ledger.close_entry(entry, closing(UNPRICED, None, outcome="price_unknown", status=503))
    assert check(path).attempts == 0


async def test_a_price_of_nothing_is_free(path: Path, autojump_clock: object) -> None:
    async with opened(path) as house:
        named = Candidate(target=Target("or", "x"), dialect="openai", price=FREE, free=False, up=True)
        await house.serve(named)
        (row,) = await house.ledger.reports.requests()
        assert row.cost_nano_usd == 0


async def test_a_failed_attempt_and_the_one_that_answered(path: Path, autojump_clock: object) -> None:
    async with opened(path) as house:
        entry = house.open()
        first = await house.ledger.hold(entry, PAID, WORST)
        house.ledger.unknown(first, "cut")
        second = await house.ledger.hold(entry, LOCAL, 0)
        house.ledger.capture(second, USAGE)
        third = await house.ledger.hold(entry, PAID, WORST)
        house.ledger.release(third, "never dialled")
        house.ledger.close_entry(entry, closing(LOCAL))
        (row,) = await house.ledger.reports.requests()
        assert (row.attempts, row.cost_nano_usd, row.unknown_nano_usd, row.prompt_tokens) == (3, WORST, WORST, 1_000)
        by_model = {row.key: row for row in await house.ledger.reports.costs("model")}
        assert by_model["anthropic/claude"].cost_nano_usd == WORST
        assert by_model["anthropic/claude"].requests == 0
        local = by_model["t600/llama3.1:8b"]
        assert (local.cost_nano_usd, local.requests, local.prompt_tokens) == (0, 1, 1_000)
        assert local.saved_nano_usd == 7_500_000 - WORST
    check(path)


async def test_an_attempt_may_end_after_its_request(path: Path, autojump_clock: object) -> None:
    async with opened(path) as house:
        for candidate in (PAID, LOCAL):
            entry = house.open()
            attempt = await house.ledger.hold(entry, candidate, WORST)
            house.ledger.close_entry(entry, closing(candidate, outcome="client_left", status=499))
            assert (await house.ledger.reports.requests(1))[0].cost_nano_usd == 0
            check(path, idle=False)
            house.ledger.capture(attempt, USAGE)
        rows = await house.ledger.reports.requests()
        assert [(row.cost_nano_usd, row.attempts, row.prompt_tokens) for row in rows] == [
            (0, 1, 1_000),
            (COST, 1, 1_000),
        ]
        assert house.ledger.totals().spent_today_nano_usd == COST
    check(path)


async def test_holds_at_once_share_commits(path: Path) -> None:
    async with opened(path, run_in_thread) as house:
        await house.ledger.reports.requests()
        before = house.store.health.commits

        async def hold() -> None:
            entry = house.open()
            house.ledger.release(await house.ledger.hold(entry, PAID, WORST), "test")
            house.ledger.close_entry(entry, closing())

        async with trio.open_nursery() as nursery:
            for _ in range(64):
                nursery.start_soon(hold)
        assert house.store.health.commits - before <= 6
        assert house.ledger.totals().held_nano_usd == 0
    assert check(path).attempts == 64


@pytest.mark.parametrize("in_thread", [True, False])
async def test_a_hold_whose_caller_is_cancelled_is_never_leaked(
    path: Path, in_thread: bool, mock_clock: trio.testing.MockClock
) -> None:
    mock_clock.autojump_threshold = 0.01 if in_thread else 0
    async with opened(path, run_in_thread if in_thread else run_inline) as house:
        for checkpoints in range(8):
            entry = house.open()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(house.ledger.hold, entry, PAID, WORST)
                for _ in range(checkpoints):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
            (attempt,) = entry.attempts or (None,)
            if attempt is not None and attempt.state == "held":
                house.ledger.release(attempt, "it came through")
            house.ledger.close_entry(entry, closing(usage=None))
        assert house.ledger.totals().held_nano_usd == 0
        with trio.move_on_after(0) as scope:
            entry = house.open()
            await house.ledger.hold(entry, PAID, WORST)
        assert scope.cancelled_caught
    assert check(path).books in ({"funds": 0, "held": 0}, {})


async def test_while_the_file_fails_holds_are_refused_and_free_requests_go_on(
    path: Path, autojump_clock: object
) -> None:
    broken = [False]

    async def run(work: Callable[[], Any]) -> Any:
        await trio.lowlevel.checkpoint()
        if broken[0]:
            raise OSError(28, "No space left on device")
        return work()

    async with opened(path, run) as house:
        under_way = house.open()
        attempt = await house.ledger.hold(under_way, PAID, WORST)
        broken[0] = True
        refused = house.open()
        for _ in range(3):
            with pytest.raises(HouseFault) as caught:
                await house.ledger.hold(refused, PAID, WORST)
            assert caught.value.code is Code.LEDGER_UNAVAILABLE
        local = await house.ledger.hold(refused, LOCAL, 0)
        house.ledger.capture(local, USAGE)
        house.ledger.close_entry(refused, closing(LOCAL))
        house.ledger.capture(attempt, USAGE)
        house.ledger.close_entry(under_way, closing())
        await trio.sleep(10)
        assert "disk" in house.store.health.reason or "No space" in house.store.health.reason
        assert house.ledger.totals().held_nano_usd == 0
        broken[0] = False
        await trio.sleep(1.1)
        assert house.store.health.ok
        assert house.store.health.lost == 0
        found = await house.ledger.reports.explain(refused.id)
        assert found is not None
        states = [(each.state, each.held_nano_usd) for each in found.attempts]
        assert states == [("released", 0)] * 3 + [("captured", 0)]
        assert (await house.serve()).id
    report = check(path)
    assert report.books == {"funds": -2 * COST, "held": 0, "spent": 2 * COST}


async def test_what_a_crash_left_held_is_charged(path: Path, autojump_clock: object, tmp_path: Path) -> None:
    crashed = tmp_path / "crashed.db"
    async with opened(path) as house:
        await house.serve()
        entry = house.open()
        released = await house.ledger.hold(entry, PAID, WORST)
        house.ledger.release(released, "refused")
        await house.ledger.hold(entry, PAID, WORST)
        left = house.open()
        await house.ledger.hold(left, PAID, 3)
        house.ledger.close_entry(left, closing(outcome="client_left"))
        await house.store.backup(crashed)
    check(path)
    async with opened(crashed) as house:
        assert house.ledger.totals().spent_today_nano_usd == COST + WORST + 3
        assert house.ledger.totals().unknown_today_nano_usd == WORST + 3
        rows = await house.ledger.reports.requests()
        assert [(row.state, row.outcome, row.cost_nano_usd, row.attempts) for row in rows] == [
            ("closed", "client_left", 3, 1),
            ("crashed", "crashed", WORST, 2),
            ("closed", "ok", COST, 1),
        ]
        assert house.open().seq == 4
    assert check(crashed).books == {"funds": -(COST + WORST + 3), "held": 0, "spent": COST, "unknown": WORST + 3}


async def test_stopping_gives_everything_an_end(path: Path, autojump_clock: object) -> None:
    async with opened(path) as house:
        await house.ledger.hold(house.open(), PAID, WORST)
        local = house.open()
        await house.ledger.hold(local, LOCAL, 0)
        assert house.ledger.totals().open_requests == 2
    assert check(path).books == {"funds": -WORST, "held": 0, "unknown": WORST}
    async with opened(path) as house:
        rows = await house.ledger.reports.requests()
        assert [(row.state, row.outcome, row.cost_nano_usd) for row in rows] == [
            ("closed", "shutting_down", 0),
            ("closed", "shutting_down", WORST),
        ]


async def test_foreign_things_are_refused(path: Path, autojump_clock: object) -> None:
    class Stranger:
        id = "req_x"
        attempts = ()
        target = PAID.target
        hold_nano_usd = ordinal = 1
        state = "held"
        free = False
        cost_nano_usd = 0
        usage = None
        caller = Caller()

    async with opened(path) as house:
        with pytest.raises(TypeError):
            await house.ledger.hold(Stranger(), PAID, 1)
        with pytest.raises(TypeError):
            house.ledger.release(Stranger(), "no")


async def test_every_grouping_has_the_same_total(path: Path, autojump_clock: object) -> None:
    async with opened(path) as house:
        for number in range(12):
            house.clock.ms = NOON_MS + number * DAY_MS // 5
            await house.serve((PAID, LOCAL)[number % 2], project=f"p{number % 3}", client="aider")
            house.ledger.close_entry(house.open(), closing(cache="hit"))
        house.ledger.close_entry(house.open(), closing(usage=None, target=None, outcome="invalid_json", status=400))
        reports = house.ledger.reports
        (total,) = await reports.costs("all")
        assert (total.requests, total.errors, total.cost_nano_usd) == (25, 1, 6 * COST)
        for by in ("model", "upstream", "alias", "project", "user", "session", "client", "day", "month", "outcome"):
            rows = await reports.costs(by)
            for name in total.__struct_fields__[2:]:
                assert sum(getattr(row, name) for row in rows) == getattr(total, name), (by, name)
        assert [row.key for row in await reports.costs("project")] == ["p0", "p1", "p2", ""]
        with pytest.raises(CallerFault, match="can't group by"):
            await reports.costs("cost; DROP TABLE request")
        assert await reports.costs("all", since_ms=NOON_MS + 100 * DAY_MS) == []
        (part,) = await reports.costs("all", since_ms=NOON_MS, until_ms=NOON_MS + QUARTER_MS)  # aligned down
        assert part.requests == 2


async def test_days_are_those_of_the_zone(path: Path, autojump_clock: object) -> None:
    summer_ends_ms = 1_792_890_000_000  # 2026-10-25T01:00Z: Berlin goes from 03:00 back to 02:00
    async with opened(path) as house:
        for hours in (-4, -3, 20, 21, 22, 23):
            house.clock.ms = summer_ends_ms + hours * 3_600_000
            await house.serve()
        days = await house.ledger.reports.costs("day", timezone="Europe/Berlin")
        assert [(row.key, row.requests) for row in days] == [
            ("2026-10-24", 1),
            ("2026-10-25", 3),
            ("2026-10-26", 2),
        ]
        utc = await house.ledger.reports.costs("day")
        assert [(row.key, row.requests) for row in utc] == [("2026-10-24", 2), ("2026-10-25", 3), ("2026-10-26", 1)]
        months = await house.ledger.reports.costs("month", timezone="Asia/Kathmandu")
        assert [(row.key, row.requests) for row in months] == [("2026-10", 6)]


async def test_today_begins_anew_and_agrees_with_the_report(path: Path, autojump_clock: object) -> None:
    async with opened(path, timezone="Asia/Kathmandu") as house:
        await house.serve()
        late = house.open()
        attempt = await house.ledger.hold(late, PAID, WORST)
        house.clock.ms += DAY_MS
        totals = house.ledger.totals()
        assert (totals.requests_today, totals.spent_today_nano_usd, totals.held_nano_usd) == (0, 0, WORST)
        house.ledger.capture(attempt, USAGE)
        house.ledger.close_entry(late, closing())
        await house.serve()
        house.clock.ms -= DAY_MS
        totals = house.ledger.totals()
        assert (totals.requests_today, totals.spent_today_nano_usd) == (1, COST)
        days = await house.ledger.reports.costs("day", timezone="Asia/Kathmandu")
        assert [(row.requests, row.cost_nano_usd) for row in days] == [(2, 2 * COST), (1, COST)]
        assert days[-1].key == totals.day
        assert days[-1].saved_nano_usd == totals.saved_today_nano_usd


async def test_lists_of_requests(path: Path, autojump_clock: object) -> None:
    async with opened(path) as house:
        entries = [await house.serve((PAID, LOCAL)[n % 2], project=f"p{n % 2}") for n in range(6)]
        ids = [entry.id for entry in entries]
        assert ids == sorted(ids)
        reports = house.ledger.reports

        async def listed(limit: int = 10, **members: Any) -> list[str]:
            return [row.id for row in await reports.requests(limit, RequestFilter(**members))]

        assert await listed() == ids[::-1]
        assert await listed(2) == [ids[5], ids[4]]
        assert await listed(2, before=ids[4]) == [ids[3], ids[2]]
        assert await listed(2, after=ids[0]) == [ids[1], ids[2]]
        assert await listed(project="p1") == [ids[5], ids[3], ids[1]]
        assert await listed(upstream="t600", before=ids[5]) == [ids[3], ids[1]]
        assert await listed(alias="'; DROP TABLE request") == []
        assert await listed(since_ms=NOON_MS + 1) == []
        assert await listed(until_ms=NOON_MS + 1) == ids[::-1]
        assert await reports.explain("req_nobody") is None


async def test_reports_work_while_the_file_fails(path: Path, autojump_clock: object) -> None:
    broken = [False]

    async def run(work: Callable[[], Any]) -> Any:
        await trio.lowlevel.checkpoint()
        if broken[0] and "commit_batch" in repr(work):
            raise OSError(28, "No space left on device")
        return work()

    async with opened(path, run) as house:
        await house.serve()
        await trio.sleep(1)
        broken[0] = True
        assert len(await house.ledger.reports.requests()) == 1
        broken[0] = False
        await trio.sleep(2)


async def test_an_ended_attempt_and_a_posting_never_change(path: Path, autojump_clock: object) -> None:
    async with opened(path) as house:
        await house.serve()
        await house.ledger.reports.requests()

        def attempt(sql: str) -> Callable[[Tx], object]:
            return lambda tx: tx.execute(sql)

        for sql in ("UPDATE attempt SET state = 'released'", "UPDATE posting SET amount_nano_usd = 1"):
            with pytest.raises(HouseFault, match="never changes"):
                await house.store.commit(attempt(sql))
        for sql in ("UPDATE attempt SET cost_nano_usd = 1.5", "UPDATE attempt SET cost_nano_usd = -1"):
            with pytest.raises(HouseFault):
                await house.store.commit(attempt(sql))


async def test_the_tables_refuse_a_second_end_too(path: Path, autojump_clock: object) -> None:
    async with opened(path) as house:
        entry = house.open()
        attempt = await house.ledger.hold(entry, PAID, WORST)
        house.ledger.capture(attempt, USAGE)
        again = partial(write_end, request=entry.opened_row(), attempt=attempt.row())
        with pytest.raises(HouseFault, match=r"attempt 1 of req_.* has ended already"):
            await house.store.commit(again)
        house.store.post(again)
        house.ledger.close_entry(entry, closing())
        await house.ledger.reports.requests()
        assert house.store.health.lost == 1
    assert check(path).books["spent"] == COST


async def test_garbage_is_neither_charged_nor_breaks_a_row(
    path: Path, autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    garbage = [
        Usage(prompt_tokens=2**80),
        Usage(prompt_tokens=-1),
        Usage(billed_nano_usd=2**70),
        Usage(billed_nano_usd=-5),
    ]
    async with opened(path) as house:
        for usage in garbage:
            await house.serve(PAID, usage)
            await house.serve(LOCAL, usage)
            durations = Durations(load_ns=2**80, prefill_ns=-1)
            house.ledger.close_entry(house.open(), closing(usage=usage, cache="hit", durations=durations))
        (row,) = await house.ledger.reports.costs("all")
        assert (row.cost_nano_usd, row.unknown_nano_usd) == (4 * WORST, 4 * WORST)
        assert (row.prompt_tokens, row.cache_tokens, row.baseline_nano_usd) == (0, 0, 0)
        assert house.store.health.lost == 0
    assert caplog.text.count("not believed") == 8
    check(path)


async def test_what_others_wrote_is_bounded_and_can_be_kept(
    path: Path, autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(path) as house:
        entry = house.ledger.open_entry(
            Caller(project="\ud800" + "p" * 500, user="Jörg"), "m" * 10_000, dialect="openai_chat", stream=False
        )
        attempt = await house.ledger.hold(entry, PAID, WORST)
        house.ledger.release(attempt, "x" * 5_000)
        house.ledger.close_entry(entry, closing(trace={"not json": object()}))
        found = await house.ledger.reports.explain(entry.id)
        assert house.store.health.lost == 0
    assert found is not None
    assert found.request.project == "?" + "p" * 199
    assert found.request.user == "Jörg"
    assert (len(found.request.alias), len(found.attempts[0].reason)) == (200, 200)
    assert found.trace == {}
    assert "can't be kept" in caplog.text
    check(path)


async def test_text_of_a_prompt_has_no_column(path: Path, autojump_clock: object) -> None:
    async with opened(path) as house:
        columns = house.store.read("SELECT name FROM pragma_table_info('request') WHERE type = 'TEXT'")
    assert {str(name) for (name,) in columns} == {
        "id", "state", "alias", "dialect", "principal", "project", "user", "session", "client", "upstream", "model",
        "cache", "outcome", "task", "switched_from",
    }  # fmt: skip
