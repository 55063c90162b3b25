"""Defects that clocks would bring to light, planted one by one; the checks must see each."""

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from lodestard.budget import windows as room
from lodestard.budget.windows import Window, bounds_ms
from lodestard.ledger import Ledger
from tests.faults.clocks import Stepping
from tests.faults.planted.finding import found
from tests.faults.windows import CALENDAR, DAY_MS, awkward_ms, check_instant, check_nesting, ms

ENOUGH = 20


def check_zone(name: str, year: int) -> None:
    zone = ZoneInfo(name)
    for at_ms in awkward_ms(zone, [year], random.Random(1)):
        for window in CALENDAR:
            check_instant(window, at_ms, zone)
        check_nesting(at_ms, zone)


def plant(monkeypatch: pytest.MonkeyPatch, bounds: object) -> None:
    monkeypatch.setattr("tests.faults.windows.bounds_ms", bounds)


def test_a_day_of_24_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    def bounds(window: Window, at_ms: int, zone: ZoneInfo) -> tuple[int, int | None]:
        start_ms = bounds_ms(window, at_ms, zone)[0]
        return start_ms, start_ms + DAY_MS if window.kind == "day" else bounds_ms(window, at_ms, zone)[1]

    plant(monkeypatch, bounds)
    with found("not in its own window|overlap|gap"):
        check_zone("Europe/Berlin", 2026)


def test_the_zone_of_the_new_year(monkeypatch: pytest.MonkeyPatch) -> None:
    def midnight(day: date, zone: ZoneInfo) -> int:
        offset = datetime(day.year, 1, 1, tzinfo=zone).utcoffset() or timedelta()
        return ms(datetime(day.year, day.month, day.day, tzinfo=UTC) - offset)

    monkeypatch.setattr(room, "midnight_ms", midnight)
    with found("does not begin at midnight"):
        check_zone("America/Havana", 2026)


def test_a_month_of_30_days(monkeypatch: pytest.MonkeyPatch) -> None:
    def bounds(window: Window, at_ms: int, zone: ZoneInfo) -> tuple[int, int | None]:
        if window.kind != "month":
            return bounds_ms(window, at_ms, zone)
        start_ms = at_ms - at_ms % (30 * DAY_MS)
        return start_ms, start_ms + 30 * DAY_MS

    plant(monkeypatch, bounds)
    with found("does not begin at midnight|no day begins"):
        check_zone("Asia/Kathmandu", 2024)


async def test_time_that_goes_back(ram_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ledger, "now_ms", lambda self: self._clock.now_ms())
    with found("is open again|today was|they say|out of order|the budget's"):
        await step_much(ram_path)


async def test_today_by_another_clock(
    ram_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ledger, "totals", lambda self: self._tally.totals(self._clock.now_ms() + DAY_MS))
    with found("the budget's"):
        await step_much(ram_path)


async def test_today_in_another_zone(ram_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch) -> None:
    day_of = "lodestard.ledger.totals.day_of"
    monkeypatch.setattr(day_of, lambda at_ms, _zone: datetime.fromtimestamp(at_ms / 1_000, UTC))
    with found("the budget's|they say"):
        await step_much(ram_path)


async def step_much(folder: Path) -> None:
    for seed in range(ENOUGH):
        (folder / str(seed)).mkdir()
        await Stepping(seed, folder / str(seed)).run()
