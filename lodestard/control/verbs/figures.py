"""``costs`` and ``ledger.verify``."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from lodestard.control.messages import CostsReport, LedgerVerification
from lodestard.control.messages.figures import CostRow, CostSection
from lodestard.control.messages.projection import Projected
from lodestard.control.verbs.cost_rows import cost_row, keep_top, sum_rows
from lodestard.control.verbs.desk import Desk
from lodestard.control.verbs.projecting import read_month
from lodestard.control.verbs.trend import choose_step, fill_gaps, read_start_ms
from lodestard.control.verbs.when import read_since_ms, read_until_ms
from lodestard.domain.verbs import Argument, Arguments, Verb

GROUPS = (
    "model", "upstream", "provider", "alias", "project", "user", "session", "task", "client", "principal",
    "hour", "day", "week", "month",
)  # fmt: skip
IN_TIME = ("hour", "day", "week", "month")
FAR_MS = 2**62
QUARTER_MS = 900_000


def figure_verbs(desk: Desk) -> tuple[Verb, ...]:
    async def costs(arguments: Arguments) -> CostsReport:
        return await read_costs(desk, arguments)

    async def verify(_arguments: Arguments) -> LedgerVerification:
        return await desk.verify_ledger()

    taken = (
        Argument(name="by", choices=GROUPS, default="model", help="group by"),
        Argument(name="since", default="month", help="from when"),
        Argument(name="until", help="to when; a date is included"),
        Argument(name="top", kind="integer", default=0, help="list so many groups and sum the rest; 0 lists all"),
        Argument(name="trend", help="also the course of time from when on, and how the month may end"),
    )
    return (
        Verb(name="costs", summary="what was spent and saved", needs="read", arguments=taken, answer=costs),
        Verb(name="ledger.verify", summary="check that every row adds up", needs="read", answer=verify),
    )


async def read_costs(desk: Desk, arguments: Arguments) -> CostsReport:
    """The report, and its total from the same span."""
    now_ms, zone = desk.runtime.clock.now_ms(), ZoneInfo(desk.timezone)
    since_ms = _quarter(read_since_ms(arguments["since"], now_ms, zone)) if arguments["since"] else None
    until_ms = _quarter(read_until_ms(arguments["until"], now_ms, zone)) if arguments["until"] else None
    by = arguments["by"]
    held_nano_usd = desk.state().held_nano_usd  # before the rows: what is settled meanwhile must not be in neither
    rows = await read_rows(desk, by, since_ms, until_ms)
    section = keep_top(by, rows, 0 if by in IN_TIME else arguments["top"])
    trend, projection = (
        await _read_course(desk, arguments["trend"], until_ms, zone) if arguments["trend"] else (None,) * 2
    )
    return CostsReport(
        by=by,
        rows=section.rows,
        rest=section.rest,
        others=section.others,
        total=sum_rows("all", rows, held_nano_usd),
        since_ms=since_ms,
        until_ms=until_ms,
        baseline=desk.runtime.settings.ledger.baseline,
        timezone=desk.timezone,
        trend=trend,
        projection=projection,
    )


def _quarter(instant_ms: int) -> int:
    """The ledger reports by quarters of an hour, so a span is said to be what it is."""
    return instant_ms - instant_ms % QUARTER_MS


async def read_rows(desk: Desk, by: str, since_ms: int | None, until_ms: int | None) -> Sequence[CostRow]:
    """What the ledger says of a span, group by group."""
    found = await desk.reports.costs(
        by, since_ms=since_ms or 0, until_ms=FAR_MS if until_ms is None else until_ms, timezone=desk.timezone
    )
    baseline = bool(desk.runtime.settings.ledger.baseline)
    return tuple(cost_row(row, baseline=baseline) for row in found)


async def _read_course(
    desk: Desk, begin: str, until_ms: int | None, zone: ZoneInfo
) -> tuple[CostSection, Projected | None]:
    """From whole step to whole step of time. A span that is over has nothing to project."""
    now_ms = desk.runtime.clock.now_ms()
    ends_ms = now_ms if until_ms is None else min(now_ms, until_ms)
    begins_ms = read_since_ms(begin, now_ms, zone)
    step = choose_step(ends_ms - begins_ms)
    rows = await read_rows(desk, step, read_start_ms(begins_ms, step, zone), until_ms)
    projection = (await read_month(desk))[1] if until_ms is None else None
    return CostSection(by=step, rows=fill_gaps(rows, step, ends_ms, zone)), projection
