"""The cache and the ledger for people."""

from lodestarctl.render.blocks import Block, Cell, Column, Facts, Grid, Note, Table, cells
from lodestarctl.render.words import count, plural, share, size, usd
from lodestard.control.messages import CacheReport, CacheWarmed, LedgerVerification


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
