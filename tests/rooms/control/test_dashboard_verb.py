"""The stream behind the live screen: it says what the ledger says, however requests and attempts end."""

import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import trio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from lodestard.control.messages.dashboard import SPANS, TABLES, LiveSpan
from lodestard.control.verbs import live_board
from lodestard.control.verbs.dashboard import BEAT_S, LOOK_S, follow
from lodestard.domain.residency import HostState
from lodestard.domain.telemetry import Telemetry
from lodestard.domain.usage import Usage
from tests.fakes import gpu_samples
from tests.fakes.live_ledger import (
    CANDIDATES,
    LOCAL,
    OTHER,
    PAID,
    Screen,
    Shop,
    figures_of,
    ledger_says,
    open_shop,
)
from tests.fakes.residency_desk import FakeResidency

NOON_MS = 1_763_726_400_000  # 2025-11-21 12:00 UTC
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
SHM = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


async def check(shop: Shop, screen: Screen) -> None:
    """Every table of every span, and the sums of all, are the ledger's own to the last unit."""
    last = screen.last
    for span in SPANS:
        whole: LiveSpan = getattr(last, span)
        for table in TABLES:
            said = await ledger_says(shop, table, whole.since_ms)
            shown = {name: figures_of(row) for name, row in screen.rows.get((span, table), {}).items()}
            assert shown == said, (span, table)
        totals = await shop.ledger.reports.costs("all", since_ms=whole.since_ms)
        by_cache = await shop.ledger.reports.costs("cache", since_ms=whole.since_ms)
        looked_up = sum(row.requests for row in by_cache if row.key in ("hit", "shared", "miss"))
        assert whole.cache_lookups == looked_up
        for total in totals:
            assert (whole.requests, whole.failed, whole.cache_hits) == (
                total.requests,
                total.errors,
                total.cache_hits,
            )
            assert (whole.cost_nano_usd, whole.unknown_nano_usd) == (total.cost_nano_usd, total.unknown_nano_usd)
            assert (whole.saved_nano_usd, whole.prompt_tokens) == (total.saved_nano_usd, total.prompt_tokens)
            assert whole.free_requests == total.free_requests
            levers = {name: getattr(total, f"saved_{name}_nano_usd") for name in whole.saved_by}
            assert (whole.saved_by, sum(levers.values())) == (levers, whole.saved_nano_usd)
    day = await shop.ledger.reports.costs("all", since_ms=last.hours[0].start_ms)
    assert sum(hour.cost_nano_usd for hour in last.hours) == sum(row.cost_nano_usd for row in day)
    now = shop.ledger.totals()
    assert (last.held_nano_usd, last.open_requests) == (now.held_nano_usd, now.open_requests)


class Op(msgspec.Struct, frozen=True):
    kind: str
    pick: int = 0
    tokens: int | None = None


KINDS = "open open hold hold end end end close close hit serve wait pause hour look leave"
ops = st.builds(Op, st.sampled_from(KINDS.split()), st.integers(0, 99), st.none() | st.integers(0, 2_000))


async def do(op: Op, shop: Shop) -> None:
    """One step of the traffic."""
    words = {"project": f"p{op.pick % 3}" if op.pick % 4 else "", "session": f"s{op.pick % 5}"}
    entry = shop.entries[op.pick % len(shop.entries)] if shop.entries else None
    attempt = shop.attempts[op.pick % len(shop.attempts)] if shop.attempts else None
    usage = None if op.tokens is None else Usage(prompt_tokens=op.tokens, completion_tokens=op.tokens // 3)
    if op.kind == "open":
        shop.open(**words)
    elif op.kind == "hold" and entry is not None:
        await shop.hold(entry, CANDIDATES[op.pick % 3])
    elif op.kind == "end" and attempt is not None:
        shop.end(attempt, ("capture", "capture", "release", "unknown")[op.pick % 4], usage)
    elif op.kind == "close" and entry is not None:
        target = entry.attempts[-1].target if entry.attempts and op.pick % 5 else None
        outcome = ("ok", "ok", "upstream_error", "client_left")[op.pick % 4]
        shop.close(entry, outcome=outcome, target=target, usage=usage, cache=("miss", "bypass")[op.pick % 2])
    elif op.kind == "hit":
        cache = ("hit", "shared")[op.pick % 2]
        shop.close(shop.open(**words), cache=cache, target=CANDIDATES[op.pick % 3].target, usage=usage)
    elif op.kind == "serve":
        await shop.serve(CANDIDATES[op.pick % 3], op.tokens or 0, **words)
    elif op.kind in ("wait", "pause"):
        await trio.sleep(op.pick / (10 if op.kind == "wait" else 1_000))
    elif op.kind == "hour":
        shop.clock.ms += (op.pick % 13) * HOUR_MS


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ops, min_size=5, max_size=60), st.sampled_from((0.0, 0.002, 0.02)))
@example([Op("open"), Op("hold"), Op("look"), Op("hold"), Op("end"), Op("close")], 0.002)  # counted twice, once
def test_whatever_happens_the_screen_says_what_the_ledger_says(steps: list[Op], pause_s: float) -> None:
    async def main() -> None:
        with tempfile.TemporaryDirectory(dir=SHM) as folder:
            async with open_shop(Path(folder) / "l.db", NOON_MS) as shop, trio.open_nursery() as nursery:
                screens: list[tuple[Screen, trio.CancelScope]] = []
                shop.reports.pause_s = pause_s

                async def look(screen: Screen, scope: trio.CancelScope) -> None:
                    with scope:
                        await screen.run(shop.board)

                for step in [*steps, Op("look")]:
                    if step.kind == "look":
                        screens.append((Screen(), trio.CancelScope()))
                        nursery.start_soon(look, *screens[-1])
                    elif step.kind == "leave" and screens:
                        screens.pop(step.pick % len(screens))[1].cancel()
                    else:
                        await do(step, shop)
                    await trio.sleep(0.005)
                await trio.sleep(30)
                shop.reports.pause_s = 0
                await trio.sleep(90)
                for screen, _ in screens:
                    await check(shop, screen)
                    assert screen.last.exact
                nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def test_requests_that_end_while_the_ledger_is_read_are_counted_once(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with open_shop(tmp_path / "l.db", NOON_MS) as shop, trio.open_nursery() as nursery:
        shop.reports.pause_s = 0.05
        screen = Screen()
        nursery.start_soon(screen.run, shop.board)
        for number in range(300):
            await shop.serve(CANDIDATES[number % 3], project=f"p{number % 4}", session=f"s{number}")
            await trio.sleep(0.007)
        await trio.sleep(3)
        assert (shop.board.seeds, screen.last.exact) == (1, True)
        await check(shop, screen)
        nursery.cancel_scope.cancel()


async def test_an_attempt_that_ends_after_its_request_is_counted(tmp_path: Path, autojump_clock: object) -> None:
    async with open_shop(tmp_path / "l.db", NOON_MS) as shop, trio.open_nursery() as nursery:
        screen = Screen()
        nursery.start_soon(screen.run, shop.board)
        await trio.sleep(1)
        entry = shop.open(project="p")
        first, second = await shop.hold(entry, PAID), await shop.hold(entry, OTHER)
        shop.close(entry, target=OTHER.target, usage=Usage(prompt_tokens=10))
        await trio.sleep(1)
        assert screen.last.today.cost_nano_usd == 0
        assert screen.last.held_nano_usd == first.hold_nano_usd + second.hold_nano_usd
        shop.end(first, "capture", Usage(prompt_tokens=100))
        shop.end(second, "unknown")
        await trio.sleep(1)
        assert screen.last.today.cost_nano_usd == first.cost_nano_usd + second.cost_nano_usd > 0
        await check(shop, screen)
        nursery.cancel_scope.cancel()


async def test_an_attempt_whose_request_had_ended_before_anybody_looked(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with open_shop(tmp_path / "l.db", NOON_MS) as shop, trio.open_nursery() as nursery:
        entry, open_one = shop.open(), shop.open()
        attempt, other = await shop.hold(entry, PAID), await shop.hold(open_one, PAID)
        shop.close(entry, target=PAID.target)
        screen = Screen()
        nursery.start_soon(screen.run, shop.board)
        await trio.sleep(1)
        shop.end(attempt, "unknown")
        shop.end(other, "release")
        await trio.sleep(5)
        assert screen.last.today.cost_nano_usd == attempt.hold_nano_usd
        assert shop.board.seeds == 2
        await check(shop, screen)
        await trio.sleep(100)
        assert shop.board.seeds == 2
        nursery.cancel_scope.cancel()


async def test_the_ledger_is_asked_once_and_the_board_goes_with_its_last_reader(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with open_shop(tmp_path / "l.db", NOON_MS) as shop:
        await shop.serve(PAID)
        async with trio.open_nursery() as nursery:
            first, second = Screen(), Screen()
            nursery.start_soon(first.run, shop.board)
            nursery.start_soon(second.run, shop.board)
            for _ in range(5):
                await trio.sleep(2)
                await shop.serve(PAID, project="p")
            await trio.sleep(1)
            await check(shop, first)
            await check(shop, second)
            assert [item.kind for item in first.items].count("snapshot") == 1
            assert shop.board.seeds == 1
            nursery.cancel_scope.cancel()
        await shop.serve(PAID)
        assert shop.board._figures is None
        assert not shop.desk.ended._listeners


async def test_nothing_new_is_a_beat_and_never_more_than_two_items_a_second(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with open_shop(tmp_path / "l.db", NOON_MS) as shop, trio.open_nursery() as nursery:
        screen = Screen()
        nursery.start_soon(screen.run, shop.board)
        await trio.sleep(BEAT_S * 4 + 1)
        assert 4 <= len(screen.items) <= 5
        assert all(not item.rows.get("today") and not item.requests for item in screen.items[1:])
        before = len(screen.items)
        for _ in range(100):
            await shop.serve(LOCAL)
            await trio.sleep(0.02)
        assert len(screen.items) - before <= 2 / LOOK_S + 1
        assert screen.last.requests
        nursery.cancel_scope.cancel()


class TickingResidency(FakeResidency):
    """Every look is a moment later."""

    def state(self, host: str) -> HostState:
        state = super().state(host)
        return msgspec.structs.replace(state, step_for_s=state.step_for_s + self.looked / 2)


async def test_a_card_on_which_nothing_happens_is_no_news(tmp_path: Path, autojump_clock: object) -> None:
    async with open_shop(tmp_path / "l.db", NOON_MS) as shop, trio.open_nursery() as nursery:
        residency = TickingResidency({"t600": gpu_samples.IDLE})
        shop.desk.residency = residency
        readings = iter(range(1_000))

        def read(_host: str) -> Telemetry:
            return msgspec.structs.replace(gpu_samples.READING, age_s=next(readings), power_w=31.0)

        with shop.desk.runtime.hooks.telemetry.provide(read):
            await trio.sleep(30)
            assert residency.looked == 0
            screen = Screen()
            nursery.start_soon(screen.run, shop.board)
            await trio.sleep(BEAT_S * 4 + 1)
            assert 4 <= len(screen.items) <= 5
            (card,) = screen.last.cards
            assert (card.step, card.step_for_s > 0, card.reading is not None) == ("idle", True, True)
            before = len(screen.items)
            residency.states["t600"] = gpu_samples.LOADING
            await trio.sleep(3)
            assert len(screen.items) - before >= 3 / LOOK_S - 1
            assert screen.last.cards[0].step_left_s == gpu_samples.LOADING.step_left_s
            nursery.cancel_scope.cancel()


async def test_a_day_that_begins_is_read_anew(tmp_path: Path, autojump_clock: object) -> None:
    async with open_shop(tmp_path / "l.db", NOON_MS) as shop, trio.open_nursery() as nursery:
        screen = Screen()
        nursery.start_soon(screen.run, shop.board)
        await shop.serve(PAID, project="p")
        await trio.sleep(1)
        assert screen.last.today.requests == 1
        entry = shop.open(project="late")
        shop.clock.ms += DAY_MS
        await trio.sleep(1)
        assert screen.last.kind == "snapshot"
        assert (screen.last.today.requests, screen.last.month.requests) == (0, 1)
        shop.close(entry, outcome="client_left")
        await shop.serve(PAID)
        await trio.sleep(1)
        assert (screen.last.today.requests, screen.last.month.requests) == (1, 3)
        await check(shop, screen)
        shop.clock.ms += 10 * DAY_MS
        await trio.sleep(1)
        assert (screen.last.today.requests, screen.last.month.requests) == (0, 0)
        nursery.cancel_scope.cancel()


async def test_a_slow_reader_gets_the_newest_state(tmp_path: Path, autojump_clock: object, monkeypatch: Any) -> None:
    monkeypatch.setattr(live_board, "REQUESTS_KEPT", 10)
    async with open_shop(tmp_path / "l.db", NOON_MS) as shop, trio.open_nursery() as nursery:
        screen, gate = Screen(), trio.Event()

        async def emit(item: object) -> None:
            await screen.take(item)
            if len(screen.items) == 1:
                await gate.wait()

        nursery.start_soon(follow, shop.board, emit)
        await trio.sleep(1)
        ids = [(await shop.serve(LOCAL, project=f"p{number % 2}")).id for number in range(30)]
        gate.set()
        await trio.sleep(1)
        assert len(screen.items) == 2
        assert [row.request_id for row in screen.last.requests] == ids[-10:]
        await check(shop, screen)
        nursery.cancel_scope.cancel()


async def test_too_many_rows_are_left_out_and_said_so(
    tmp_path: Path, autojump_clock: object, monkeypatch: Any
) -> None:
    monkeypatch.setattr(live_board, "ROWS_MOST", 4)
    async with open_shop(tmp_path / "l.db", NOON_MS) as shop, trio.open_nursery() as nursery:
        for number in range(9):
            shop.clock.ms += 1_000
            await shop.serve(PAID, 9_000 - number * 1_000, session=f"s{number}")
        screen = Screen()
        nursery.start_soon(screen.run, shop.board)
        await trio.sleep(1)
        assert set(screen.rows["today", "session"]) == {"s0", "s1", "s7", "s8"}
        assert screen.last.left_out["today/session"] == 5
        assert screen.rows["today", "session"]["s8"].last_ms == shop.clock.ms
        nursery.cancel_scope.cancel()
