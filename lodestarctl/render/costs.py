"""Costs for people: the table, what saved how much, the course of time, and how the month may end."""

from collections.abc import Iterator, Mapping, Sequence

from lodestarctl.render.blocks import Bar, Bars, Block, Cell, Column, Facts, Heading, Note, Table, Tone
from lodestarctl.render.words import about, count, millis, moment, per_mille, share, usd, usd_about
from lodestard.control.messages import CostRow, CostsReport
from lodestard.control.messages.figures import CostSection
from lodestard.control.messages.projection import Projected

UNKNOWN_NAME = "(none)"
LEVERS: Mapping[str, str] = {
    "saved_local_nano_usd": "local model",
    "saved_cache_nano_usd": "cache",
    "saved_cheaper_nano_usd": "cheaper model",
    "saved_prompt_cache_nano_usd": "prompt cache",
}
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def render_costs(report: CostsReport) -> list[Block]:
    """One row a group, dearest first as the daemon sorted them, and the sum; below it what was asked for beside."""
    section = CostSection(by=report.by, rows=report.rows, rest=report.rest, others=report.others)
    return [
        Heading((Cell("Costs", "strong"), Cell(_window(report)))),
        cost_table(section, report.total),
        *lever_bars(report.total, report.baseline),
        *(trend_bars(report.trend) if report.trend is not None else ()),
        *(projection_facts(report.projection) if report.projection is not None else ()),
        *_notes(report),
    ]


def cost_table(section: CostSection, total: CostRow, title: str = "") -> Table:
    """The groups of one kind, the others as one row, and their sum."""
    saved = total.saved_nano_usd is not None
    columns = (
        Column(section.by, flexible=True),
        Column("requests", "right", spare="narrow"),
        Column("cached", "right", spare="narrow"),
        Column("free", "right", spare="wide"),
        Column("tokens in", "right", spare="narrow"),
        Column("out", "right", spare="narrow"),
        Column("mean time", "right", spare="wide"),
        Column("cost", "decimal"),
        *((Column("saved", "decimal", spare="last"),) if saved else ()),
    )
    listed = list(section.rows)
    if section.rest is not None:
        listed.append(named(section.rest, f"({section.others:,} others)"))
    rows = [_cost_row(row, saved=saved) for row in listed]
    return Table(
        columns,
        rows,
        title,
        total=_cost_row(total, saved=saved) if rows else (),
        empty="Nothing was asked in this time.",
    )


def named(row: CostRow, name: str) -> CostRow:
    from msgspec.structs import replace

    return replace(row, name=name)


def _cost_row(row: CostRow, *, saved: bool) -> tuple[Cell, ...]:
    mean_ms = row.total_us // row.requests // 1_000 if row.requests and row.total_us else None
    return (
        Cell(row.name or UNKNOWN_NAME),
        Cell(count(row.requests)),
        Cell(share(row.cache_hits, row.requests)),
        Cell(share(row.free_requests, row.requests)),
        Cell(about(row.prompt_tokens)),
        Cell(about(row.completion_tokens)),
        Cell(millis(mean_ms)),
        Cell(usd(row.cost_nano_usd), "strong"),
        *((Cell(usd(row.saved_nano_usd), _saved_tone(row.saved_nano_usd)),) if saved else ()),
    )


def _saved_tone(amount_nano_usd: int | None) -> Tone:
    return "good" if (amount_nano_usd or 0) > 0 else ""


def _window(report: CostsReport) -> str:
    since = _instant(report.since_ms, report.timezone) if report.since_ms is not None else "the beginning"
    until = _instant(report.until_ms, report.timezone) if report.until_ms is not None else "now"
    return f"from {since} to {until}"


def _instant(instant_ms: int, zone: str) -> str:
    """By the clocks of the zone whose days are counted; by this machine's where that is not said, or not known."""
    form = "%Y-%m-%d %H:%M"
    if not zone:
        return moment(instant_ms, form)
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return datetime.fromtimestamp(instant_ms // 1_000, UTC).astimezone(ZoneInfo(zone)).strftime(form)
    except (ZoneInfoNotFoundError, ValueError):
        return moment(instant_ms, form)


def levers_of(row: object) -> list[tuple[str, int]]:
    """What saved how much, by the words for it; empty where that is not known, or nothing was saved."""
    amounts = [(word, getattr(row, name)) for name, word in LEVERS.items()]
    if any(amount is None for _, amount in amounts) or not any(amount for _, amount in amounts):
        return []
    return amounts


def lever_bars(total: CostRow, baseline: str) -> Iterator[Bars]:
    """The levers, which sum to what was saved."""
    rows = [
        Bar(word, (amount,), (Cell(usd(amount), "good" if amount >= 0 else "warn"),))
        for word, amount in levers_of(total)
        if amount
    ]
    if rows:
        yield Bars((Cell("", "good"),), rows, f"Saved by what, against {baseline}")


def trend_bars(trend: CostSection) -> Iterator[Block]:
    """A line for each step of time. Cost and saved have scales of their own."""
    if not trend.rows:
        return
    saved = any(row.saved_nano_usd is not None for row in trend.rows)
    rows = [
        Bar(
            step_label(trend.by, row.name),
            (row.cost_nano_usd, row.saved_nano_usd or 0) if saved else (row.cost_nano_usd,),
            (
                Cell(usd(row.cost_nano_usd), "strong"),
                *((Cell(usd(row.saved_nano_usd or 0), _saved_tone(row.saved_nano_usd)),) if saved else ()),
            ),
        )
        for row in trend.rows
    ]
    series = (Cell("cost"), *((Cell("saved", "good"),) if saved else ()))
    yield Bars(series, rows, f"By {trend.by}")


def step_label(by: str, name: str) -> str:
    """A day with its weekday, an hour without the letter between; any other step as it is named."""
    if by != "day":
        return name.replace("T", " ") if by == "hour" else name
    from datetime import date

    try:
        return f"{WEEKDAYS[date.fromisoformat(name).weekday()]} {name}"
    except ValueError:
        return name


def projection_facts(projection: Projected) -> Iterator[Block]:
    """How the window is likely to end, and how wrong that was so far."""
    if projection.low_nano_usd is None:
        yield Note(f"How {projection.window} will end can't be said: {projection.reason}.", "dim", "·")
        return
    pairs = [("Spent so far", Cell(usd(projection.spent_nano_usd)))]
    pairs += [
        ("Likely", Cell(usd_about(projection.likely_nano_usd), "strong")),
        ("Between", Cell(interval(projection))),
    ]
    if projection.back_tests:
        pairs.append(("Past error", Cell(past_error(projection))))
    yield Facts(tuple(pairs), f"{projection.window} at its end")


def interval(projection: Projected, link: str = "and") -> str:
    """``$4.10 and $9.80``: rounded outwards."""
    return f"{usd_about(projection.low_nano_usd, up=False)} {link} {usd_about(projection.high_nano_usd)}"


def past_error(projection: Projected) -> str:
    days = projection.back_test_days
    ahead = "a day" if days == 1 else f"{days} days"
    return (
        f"{per_mille(projection.error_per_mille)} (median of {projection.back_tests} tries {ahead} ahead,"
        f" on the last {projection.days} days)"
    )


def _notes(report: CostsReport) -> Sequence[Block]:
    notes: list[Block] = []
    if report.total.held_nano_usd:
        notes.append(Note(f"{usd(report.total.held_nano_usd)} more is held for requests under way.", "dim", "·"))
    if report.total.unknown_nano_usd:
        what = f"{usd(report.total.unknown_nano_usd)} of the cost is charged at the worst case:"
        notes.append(Note(f"{what} the upstream never said what it billed.", "warn", "!"))
    if report.baseline and not levers_of(report.total):  # they say so themselves
        notes.append(Note(f"Saved is against {report.baseline} for the same tokens.", "dim", "·"))
    elif report.rows and not report.baseline:
        notes.append(Note("Set [ledger] baseline to see what is saved.", "dim", "·"))
    return notes
