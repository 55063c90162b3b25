"""``costs`` and ``ledger.verify``."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from lodestard.control.messages import CostRow, CostsReport, LedgerVerification
from lodestard.control.verbs.desk import CostFigures, Desk
from lodestard.control.verbs.when import read_since_ms, read_until_ms
from lodestard.domain.verbs import Argument, Arguments, Verb

GROUPS = ("model", "upstream", "alias", "project", "user", "session", "client", "principal", "day", "month")
FAR_MS = 2**62


def figure_verbs(desk: Desk) -> tuple[Verb, ...]:
    async def costs(arguments: Arguments) -> CostsReport:
        return await read_costs(desk, arguments)

    async def verify(_arguments: Arguments) -> LedgerVerification:
        return await desk.verify_ledger()

    taken = (
        Argument(name="by", choices=GROUPS, default="model", help="group by"),
        Argument(name="since", default="month", help="from when"),
        Argument(name="until", help="to when; a date is included"),
    )
    return (
        Verb(name="costs", summary="what was spent and saved", needs="read", arguments=taken, answer=costs),
        Verb(name="ledger.verify", summary="check that every row adds up", needs="read", answer=verify),
    )


async def read_costs(desk: Desk, arguments: Arguments) -> CostsReport:
    """The report, and its total from the same span."""
    now_ms, zone = desk.runtime.clock.now_ms(), ZoneInfo(desk.timezone)
    since_ms = read_since_ms(arguments["since"], now_ms, zone) if arguments["since"] else None
    until_ms = read_until_ms(arguments["until"], now_ms, zone) if arguments["until"] else None
    baseline = desk.runtime.settings.ledger.baseline
    rows = await desk.reports.costs(
        arguments["by"], since_ms=since_ms or 0, until_ms=until_ms or FAR_MS, timezone=desk.timezone
    )
    shown = tuple(cost_row(row, baseline=bool(baseline)) for row in rows)
    return CostsReport(
        by=arguments["by"],
        rows=shown,
        total=total_of(shown, desk.state().held_nano_usd),
        since_ms=since_ms,
        until_ms=until_ms,
        baseline=baseline,
    )


def cost_row(row: CostFigures, *, baseline: bool) -> CostRow:
    """A line of the ledger → a line of the report. Pure."""
    return CostRow(
        name=row.key.strip("/"),
        requests=row.requests,
        failed=row.errors,
        cache_hits=row.cache_hits,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        cost_nano_usd=row.cost_nano_usd,
        unknown_nano_usd=row.unknown_nano_usd,
        saved_nano_usd=row.saved_nano_usd if baseline else None,
    )


def total_of(rows: Sequence[CostRow], held_nano_usd: int) -> CostRow:
    """The sum of all lines; what is held now belongs to no span of time, so it stands in the total alone. Pure."""
    saved = [row.saved_nano_usd for row in rows if row.saved_nano_usd is not None]
    return CostRow(
        name="all",
        requests=sum(row.requests for row in rows),
        failed=sum(row.failed for row in rows),
        cache_hits=sum(row.cache_hits for row in rows),
        prompt_tokens=sum(row.prompt_tokens for row in rows),
        completion_tokens=sum(row.completion_tokens for row in rows),
        cost_nano_usd=sum(row.cost_nano_usd for row in rows),
        unknown_nano_usd=sum(row.unknown_nano_usd for row in rows),
        held_nano_usd=held_nano_usd,
        saved_nano_usd=sum(saved) if saved else None,
    )
