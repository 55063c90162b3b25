"""Will a budget's window end above its limit? Asked now and then, of the costs of the days before.

Law: reads off the loop and changes nothing but what was told; a forecast is told once a window, by the keeper.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import trio

from lodestard.budget.judge import Standing
from lodestard.budget.projection import LONGEST_DAYS, Projection, project
from lodestard.budget.windows import midnight_ms
from lodestard.domain.errors import HouseFault
from lodestard.domain.ports import Store
from lodestard.ledger.budget_rows import QUARTER_MS, spent_sql
from lodestard.ledger.budgets import Budgets

_log = logging.getLogger(__name__)
FIRST_S = 60.0
EVERY_S = 3_600.0
MS_PER_S = 1_000
MILLE = 1_000


async def run_forecasts(store: Store, budgets: Budgets) -> None:
    """Look every hour, until cancelled. While the tables can't be read there is no forecast."""
    await trio.sleep(FIRST_S)
    while True:
        try:
            await look_ahead(store, budgets)
        except HouseFault as fault:
            _log.warning("budgets: no forecast now: %s", fault.message)
        await trio.sleep(EVERY_S)


async def look_ahead(store: Store, budgets: Budgets) -> None:
    """Tell of each week's and month's budget in US dollars that is likely to end above its limit."""
    for rule in budgets.rules:
        if not rule.forecast or rule.limit("usd") is None or rule.window.kind not in ("week", "month"):
            continue
        now_ms = budgets.now_ms()
        today = _day_of(now_ms, budgets.zone)
        first = today - timedelta(days=LONGEST_DAYS)
        rows = await store.query(spent_sql(rule), (midnight_ms(first, budgets.zone), 0))
        costs = fold_days(rows, first, budgets.zone)
        for standing in budgets.standings():
            of_it = costs.get(standing.value, {})
            if standing.rule == rule and is_overrun_ahead(standing, of_it, now_ms, budgets.zone):
                budgets.foresee(standing)


def fold_days(rows: Sequence[Sequence[object]], first: date, zone: ZoneInfo) -> dict[str, dict[int, int]]:
    """Costs by value and quarter of an hour → by value and number of days since ``first``. Pure."""
    folded: dict[str, dict[int, int]] = {}
    for value, quarter, usd, *_ in rows:
        day = (_day_of(int(str(quarter)) * QUARTER_MS, zone) - first).days
        of_value = folded.setdefault(str(value), {})
        of_value[day] = of_value.get(day, 0) + int(str(usd))
    return folded


def is_overrun_ahead(standing: Standing, costs: dict[int, int], now_ms: int, zone: ZoneInfo) -> bool:
    """Whether the window is likely to end above the limit, though it is not there yet. Pure."""
    limit = standing.limit("usd")
    if limit is None or standing.end_ms is None or standing.spent.usd >= limit:
        return False
    today = _day_of(now_ms, zone)
    tomorrow_ms = midnight_ms(today + timedelta(days=1), zone)
    day_ms = tomorrow_ms - midnight_ms(today, zone)
    found = project(
        [costs.get(day, 0) for day in range(LONGEST_DAYS)],
        standing.spent.usd,
        (_day_of(standing.end_ms, zone) - today).days - 1,
        max(0, tomorrow_ms - now_ms) * MILLE // day_ms,
    )
    return isinstance(found, Projection) and found.likely_nano_usd > limit


def _day_of(at_ms: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(at_ms // MS_PER_S, UTC).astimezone(zone).date()
