"""What the month will have cost at its end: the days that the ledger knows, and the calendar for ``budget.project``.

Law: days are those of the ledger's zone; only whole days are learned from.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec.structs import asdict, replace

from lodestard.budget.projection import LONGEST_DAYS, NotEnough, project
from lodestard.control.messages.projection import Projected
from lodestard.control.verbs.desk import CostFigures, Desk
from lodestard.control.verbs.when import MS_PER_S

ONE_DAY = timedelta(days=1)
MILLE = 1_000


async def read_month(desk: Desk) -> tuple[tuple[CostFigures, ...], Projected]:
    """The month's days so far, and how it is likely to end."""
    now_ms, zone = desk.runtime.clock.now_ms(), ZoneInfo(desk.timezone)
    today = day_of(now_ms, zone)
    first = min(today.replace(day=1), today - LONGEST_DAYS * ONE_DAY)
    rows = await desk.reports.costs("day", since_ms=start_ms(first, zone), timezone=desk.timezone)
    spent = {row.key: row.cost_nano_usd for row in rows}
    month = tuple(row for row in rows if row.key >= today.replace(day=1).isoformat())
    return month, project_month(spent, now_ms, zone)


def project_month(spent: Mapping[str, int], now_ms: int, zone: ZoneInfo) -> Projected:
    """Costs by day (ISO dates; a day that is not there cost nothing) → the month of ``now_ms``. Pure."""
    today = day_of(now_ms, zone)
    begins, ends = today.replace(day=1), next_month(today)
    spent_so_far = sum(cost for key, cost in spent.items() if begins.isoformat() <= key < ends.isoformat())
    found = project(
        [spent.get((today - back * ONE_DAY).isoformat(), 0) for back in range(LONGEST_DAYS, 0, -1)],
        spent_so_far,
        (ends - today).days - 1,
        _left_per_mille(today, now_ms, zone),
    )
    told = Projected(window=f"{today:%Y-%m}", ends_ms=start_ms(ends, zone), spent_nano_usd=spent_so_far)
    if isinstance(found, NotEnough):
        return replace(told, reason=found.reason, days=found.days)
    return replace(told, **asdict(found))


def _left_per_mille(today: date, now_ms: int, zone: ZoneInfo) -> int:
    begins_ms, ends_ms = start_ms(today, zone), start_ms(today + ONE_DAY, zone)
    return (ends_ms - now_ms) * MILLE // (ends_ms - begins_ms)


def day_of(instant_ms: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(instant_ms / MS_PER_S, UTC).astimezone(zone).date()


def next_month(day: date) -> date:
    """The first day of the month after ``day``'s."""
    return (day.replace(day=28) + 4 * ONE_DAY).replace(day=1)


def start_ms(day: date, zone: ZoneInfo) -> int:
    """When ``day`` begins."""
    return int(datetime.combine(day, time(), zone).timestamp() * MS_PER_S)
