"""Sums instead of single requests: whatever is counted or deleted, and when, no report changes by a nano-dollar."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import apsw
import msgspec
import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from lodestard.budget.rules import NOTHING, Rule
from lodestard.budget.windows import parse_window
from lodestard.domain.closing import Closing
from lodestard.domain.errors import HouseFault
from lodestard.domain.ports import Tx
from lodestard.domain.request import Caller
from lodestard.domain.settings import Scope
from lodestard.domain.usage import Usage
from lodestard.ledger import SCHEMA, Ledger, LedgerOptions, VerifyReport, open_ledger, rollups, upkeep, verify
from lodestard.ledger.aggregate import BY
from lodestard.ledger.budget_rows import read_spent
from lodestard.ledger.figures import QUARTER_MS
from lodestard.ledger.retention import cutoff_ms, delete_old
from lodestard.ledger.rollups import advance, read_mark, write_slice
from lodestard.store import FileStore, StoreOptions, open_snapshot, open_store, run_inline
from tests.bench.ledger_rows import BASELINE, BEGIN_MS, DAY_MS, FREE, PAID, SetClock, Traffic, opened

ZONE = "Asia/Kathmandu"  # 05:45 ahead: no hour of it is one of UTC
GROUPINGS = ("day", "model"), ("hour", "all"), ("month", "project"), ("week", "session")


async def everything(ledger: Ledger, now_ms: int) -> dict[str, Any]:
    """All that reports can say, over all time and over a part of it."""
    said: dict[str, Any] = {}
    middle_ms = (BEGIN_MS + now_ms) // 2
    for since_ms, until_ms in ((0, 2**62), (BEGIN_MS + 3 * 3_600_000, middle_ms), (middle_ms, now_ms)):
        span: dict[str, Any] = {"since_ms": since_ms, "until_ms": until_ms, "timezone": ZONE}
        for by in BY:
            said[f"{by} {since_ms}"] = await ledger.reports.costs(by, **span)
        for by, group in GROUPINGS:
            said[f"{by} {group} {since_ms}"] = await ledger.reports.series(by, group, **span)
    return said


def checked(path: Path) -> VerifyReport:
    with open_snapshot(path) as snapshot:
        return verify(snapshot, idle=True)


class Op(msgspec.Struct, frozen=True):
    kind: str
    amount: int


ops = st.builds(Op, st.sampled_from(["ask", "ask", "count", "count", "delete", "late", "reopen"]), st.integers(1, 30))


class World:
    """A ledger under traffic, and its keeper, who works whenever it is told to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = SetClock()
        self.asked = 0

    async def live(self, steps: list[Op]) -> None:
        """One life, to the next reopening or the end."""
        async with opened(self.path, self.clock) as (store, ledger):
            traffic = Traffic(ledger, self.clock, DAY_MS // 10, session=f"s-{self.asked}")
            while steps and (step := steps.pop(0)).kind != "reopen":
                if step.kind == "ask":
                    for _ in range(step.amount):
                        self.asked += 1
                        await traffic.one(self.asked)
                elif step.kind == "late":
                    await self.ask_late(store, ledger, step.amount)
                else:
                    await self.keep_house(step, store, ledger)
        report = checked(self.path)
        assert report.ok, report.problems

    async def keep_house(self, step: Op, store: FileStore, ledger: Ledger) -> None:
        before = await everything(ledger, self.clock.ms)
        if step.kind == "count":
            await advance(store, ledger._settled, self.clock.now_ms, step.amount)
        else:
            await delete_old(store, cutoff_ms(self.clock.ms, 1 + step.amount // 10), 10)
        assert await everything(ledger, self.clock.ms) == before

    async def ask_late(self, store: FileStore, ledger: Ledger, amount: int) -> None:
        """A request is closed and counted, and then asks another model after all, as a shared flight may."""
        caller = Caller(project="late", session="late")
        entry = ledger.open_entry(caller, "gpt-4o", dialect="openai_chat", stream=True)
        early = await ledger.hold(entry, FREE[0], 0)
        ledger.capture(early, Usage(prompt_tokens=7))
        ledger.close_entry(
            entry,
            Closing(outcome="ok", status=200, cache="miss", target=FREE[0].target, usage=Usage(prompt_tokens=7)),
        )
        while await advance(store, ledger._settled, self.clock.now_ms):
            pass
        assert read_mark(store) == entry.seq
        (old,) = await ledger.reports.costs("all")
        late = await ledger.hold(entry, PAID[amount % 3], 10_000)
        if amount % 2:
            ledger.capture(late, Usage(prompt_tokens=amount))
        else:
            ledger.unknown(late, "cut")
        free = await ledger.hold(entry, FREE[1], 0)
        ledger.capture(free, Usage(completion_tokens=amount))
        (new,) = await ledger.reports.costs("all")
        assert new.cost_nano_usd == old.cost_nano_usd + late.cost_nano_usd
        assert new.requests == old.requests
        assert new.completion_tokens == old.completion_tokens + amount


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ops, min_size=4, max_size=14))
def test_no_report_changes_whatever_the_keeper_does(steps: list[Op]) -> None:
    async def main() -> None:
        with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
            world = World(Path(folder) / "ledger.db")
            left = [Op("ask", 20), *steps]
            while left:
                await world.live(left)

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def rolled(path: Path, rows: int = 300) -> SetClock:
    """A ledger of which all is counted and the older half deleted."""
    clock = SetClock()
    async with opened(path, clock) as (store, ledger):
        traffic = Traffic(ledger, clock, DAY_MS // 10)
        for number in range(rows):
            await traffic.one(number)
        while await advance(store, ledger._settled, clock.now_ms):
            pass
        while await delete_old(store, (BEGIN_MS + clock.ms) // 2):
            pass
    return clock


async def test_what_is_deleted_is_gone_and_its_sums_stay(tmp_path: Path, autojump_clock: object) -> None:
    path = tmp_path / "ledger.db"
    clock = await rolled(path)
    report = checked(path)
    assert report.ok, report.problems
    assert 100 < report.requests < 200
    assert sum(report.books.values()) == 0
    async with opened(path, clock) as (store, ledger):
        (total,) = await ledger.reports.costs("all")
        assert total.requests == 300
        assert total.cost_nano_usd == report.books["spent"] + report.books["unknown"]
        for table in ("trace", "attempt", "posting"):
            column = "request_seq"
            stray = f"SELECT count(*) FROM {table} WHERE {column} NOT IN (SELECT seq FROM request)"
            assert store.read(stray) == [(0,)]


async def test_a_ledger_whose_requests_are_all_deleted_goes_on_counting(
    tmp_path: Path, autojump_clock: object
) -> None:
    path = tmp_path / "ledger.db"
    clock = await rolled(path, 60)
    async with opened(path, clock) as (store, ledger):
        clock.ms += 100 * DAY_MS
        await ledger.upkeep.tidy()
        assert store.read("SELECT count(*) FROM request") == [(0,)]
    async with opened(path, clock) as (store, ledger):
        await Traffic(ledger, clock, DAY_MS).one(3)
        (total,) = await ledger.reports.costs("all")
        assert total.requests == 61
        assert store.read("SELECT min(seq) > (SELECT seq FROM rollup_mark) FROM request") == [(1,)]
    assert checked(path).ok


LIES = [
    ("UPDATE rollup SET cost_nano_usd = cost_nano_usd + 1 WHERE dimension = 'all' AND span = 1", "not its requests'"),
    ("UPDATE rollup SET requests = requests - 1 WHERE dimension = 'project' AND span = 1", "by project of quarter"),
    ("UPDATE rollup SET total_us = total_us + 1 WHERE dimension = 'user' AND span = 96", "by user of the day"),
    ("DELETE FROM rollup WHERE dimension = 'model'", "12 dimensions instead of 13"),
    ("DELETE FROM rollup WHERE dimension = 'session' AND span = 96", "by session of the day"),
    ("DELETE FROM remainder WHERE quarter = (SELECT min(quarter) FROM remainder)", "not its requests'"),
    ("UPDATE remainder SET saved_nano_usd = saved_nano_usd + 1", "not its requests'"),
    ("UPDATE remainder SET project = 'elsewhere'", "elsewhere cost something else"),
    ("UPDATE remainder SET model = 'other' WHERE cost_nano_usd > 0", "by model say that"),
    ("UPDATE carried SET amount_nano_usd = amount_nano_usd + 1 WHERE book = 'spent'", "instead of zero"),
    ("UPDATE request SET project = 'moved' WHERE cost_nano_usd > 0", "moved cost something else"),
    ("UPDATE rollup_mark SET seq = seq - 3", "not its requests'"),
    ("UPDATE request SET state = 'open' WHERE seq = (SELECT max(seq) FROM request)", "open that are counted"),
    ("UPDATE request SET baseline_nano_usd = 1 WHERE seq = (SELECT max(seq) FROM request)", "not its requests'"),
]


@pytest.mark.parametrize(("lie", "said"), LIES)
async def test_every_lie_about_sums_is_found(tmp_path: Path, autojump_clock: object, lie: str, said: str) -> None:
    path = tmp_path / "ledger.db"
    await rolled(path, 120)
    assert checked(path).ok
    liar = apsw.Connection(str(path))
    liar.execute(lie)
    assert liar.changes() > 0
    liar.close()
    report = checked(path)
    assert not report.ok
    assert any(said in problem for problem in report.problems), report.problems


async def test_a_mark_that_has_moved_is_not_moved_again(tmp_path: Path, autojump_clock: object) -> None:
    path = tmp_path / "ledger.db"
    clock = await rolled(path, 20)
    async with opened(path, clock) as (store, _):
        mark = read_mark(store)
        seen = [(0, None, None, None)]

        def again(tx: Tx) -> bool:
            return write_slice(tx, [], (mark + 5, mark + 6), seen, 0)

        with pytest.raises(HouseFault, match="not at"):
            await store.commit(again)
        assert read_mark(store) == mark


async def test_a_slice_that_changed_meanwhile_is_read_again(
    tmp_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.db"
    clock = SetClock()
    async with opened(path, clock) as (store, ledger):
        entry = ledger.open_entry(Caller(), "a", dialect="openai_chat", stream=False)
        ledger.close_entry(entry, Closing(outcome="ok", status=200, cache="miss", target=PAID[0].target))
        query = store.query

        async def slowly(sql: str, params: Any = ()) -> Any:
            rows = await query(sql, params)
            monkeypatch.undo()
            attempt = await ledger.hold(entry, PAID[0], 99)  # between reading the sums and adding them
            ledger.unknown(attempt, "cut")
            await store.commit(lambda tx: None)
            return rows

        monkeypatch.setattr(store, "query", slowly)
        assert await advance(store, ledger._settled, clock.now_ms)
        assert read_mark(store) == 0
        assert not await advance(store, ledger._settled, clock.now_ms)
        (total,) = await ledger.reports.costs("all")
        assert (read_mark(store), total.cost_nano_usd) == (1, 99)
    assert checked(path).ok


async def test_what_is_asked_again_is_not_deleted(tmp_path: Path, autojump_clock: object) -> None:
    path = tmp_path / "ledger.db"
    async with opened(path, clock := SetClock()) as (store, ledger):
        entry = ledger.open_entry(Caller(), "a", dialect="openai_chat", stream=False)
        ledger.close_entry(entry, Closing(outcome="ok", status=200, cache="miss", target=PAID[0].target))
        assert not await advance(store, ledger._settled, clock.now_ms)
        attempt = await ledger.hold(entry, PAID[0], 99)
        with pytest.raises(HouseFault, match="under way"):
            await delete_old(store, 2**60)
        ledger.release(attempt, "over")
        await ledger.reports.costs("all")
        assert not await delete_old(store, 2**60)
        assert store.read("SELECT count(*) FROM request") == [(0,)]
    assert checked(path).ok


async def test_a_crash_that_finds_counted_requests_open_keeps_the_sums_right(
    tmp_path: Path, autojump_clock: object
) -> None:
    path = tmp_path / "ledger.db"
    async with opened(path, clock := SetClock()) as (store, ledger):
        entry = ledger.open_entry(Caller(), "a", dialect="openai_chat", stream=False)
        attempt = await ledger.hold(entry, PAID[0], 99)
        await store.commit(lambda tx: tx.execute("UPDATE rollup_mark SET seq = 1"))  # as if its closing had been lost
        assert attempt.state == "held"
    store_options = StoreOptions(durable=False)
    async with (
        open_store(path, (SCHEMA,), options=store_options, clock=clock, run=run_inline) as store,
        open_ledger(store, clock) as ledger,
    ):
        (total,) = await ledger.reports.costs("all")
        assert (total.requests, total.cost_nano_usd) == (1, 99)
    assert checked(path).ok


async def run_with_keeper(
    path: Path, clock: SetClock, use: Callable[[FileStore, Ledger], Any], **options: Any
) -> None:
    """A ledger as the daemon opens it, with its task."""
    async with (
        open_store(path, (SCHEMA,), options=StoreOptions(durable=False), clock=clock, run=run_inline) as store,
        open_ledger(store, clock, options=LedgerOptions(baseline=BASELINE, **options)) as ledger,
    ):
        await use(store, ledger)


async def test_the_keeper_works_soon_after_the_start_and_hourly(tmp_path: Path, autojump_clock: object) -> None:
    clock = SetClock()

    async def use(store: FileStore, ledger: Ledger) -> None:
        traffic = Traffic(ledger, clock, 1_000)
        for number in range(30):
            await traffic.one(number)
        assert read_mark(store) == 0
        await trio.sleep(upkeep.FIRST_S + 1)
        assert read_mark(store) == 30
        clock.ms += 2 * DAY_MS
        await traffic.one(30)
        await trio.sleep(upkeep.EVERY_S + 1)
        assert store.read("SELECT seq, (SELECT count(*) FROM request) FROM rollup_mark") == [(31, 1)]

    await run_with_keeper(tmp_path / "ledger.db", clock, use, retention_days=1)


async def test_the_keeper_works_when_there_is_enough(
    tmp_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "ENOUGH", 10)
    clock = SetClock()

    async def use(store: FileStore, ledger: Ledger) -> None:
        await trio.sleep(upkeep.FIRST_S + 1)
        traffic = Traffic(ledger, clock, 1_000)
        for number in range(11):
            await traffic.one(number)
        await trio.sleep(1)
        assert read_mark(store) == 11

    await run_with_keeper(tmp_path / "ledger.db", clock, use)


async def test_a_keeper_that_fails_tries_again(
    tmp_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = SetClock()

    def broken(*_: Any, **__: Any) -> bool:
        raise HouseFault("internal", "no room")  # type: ignore[arg-type]

    async def use(store: FileStore, ledger: Ledger) -> None:
        await Traffic(ledger, clock, 1_000).one(1)
        monkeypatch.setattr(rollups, "write_slice", broken)
        await trio.sleep(upkeep.FIRST_S + 1)
        monkeypatch.undo()
        assert read_mark(store) == 0
        await trio.sleep(upkeep.RETRY_S)
        assert read_mark(store) == 1

    await run_with_keeper(tmp_path / "ledger.db", clock, use)
    assert "sums and deletions wait for 60 s: no room" in caplog.text


def test_the_cutoff_is_a_quarter_of_an_hour() -> None:
    assert cutoff_ms(BEGIN_MS, 90) % QUARTER_MS == 0
    assert 0 <= BEGIN_MS - 90 * DAY_MS - cutoff_ms(BEGIN_MS, 90) < QUARTER_MS


def rule(scope: Any, unit: Any) -> Rule:
    return Rule(name="b", scope=scope, of="", window=parse_window("total"), limits=((unit, 10**15),))


async def test_budgets_count_what_was_deleted(tmp_path: Path, autojump_clock: object) -> None:
    path, clock = tmp_path / "ledger.db", SetClock()
    rules = [rule(scope, unit) for scope in get_args(Scope) for unit in ("usd", "tokens")]
    async with opened(path, clock) as (store, ledger):
        traffic = Traffic(ledger, clock, DAY_MS // 10)
        for number in range(200):
            await traffic.one(number)
        await ledger.upkeep.tidy()
        middle_ms = (BEGIN_MS + clock.ms) // 2 // QUARTER_MS * QUARTER_MS

        def spent() -> list[Any]:
            found = [read_spent(store, each, since_ms) for each in rules for since_ms in (0, middle_ms)]
            return [sorted(row for row in rows if row[2] != NOTHING) for rows in found]

        before = spent()
        assert sum(amounts.requests for _, _, amounts in before[0]) > 10
        while await delete_old(store, middle_ms + DAY_MS):
            pass
        assert 0 < int(store.read("SELECT count(*) FROM request")[0][0] or 0) < 110
        assert spent() == before
