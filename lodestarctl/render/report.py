"""A month's report as blocks: what the Markdown and the HTML are both made from.

Law: pure, and it says of every figure what it is: exact, charged at the worst case, or guessed.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from lodestarctl.render.blocks import Block, Cell, Column, Facts, Heading, Note, Table
from lodestarctl.render.budgets import budget_table
from lodestarctl.render.costs import UNKNOWN_NAME, cost_table, levers_of, projection_facts, trend_bars
from lodestarctl.render.words import count, plural, share, usd
from lodestard.control.messages.figures import CostRow, CostSection
from lodestard.control.messages.reports import MonthReport

COUNTERFACTUAL = (
    "Saved is what {0} would have cost for the same tokens at its list price, less what was paid, over the requests "
    "whose tokens are known. Each saving is put down to its levers: a local model answered, the answer came from the "
    "cache, the model was cheaper, or its provider billed cached prompt tokens at a lower rate. The levers sum to "
    "what was saved; one below zero cost more than {0} would have. Whether {0} would have written answers of the "
    "same length nobody knows."
)
WORST_CASE = (
    "{} of the cost is charged at the worst case: an answer broke off, and its upstream never said what it billed. "
    "It is never more than this."
)
UNRECONCILED = "{} of what providers billed is of no request here: it is unreconciled, and not in the cost."


def title_of(report: MonthReport) -> str:
    return f"What {month_name(report.month)} cost" + ("" if report.over else ", so far")


def month_name(month: str) -> str:
    """``2026-11`` → ``November 2026``; another text stays as it is."""
    try:
        return f"{date.fromisoformat(f'{month}-01'):%B %Y}"
    except ValueError:
        return month


def report_blocks(report: MonthReport) -> list[Block]:
    """All of it, the sums first."""
    return [
        Heading((Cell(title_of(report), "strong"),), report.month),
        *_doubts_at_once(report),
        _totals(report),
        *_levers(report),
        *(projection_facts(report.projection) if report.projection is not None else ()),
        *(block for section in report.sections for block in _section(section, report.total)),
        *((budget_table(report.budgets, "Budgets, as they stand"),) if report.budgets else ()),
        *_uncertain(report),
        *_counted(report),
    ]


def _doubts_at_once(report: MonthReport) -> Iterator[Note]:
    if not report.settled:
        what = "Requests ended while this report was made: its sections may differ by what they cost."
        yield Note(what, "warn", "!", "Make it anew when less is going on.")


def _totals(report: MonthReport) -> Facts:
    total = report.total
    pairs = [
        ("Cost", Cell(usd(total.cost_nano_usd), "strong")),
        ("Requests", Cell(count(total.requests))),
        ("Failed", Cell(_part(total.failed, total.requests))),
        ("Answered from the cache", Cell(_part(total.cache_hits, total.requests))),
        ("Answered for free", Cell(_part(total.free_requests, total.requests))),
        ("Prompt tokens", Cell(count(total.prompt_tokens))),
        ("of these read from a provider's cache", Cell(count(total.cached_tokens))),
        ("of these written to a provider's cache", Cell(count(total.cache_write_tokens))),
        ("Completion tokens", Cell(count(total.completion_tokens))),
    ]
    if total.saved_nano_usd is not None:
        pairs += [
            (f"{report.baseline} would have cost", Cell(usd(total.baseline_nano_usd))),
            ("Saved", Cell(usd(total.saved_nano_usd), "good" if total.saved_nano_usd > 0 else "")),
        ]
    pairs.append(("Days begin in", Cell(report.timezone)))
    pairs.append(("Made", Cell(_instant(report.made_ms, report.timezone))))
    return Facts(tuple(pairs), "In all")


def _part(part: int, whole: int) -> str:
    return f"{count(part)} ({share(part, whole)})" if whole else count(part)


def _instant(instant_ms: int, zone: str) -> str:
    at = datetime.fromtimestamp(instant_ms // 1_000, UTC).astimezone(ZoneInfo(zone))
    return f"{at:%Y-%m-%d %H:%M:%S %Z}"


def _levers(report: MonthReport) -> Iterator[Table]:
    levers, saved = levers_of(report.total), report.total.saved_nano_usd
    if not levers or saved is None:
        return
    rows = [
        (Cell(word), Cell(usd(amount)), Cell(share(amount, saved) if amount >= 0 else "-")) for word, amount in levers
    ]
    columns = (Column("lever"), Column("saved", "decimal"), Column("share", "right"))
    yield Table(columns, rows, "Saved by what", total=(Cell("all"), Cell(usd(saved)), Cell("")))


def _section(section: CostSection, total: CostRow) -> Iterator[Block]:
    title = f"By {section.by}"
    if section.by == "day":
        yield from trend_bars(section)
        title = "Each day" if section.rows else title
    yield cost_table(section, total, title)


def _uncertain(report: MonthReport) -> Iterator[Block]:
    """What of the cost is not what a provider said."""
    unknown = report.total.unknown_nano_usd
    yield Facts((), "How certain this is")
    if unknown:
        rows = [(Cell(row.name or UNKNOWN_NAME), Cell(usd(row.unknown_nano_usd))) for row in report.charged_unknown]
        yield Note(WORST_CASE.format(usd(unknown)), "warn", "!")
        columns = (Column("model"), Column("charged at the worst case", "decimal"))
        yield Table(columns, rows, total=(Cell("all"), Cell(usd(unknown))))
    else:
        yield Note("Nothing is charged at the worst case: of every answer it is known what it cost.", "", "·")
    if report.total.held_nano_usd:
        yield Note(f"{usd(report.total.held_nano_usd)} more is held for requests under way.", "", "·")
    yield Note(_reconciled(report.unreconciled_nano_usd), "", "·")


def _reconciled(unreconciled_nano_usd: int | None) -> str:
    if unreconciled_nano_usd is None:
        return "These figures have not been compared with a provider's bill."
    if not unreconciled_nano_usd:
        return "Compared with the providers' bills, nothing is left over."
    return UNRECONCILED.format(usd(unreconciled_nano_usd))


def _counted(report: MonthReport) -> Iterator[Note]:
    if report.total.saved_nano_usd is not None:
        yield Note(COUNTERFACTUAL.format(report.baseline), "dim", "·")
    else:
        yield Note("What was saved is not counted: [ledger] baseline names no model to compare with.", "dim", "·")
    for section in report.sections:
        if section.rest is not None:
            yield Note(
                f"By {section.by}, {plural(section.others, 'smaller one is', 'smaller ones are')} one row.",
                "dim",
                "·",
            )
