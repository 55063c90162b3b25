"""``costs.report`` and ``costs.export``.

Law: a report's sections are one reading of the ledger as far as it can be had, and say so where they are not.
"""

import re
from codecs import getincrementaldecoder
from collections.abc import Sequence
from datetime import date
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from lodestard.control.messages.figures import CostRow
from lodestard.control.messages.reports import ExportPiece, MonthReport
from lodestard.control.verbs.budgets import read_budgets
from lodestard.control.verbs.cost_rows import keep_top, sum_rows
from lodestard.control.verbs.desk import Desk, WantedExport
from lodestard.control.verbs.figures import IN_TIME, read_rows
from lodestard.control.verbs.projecting import ONE_DAY, day_of, next_month, read_month, start_ms
from lodestard.control.verbs.when import read_since_ms, read_until_ms
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.verbs import Argument, Arguments, Emits, Verb

SECTIONS = ("day", "model", "provider", "project", "user", "session", "task", "client")
FORMS = ("csv", "json", "jsonl")
DEFAULT_TOP = 20
READINGS = 3
_MONTH = re.compile(r"\d{4}-\d{2}")


def report_verbs(desk: Desk) -> tuple[Verb, ...]:
    async def report(arguments: Arguments) -> MonthReport:
        return await read_report(desk, arguments["month"], max(0, arguments["top"]))

    async def export(arguments: Arguments, emit: Emits[ExportPiece]) -> None:
        await export_costs(desk, read_wanted(desk, arguments), emit)

    month = (
        Argument(name="month", default="this", help="this, last, or a month like 2025-11"),
        Argument(name="top", kind="integer", default=DEFAULT_TOP, help="list so many of a kind and sum the rest"),
    )
    span = (
        Argument(name="format", choices=FORMS, default="csv", help="how to write it"),
        Argument(name="since", help="from when"),
        Argument(name="until", help="to when; a date is included"),
        Argument(name="names", kind="flag", help="names of users, clients and projects as they are"),
    )
    return (
        Verb(name="costs.report", summary="all about one month", needs="read", arguments=month, answer=report),
        Verb(name="costs.export", summary="every request as a file", needs="read", arguments=span, stream=export),
    )


async def read_report(desk: Desk, month: str, top: int) -> MonthReport:
    """One month, from as many readings as it takes for all sections to sum to the same. Raises ``CallerFault``."""
    now_ms, zone = desk.runtime.clock.now_ms(), ZoneInfo(desk.timezone)
    begins = read_month_start(month, day_of(now_ms, zone))
    ends_ms = start_ms(next_month(begins), zone)
    over = ends_ms <= now_ms
    held_nano_usd = 0 if over else desk.state().held_nano_usd  # before the rows, as in ``costs``
    read, settled = await _read_sections(desk, start_ms(begins, zone), ends_ms)
    total = sum_rows("all", read["day"], held_nano_usd)
    return MonthReport(
        month=f"{begins:%Y-%m}",
        timezone=desk.timezone,
        since_ms=start_ms(begins, zone),
        until_ms=min(ends_ms, now_ms),
        made_ms=now_ms,
        total=total,
        sections=tuple(keep_top(by, rows, 0 if by in IN_TIME else top) for by, rows in read.items()),
        charged_unknown=tuple(row for row in read["model"] if row.unknown_nano_usd),
        baseline=desk.runtime.settings.ledger.baseline,
        over=over,
        settled=settled,
        projection=None if over else (await read_month(desk))[1],
        budgets=None if over else read_budgets(desk.budgets).budgets,
        unreconciled_nano_usd=await desk.unreconciled_nano_usd(f"{begins:%Y-%m}"),
    )


async def _read_sections(desk: Desk, since_ms: int, until_ms: int) -> tuple[dict[str, Sequence[CostRow]], bool]:
    """Requests may end between two questions: then all are asked again, a few times."""
    read: dict[str, Sequence[CostRow]] = {}
    for _ in range(READINGS):
        read = {by: await read_rows(desk, by, since_ms, until_ms) for by in SECTIONS}
        sums = [replace(sum_rows("", rows), total_us=0) for rows in read.values()]
        if all(each == sums[0] for each in sums):
            return read, True
    return read, False


def read_month_start(text: str, today: date) -> date:
    """``this``, ``last`` or ``2025-11`` → its first day. Raises ``CallerFault``. Pure."""
    if text == "this":
        return today.replace(day=1)
    if text == "last":
        return (today.replace(day=1) - ONE_DAY).replace(day=1)
    if _MONTH.fullmatch(text):
        try:
            first = date.fromisoformat(f"{text}-01")
        except ValueError:
            raise _no_month(text) from None
        if first > today:
            raise CallerFault(Code.INVALID_REQUEST, f"{text} has not begun.", param="month")
        return first
    raise _no_month(text)


def _no_month(text: str) -> CallerFault:
    return CallerFault(
        Code.INVALID_REQUEST, f"{text!r} is no month: say this, last or one like 2025-11.", param="month"
    )


def read_wanted(desk: Desk, arguments: Arguments) -> WantedExport:
    """Raises ``CallerFault`` for a time that is none."""
    now_ms, zone = desk.runtime.clock.now_ms(), ZoneInfo(desk.timezone)
    return WantedExport(
        form=arguments["format"],
        since_ms=read_since_ms(arguments["since"], now_ms, zone) if arguments["since"] else None,
        until_ms=read_until_ms(arguments["until"], now_ms, zone) if arguments["until"] else None,
        names=arguments["names"] or not desk.runtime.settings.ledger.anonymise,
    )


async def export_costs(desk: Desk, wanted: WantedExport, emit: Emits[ExportPiece]) -> None:
    """Pass the export's bytes on as text; a character that is cut waits for its rest."""
    decoder = getincrementaldecoder("utf-8")()
    async with desk.export_costs(wanted) as pieces:
        async for piece in pieces:
            if text := decoder.decode(piece):
                await emit(ExportPiece(text=text))
    decoder.decode(b"", final=True)  # a character whose rest never came is no text
