"""``make bench-ledger`` in small: every view of a ledger says the same, before and after deletion."""

from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from lodestard.domain.closing import Closing
from lodestard.domain.price import Price
from lodestard.domain.request import Caller
from lodestard.domain.upstream import Candidate, Target
from lodestard.domain.usage import Usage
from lodestard.ledger import CostRow, Ledger
from lodestard.ledger.exporting import Format
from lodestard.ledger.figures import QUARTER_MS
from lodestard.ledger.retention import delete_old
from lodestard.ledger.rollups import advance
from tests.bench.ledger import disagreements, read_export, run_export, views
from tests.bench.ledger_rows import BASELINE, BEGIN_MS, FREE, PAID, SONNET, SetClock, fill, opened

ROWS = 3_000
LEVERS = ("local", "cache", "cheaper", "prompt_cache")


async def said_by_all(path: Path, clock: SetClock) -> dict[str, dict[str, int]]:
    exports: dict[Format, Path] = {}
    for form in get_args(Format):
        exports[form] = path.with_name(f"export.{form}")
        run_export(path, form, exports[form])
    async with opened(path, clock) as (_, ledger):
        said = await views(ledger, exports)
    assert not disagreements(said)
    return said


async def test_all_views_say_the_same_whatever_was_counted_and_deleted(
    tmp_path: Path, autojump_clock: object
) -> None:
    path = tmp_path / "ledger.db"
    clock = await fill(path, ROWS)
    before = await said_by_all(path, clock)
    truth = before["costs by all"]
    assert truth["requests"] == ROWS
    assert all(truth[name] for name in truth if name != "reasoning_tokens"), truth
    assert truth["saved_nano_usd"] == sum(truth[f"saved_{lever}_nano_usd"] for lever in LEVERS)
    async with opened(path, clock) as (store, ledger):
        for _ in range(4):
            await advance(store, ledger._settled, clock.now_ms)
    assert await said_by_all(path, clock) == before
    async with opened(path, clock) as (store, _):
        while await delete_old(store, (BEGIN_MS + clock.ms) // 2):
            pass
        assert 1_000 < int(store.read("SELECT count(*) FROM request")[0][0] or 0) < 2_000
    assert await said_by_all(path, clock) == before


def test_a_view_that_says_something_else_is_told() -> None:
    row = {"costs by all": {"cost_nano_usd": 5}, "csv": {"cost_nano_usd": 4}}
    assert disagreements(row) == ["csv: cost_nano_usd is 4, not 5"]


async def test_an_export_summed_by_anything_is_what_costs_says(tmp_path: Path, autojump_clock: object) -> None:
    path = tmp_path / "ledger.db"
    clock = await fill(path, 600, days=3)
    async with opened(path, clock) as (store, ledger):
        await advance(store, ledger._settled, clock.now_ms, 400)
        while await delete_old(store, (BEGIN_MS + clock.ms) // 2):
            pass
        target = tmp_path / "export.jsonl"
        run_export(path, "jsonl", target, names=True)
        for by in ("model", "upstream", "project", "user", "session", "client", "task", "outcome", "cache", "alias"):
            reported = {row.key: row for row in await ledger.reports.costs(by)}
            assert summed(target, by) == {key: figures(row) for key, row in reported.items()}


def figures(row: CostRow) -> dict[str, int]:
    members = msgspec.structs.asdict(row)
    return {name: value for name, value in members.items() if name not in ("key", "group")}


def summed(export: Path, by: str) -> dict[str, dict[str, int]]:
    """A pivot table."""
    found: dict[str, dict[str, int]] = {}
    for row in read_export(export, "jsonl"):
        key = f"{row['upstream']}/{row['model']}" if by == "model" else row[by]
        sums = found.setdefault(key, dict.fromkeys(figures(CostRow()), 0))
        for name in sums:
            sums[name] += row[name]
    return found


class Till:
    """A ledger in which one request is served at a time."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    async def serve(self, *asked: tuple[Candidate, Usage | None], cache: str = "miss", **closing: Any) -> None:
        entry = self.ledger.open_entry(Caller(), "a", dialect="openai_chat", stream=False)
        for candidate, usage in asked if cache == "miss" else ():
            attempt = await self.ledger.hold(entry, candidate, 10**9)
            self.ledger.capture(attempt, usage)
        candidate, usage = asked[-1]
        members = {"outcome": "ok", "status": 200, "target": candidate.target, "usage": usage, **closing}
        self.ledger.close_entry(entry, Closing(cache=cache, **members))


USAGE = Usage(prompt_tokens=1_000, completion_tokens=100)
CACHED = Usage(prompt_tokens=1_000, completion_tokens=100, cached_tokens=600, cache_write_tokens=200)
FULL = 1_000 * 5_000 + 100 * 25_000  # on the baseline
OWN = 1_000 * 3_000 + 100 * 15_000  # on Sonnet
WITH_CACHE = 200 * 3_000 + 600 * 300 + 200 * 3_750 + 100 * 15_000
SAME = Candidate(target=Target("a", "opus"), dialect="openai", price=BASELINE, free=False, up=True)
DEAR = Price(input_pico_usd=50_000_000, output_pico_usd=25_000_000)


@pytest.mark.parametrize(
    ("asked", "cache", "levers"),
    [
        (((FREE[0], USAGE),), "miss", {"local": FULL}),
        (((PAID[0], USAGE),), "miss", {"cheaper": FULL - OWN}),
        (((PAID[0], CACHED),), "miss", {"cheaper": FULL - OWN, "prompt_cache": OWN - WITH_CACHE}),
        (((PAID[0], USAGE),), "hit", {"cache": FULL}),
        (((FREE[0], USAGE),), "shared", {"cache": FULL}),
        (((SAME, USAGE),), "miss", {}),
        (
            ((msgspec.structs.replace(SAME, price=DEAR), USAGE),),
            "miss",
            {"cheaper": FULL - 1_000 * 50_000 - 2_500_000},
        ),
        (((PAID[0], None), (FREE[0], USAGE)), "miss", {"local": FULL - 10**9}),
        (((FREE[0], None), (PAID[0], USAGE)), "miss", {"cheaper": FULL - OWN}),
        (((PAID[0], None),), "miss", {}),
    ],
)
async def test_each_lever_gets_what_it_saved(
    tmp_path: Path, autojump_clock: object, asked: Any, cache: str, levers: dict[str, int]
) -> None:
    assert SONNET.cache_write_pico_usd == 3_750_000
    path, clock = tmp_path / "ledger.db", SetClock()
    async with opened(path, clock) as (store, ledger):
        await Till(ledger).serve(*asked, cache=cache)
        for _ in range(2):
            (row,) = await ledger.reports.costs("all")
            told = {lever: getattr(row, f"saved_{lever}_nano_usd") for lever in LEVERS}
            assert {lever: saved for lever, saved in told.items() if saved} == levers
            assert row.saved_nano_usd == sum(told.values())
            assert row.free_requests == int(cache == "miss" and all(candidate.free for candidate, _ in asked))
            await advance(store, ledger._settled, clock.now_ms)


async def test_ranges_are_aligned_down_to_quarters(tmp_path: Path, autojump_clock: object) -> None:
    path, clock = tmp_path / "ledger.db", SetClock(BEGIN_MS // QUARTER_MS * QUARTER_MS + QUARTER_MS - 1)
    async with opened(path, clock) as (store, ledger):
        await Till(ledger).serve((FREE[0], USAGE))
        clock.ms += 1
        await Till(ledger).serve((FREE[0], USAGE))
        for _ in range(2):
            asked = [(clock.ms - 1, clock.ms + 5), (clock.ms, clock.ms + QUARTER_MS), (0, clock.ms + 5)]
            said = [await ledger.reports.costs("model", since_ms=since, until_ms=until) for since, until in asked]
            assert [sum(row.requests for row in rows) for rows in said] == [1, 1, 1]
            assert await ledger.reports.series("hour", "model", since_ms=clock.ms + 10**9) == []
            await advance(store, ledger._settled, clock.now_ms)
