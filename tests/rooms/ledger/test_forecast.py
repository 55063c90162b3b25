"""A forecast is told once, where the days before say that the window will end above its limit."""

from decimal import Decimal
from pathlib import Path

import pytest
import trio

from lodestard.budget.rules import read_rules
from lodestard.domain.errors import Code, HouseFault
from lodestard.domain.news import BudgetAlert
from lodestard.domain.settings import Budget
from lodestard.ledger.forecast import EVERY_S, FIRST_S, look_ahead
from tests.rooms.ledger.test_ledger import COST, DAY_MS, House, opened

START_MS = 1_793_534_400_000 + 43_200_000  # 2026-11-01, noon


async def spend_days(house: House, days: int) -> None:
    for day in range(days):
        house.clock.ms = START_MS + day * DAY_MS
        for _ in range(4):
            await house.serve(project="alpha")


@pytest.mark.parametrize(("share", "told"), [(20, [0]), (40, [])])
async def test_a_month_that_will_be_overrun_is_told_of_once(
    tmp_path: Path, share: int, told: list[int], autojump_clock: object
) -> None:
    """Twenty days of the same cost: thirty will cost half as much again."""
    limit = Decimal(COST * 4 * share * 12 // 10) / 10**9
    rules = read_rules({"b": Budget(usd=limit, alert_at=(), scope="project", hard=False)})
    heard: list[BudgetAlert] = []
    async with opened(tmp_path / "ledger.db", rules=rules) as house:
        house.ledger.budgets.on_alert = heard.append
        await spend_days(house, 20)
        for _ in range(2):
            await look_ahead(house.store, house.ledger.budgets)
    assert [alert.level for alert in heard] == told
    assert all("likely to be overrun" in alert.text and alert.value == "alpha" for alert in heard)


async def test_too_few_days_foretell_nothing(tmp_path: Path, autojump_clock: object) -> None:
    rules = read_rules({"b": Budget(usd=Decimal(COST * 13) / 10**9, alert_at=())})
    heard: list[BudgetAlert] = []
    async with opened(tmp_path / "ledger.db", rules=rules) as house:
        house.ledger.budgets.on_alert = heard.append
        house.clock.ms = START_MS
        await house.serve()
        await look_ahead(house.store, house.ledger.budgets)
    assert heard == []


async def test_it_looks_every_hour_and_outlives_a_file_that_can_not_be_read(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []

    async def look(*_rooms: object) -> None:
        looks.append(trio.current_time())
        raise HouseFault(Code.STORE_UNAVAILABLE, "the disk is gone")

    monkeypatch.setattr("lodestard.ledger.forecast.look_ahead", look)
    async with opened(tmp_path / "ledger.db") as house:
        start_s = trio.current_time()
        with trio.move_on_after(FIRST_S + 2 * EVERY_S + 1):
            await house.ledger.run_forecasts()
    assert [moment - start_s for moment in looks] == [FIRST_S, FIRST_S + EVERY_S, FIRST_S + 2 * EVERY_S]
