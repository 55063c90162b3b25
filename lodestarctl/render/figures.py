"""Costs, the cache and the ledger for people."""

from lodestarctl.render.blocks import Block, Cell, Column, Facts, Grid, Heading, Note, Table, cells
from lodestarctl.render.words import about, count, moment, plural, share, size, usd
from lodestard.control.messages import CacheReport, CacheWarmed, CostRow, CostsReport, LedgerVerification


def render_costs(report: CostsReport) -> list[Block]:
    """One row a group, dearest first as the daemon sorted them, and the sum."""
    saved = report.total.saved_nano_usd is not None
    columns = (
        Column(report.by, flexible=True),
        Column("requests", "right"),
        Column("cached", "right"),
        Column("tokens in", "right"),
        Column("out", "right"),
        Column("cost", "decimal"),
        *((Column("saved", "decimal"),) if saved else ()),
    )
    rows = [_cost_row(row, saved=saved) for row in report.rows]
    total = _cost_row(report.total, saved=saved) if rows else ()
    table = Table(columns, rows, total=total, empty="Nothing was asked in this time.")
    return [Heading((Cell("Costs", "strong"), Cell(_window(report)))), table, *_cost_notes(report)]


def _cost_row(row: CostRow, *, saved: bool) -> tuple[Cell, ...]:
    return (
        Cell(row.name or "(none)"),
        Cell(count(row.requests)),
        Cell(share(row.cache_hits, row.requests)),
        Cell(about(row.prompt_tokens)),
        Cell(about(row.completion_tokens)),
        Cell(usd(row.cost_nano_usd), "strong"),
        *((Cell(usd(row.saved_nano_usd), "good" if (row.saved_nano_usd or 0) > 0 else ""),) if saved else ()),
    )


def _window(report: CostsReport) -> str:
    form = "%Y-%m-%d %H:%M"
    since = moment(report.since_ms, form) if report.since_ms is not None else "the beginning"
    until = moment(report.until_ms, form) if report.until_ms is not None else "now"
    return f"from {since} to {until}"


def _cost_notes(report: CostsReport) -> list[Block]:
    notes: list[Block] = []
    if report.total.held_nano_usd:
        notes.append(Note(f"{usd(report.total.held_nano_usd)} more is held for requests under way.", "dim", "·"))
    if report.total.unknown_nano_usd:
        what = f"{usd(report.total.unknown_nano_usd)} of the cost is charged at the worst case:"
        notes.append(Note(f"{what} the upstream never said what it billed.", "warn", "!"))
    if report.baseline:
        notes.append(Note(f"Saved is against {report.baseline} for the same tokens.", "dim", "·"))
    elif report.rows:
        notes.append(Note("Set [ledger] baseline to see what is saved.", "dim", "·"))
    return notes


def render_cache(report: CacheReport) -> list[Block]:
    """Both tiers, the rate, and what is kept of which model."""
    if not report.enabled:
        return [Note("The cache is off.", "dim", "·", "[cache] enabled = true turns it on.")]
    lookups = report.hits + report.misses
    pairs = (
        ("Hit rate", Cell(share(report.hits, lookups), "strong")),
        ("Hits", Cell(count(report.hits))),
        ("Misses", Cell(count(report.misses))),
        ("Bypassed", Cell(count(report.bypassed))),
        ("Evicted", Cell(count(report.evicted))),
    )
    disk = f"{_kept(report.entries, report.bytes, report.max_bytes)}" if report.disk else "off ([cache] disk)"
    memory = _kept(report.memory_entries, report.memory_bytes, report.memory_max_bytes)
    tiers = Facts((("Disk", Cell(disk)), ("Memory", Cell(memory))), "Kept")
    models = Table(
        (Column("model", flexible=True), Column("answers", "right"), Column("size", "right")),
        [cells(model.model, count(model.entries), size(model.bytes)) for model in report.models],
        "By model",
        empty="No answer is kept yet.",
    )
    return [Grid("Cache since the start", pairs), tiers, models]


def _kept(entries: int, size_bytes: int, limit_bytes: int) -> str:
    answers = plural(entries, "answer")
    return f"{answers}, {size(size_bytes)} of {size(limit_bytes)} ({share(size_bytes, limit_bytes)})"


def warmed_line(item: CacheWarmed) -> str:
    """One line of a warming."""
    where = f" {item.alias} -> {item.target}" if item.target else f" {item.alias}" if item.alias else ""
    cost = f"  {usd(item.cost_nano_usd)}" if item.cost_nano_usd else ""
    detail = f"  {item.detail}" if item.detail else ""
    return f"line {item.line}: {item.outcome}{where}{cost}{detail}"


def render_verification(report: LedgerVerification) -> list[Block]:
    """What was added up, and every fault that was found."""
    what = f"{plural(report.requests, 'request')}, {plural(report.attempts, 'attempt')}, {usd(report.cost_nano_usd)}"
    if report.ok:
        head = Note(f"The ledger adds up: {what}.", "good", "✓")
    else:
        head = Note(f"The ledger does not add up ({what}).", "bad", "✗", "Keep the file and restore a backup.")
    facts = [Facts((("File", Cell(report.file)),))] if report.file else []
    return [head, *facts, *(Note(fault, "bad", "✗") for fault in report.faults)]
