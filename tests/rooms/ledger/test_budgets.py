"""Budgets over a real ledger: counted again at the start and at a reload, lifted and told on the record."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio

from lodestard.budget.judge import Relief, Standing
from lodestard.budget.rules import Amounts, Rule, read_rules
from lodestard.domain.errors import BudgetFault, CallerFault, Code, HouseFault
from lodestard.domain.news import BudgetAlert
from lodestard.domain.settings import Budget
from lodestard.domain.usage import Usage
from tests.rooms.ledger.test_ledger import COST, DAY_MS, LOCAL, NOON_MS, PAID, WORST, House, opened

HOUR_MS = 3_600_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def rules(**members: Any) -> tuple[Rule, ...]:
    return read_rules({"b": Budget(**{"usd": Decimal(1), **members})})


def only(house: House) -> Standing:
    (standing,) = house.ledger.budgets.standings()
    return standing


@pytest.mark.parametrize("window", ["day", "month", "total", "24h"])
@pytest.mark.parametrize("scope", ["global", "project", "user", "session", "model", "provider"])
async def test_counters_are_read_again_at_the_start(
    path: Path, window: str, scope: str, autojump_clock: object
) -> None:
    wanted = rules(window=window, scope=scope, tokens=10**9)
    words: Any = {"project": "p", "user": "u", "session": "s"}
    async with opened(path, rules=wanted) as house:
        for _ in range(3):
            await house.serve(**words)
        await house.serve(LOCAL, **words)
        entry = house.open(**words)
        house.ledger.unknown(await house.ledger.hold(entry, PAID, WORST, 777), "cut")
        house.ledger.release(await house.ledger.hold(entry, PAID, WORST, 777), "refused")
        before = house.ledger.budgets.standings()
    async with opened(path, rules=wanted) as house:
        after = house.ledger.budgets.standings()
    figures = {standing.value: standing.spent for standing in before}
    assert {standing.value: standing.spent for standing in after} == figures
    assert sum(spent.usd for spent in figures.values()) == 3 * COST + WORST
    assert sum(spent.tokens for spent in figures.values()) == 4 * 1_100 + 777
    assert sum(spent.requests for spent in figures.values()) == 5


async def test_what_was_before_the_window_does_not_count(path: Path, autojump_clock: object) -> None:
    async with opened(path) as house:
        await house.serve()
        house.clock.ms += DAY_MS
        await house.serve()
        await house.ledger.take_in_budgets(rules(window="day"), ())
        assert only(house).spent.usd == COST
        await house.ledger.take_in_budgets(rules(window="total"), ())
        assert only(house).spent.usd == 2 * COST


async def test_a_crash_charges_the_hold_to_the_budget(path: Path, autojump_clock: object) -> None:
    wanted = rules()
    async with opened(path, rules=wanted) as house:
        await house.ledger.hold(house.open(), PAID, WORST)
        assert only(house).held.usd == WORST
        house.ledger._held.clear()  # as if the process were gone
        house.ledger._open.clear()
    async with opened(path, rules=wanted) as house:
        assert (only(house).spent.usd, only(house).held.usd) == (WORST, 0)


async def test_a_hold_that_can_not_be_written_is_given_back(
    path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(path, rules=rules()) as house:

        async def fail(_work: object) -> None:
            raise CallerFault(Code.INVALID_REQUEST, "no")

        with monkeypatch.context() as patch:
            patch.setattr(house.store, "commit", fail)
            with pytest.raises(CallerFault):
                await house.ledger.hold(house.open(), PAID, WORST)
        assert only(house).held == Amounts()


async def test_a_caller_that_leaves_while_its_hold_is_written_holds_nothing(
    path: Path, autojump_clock: object
) -> None:
    async with opened(path, rules=rules()) as house:
        with trio.CancelScope() as scope:
            scope.cancel()
            await house.ledger.hold(house.open(), PAID, WORST)
        assert scope.cancelled_caught
        assert (only(house).held, only(house).spent) == (Amounts(), Amounts())


async def test_budgets_that_come_count_each_attempt_once_wherever_it_is(path: Path, autojump_clock: object) -> None:
    """Ended and written, ended and not written yet, ended while they come, under way: each is counted once."""
    async with opened(path) as house:
        ledger = house.ledger
        await house.serve()
        await house.serve(LOCAL)
        unclosed = house.open()
        ledger.capture(await ledger.hold(unclosed, LOCAL, 0, 50), Usage(prompt_tokens=30, completion_tokens=10))
        held = await ledger.hold(house.open(), PAID, WORST, 500)
        ending = await ledger.hold(house.open(), PAID, WORST, 500)

        async def end_meanwhile() -> None:
            ledger.capture(ending, Usage(prompt_tokens=1_000, completion_tokens=100))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(end_meanwhile)
            await ledger.take_in_budgets(rules(tokens=10**6), ())
        assert only(house).spent == Amounts(2 * COST, 3 * 1_100 + 40, 4)
        assert only(house).held == Amounts(WORST, 500, 1)
        ledger.release(held, "refused")
        assert only(house).held == Amounts()
        await ledger.take_in_budgets(rules(tokens=10**6, scope="provider"), ())
        spent = [standing.spent for standing in ledger.budgets.standings()]
        assert sorted(amounts.usd for amounts in spent) == [0, 2 * COST]
        assert sum(amounts.tokens for amounts in spent) == 3 * 1_100 + 40


async def test_budgets_that_can_not_be_counted_change_nothing(
    path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new budget that began at nought would be overrun by what was spent before."""
    async with opened(path, rules=rules(window="day")) as house:
        await house.serve()
        before = house.ledger.budgets.standings()

        def fail(*_: object) -> None:
            raise HouseFault(Code.STORE_UNAVAILABLE, "the disk is gone")

        with monkeypatch.context() as patch:
            patch.setattr("lodestard.ledger.budgets.count_in", fail)
            with pytest.raises(HouseFault):
                await house.ledger.take_in_budgets(rules(window="month"), ())
        assert house.ledger.budgets.standings() == before
        await house.ledger.take_in_budgets(rules(window="month"), ())
        assert only(house).spent.usd == COST


async def test_time_that_is_set_back_opens_no_closed_window(path: Path, autojump_clock: object) -> None:
    wanted = rules(usd=Decimal("0.0125"), at_limit="refuse", window="day")
    async with opened(path, rules=wanted) as house:
        house.clock.ms = NOON_MS + DAY_MS
        await house.serve(usage=Usage(prompt_tokens=1_000, completion_tokens=100))
        house.clock.ms = NOON_MS
        with pytest.raises(BudgetFault):
            await house.ledger.hold(house.open(), PAID, WORST)
    async with opened(path, rules=wanted) as house:
        house.clock.ms = NOON_MS
        with pytest.raises(BudgetFault):
            await house.ledger.hold(house.open(), PAID, WORST)


async def test_overrides_are_on_the_record_and_survive_a_restart(path: Path, autojump_clock: object) -> None:
    wanted = rules(usd=Decimal("0.000001"), at_limit="refuse")
    until_ms = NOON_MS + HOUR_MS
    async with opened(path, rules=wanted) as house:
        with pytest.raises(CallerFault, match="Did you mean 'b'"):
            await house.ledger.budgets.override(Relief(id=0, budget="bb", value="", until_ms=until_ms, extra=1))
        given = await house.ledger.budgets.override(
            Relief(id=0, budget="b", value="", until_ms=until_ms, extra=WORST, reason="release", who="ann")
        )
        assert only(house).reliefs == (given,)
    async with opened(path, rules=wanted) as house:
        assert only(house).reliefs == (given,)
        assert only(house).limit("usd") == 1_000 + WORST
        await house.ledger.hold(house.open(), PAID, WORST)
        house.clock.ms = until_ms
        assert only(house).reliefs == ()
        with pytest.raises(BudgetFault):
            await house.ledger.hold(house.open(), PAID, WORST)
        house.clock.ms = NOON_MS
        assert await house.ledger.budgets.revoke("b", "bob") == []
    async with opened(path, rules=wanted) as house:
        assert only(house).reliefs == () or house.ledger.now_ms() < until_ms


async def test_an_override_that_is_taken_back_stays_taken_back(path: Path, autojump_clock: object) -> None:
    async with opened(path, rules=rules()) as house:
        relief = Relief(id=0, budget="b", value="", until_ms=NOON_MS + HOUR_MS, extra=None)
        given = await house.ledger.budgets.override(relief)
        assert await house.ledger.budgets.revoke("b", "bob") == [given]
        assert only(house).reliefs == ()
    async with opened(path, rules=rules()) as house:
        assert only(house).reliefs == ()
        acts = house.store.read("SELECT act, who, extra FROM budget_act ORDER BY id")
    assert acts == [("override", "", None), ("revoke", "bob", given.id)]


async def test_an_alert_is_told_once_across_restarts(path: Path, autojump_clock: object) -> None:
    wanted = rules(usd=Decimal("0.009"), alert_at=(50, 80), hard=False)
    told: list[BudgetAlert] = []
    for _ in range(2):
        async with opened(path, rules=wanted) as house:
            house.ledger.budgets.on_alert = told.append
            for _ in range(2):
                await house.serve()
    assert [alert.level for alert in told] == [50, 80]
    assert told[0].limit == 9_000_000
