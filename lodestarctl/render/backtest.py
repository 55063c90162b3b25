"""A backtest and the shadow policy, for people."""

from collections.abc import Iterator

from lodestarctl.render.blocks import Block, Cell, Column, Facts, Heading, Note, Table
from lodestarctl.render.words import UNKNOWN, count, moment, plural, share, span, usd
from lodestard.control.messages.advice import BacktestItem, BacktestReport, Move, PolicyFigures, ShadowReport

BAR = 20


def progress_line(item: BacktestItem) -> str:
    """``backtest ████████░░░░ 40.1 %  12,000 of 29,903``."""
    full = BAR * item.done // max(1, item.total)
    bar = "█" * full + "░" * (BAR - full)
    return f"backtest {bar} {share(item.done, item.total)}  {count(item.done)} of {count(item.total)} requests"


def render_backtest(report: BacktestReport) -> list[Block]:
    """Both policies side by side, then who would have gone where."""
    when = f"{moment(report.since_ms, '%Y-%m-%d %H:%M')} to {moment(report.until_ms, '%Y-%m-%d %H:%M')}"
    return [
        Heading((Cell("Backtest", "strong"), Cell(report.name)), when),
        Facts(tuple(_facts(report))),
        _figures(report.recorded, report.candidate),
        moves_table(report.moves, "What would have changed", empty="Nothing would have changed."),
        *_notes(report),
    ]


def _facts(report: BacktestReport) -> Iterator[tuple[str, Cell]]:
    left = f", {count(report.kept)} from the cache or shared, {count(report.failed)} failed: these stay as they were"
    yield "Requests", Cell(f"{count(report.requests)}{left if report.kept or report.failed else ''}")
    yield "Changed", Cell(f"{count(report.changed)} ({share(report.changed, report.requests)})", "strong")
    if report.refused:
        yield "Refused", Cell(f"{count(report.refused)}: nobody could have answered", "bad")
    less = report.recorded.cost_nano_usd - report.candidate.cost_nano_usd
    word = "less" if less >= 0 else "more"
    yield "Dollars", Cell(f"{usd(abs(less))} {word}" if less else "the same", "good" if less > 0 else "")


def _figures(recorded: PolicyFigures, candidate: PolicyFigures) -> Table:
    rows = [
        ("cost", usd(recorded.cost_nano_usd), usd(candidate.cost_nano_usd)),
        ("free answers", count(recorded.free_requests), count(candidate.free_requests)),
        ("waited in all", span(recorded.wait_s), span(candidate.wait_s)),
        ("good answers (proxy)", _quality(recorded), _quality(candidate)),
    ]
    rows += [
        (f"swaps on {host}", count(recorded.swaps.get(host, 0)), count(candidate.swaps.get(host, 0)))
        for host in sorted({*recorded.swaps, *candidate.swaps})
    ]
    columns = (Column(""), Column("recorded", "right"), Column("candidate", "right"))
    return Table(columns, [tuple(map(Cell, row)) for row in rows])


def _quality(figures: PolicyFigures) -> str:
    """Nothing where nobody has answered: a quality is never quite none."""
    return f"{100 * figures.quality:.1f} %" if figures.quality else UNKNOWN


def moves_table(moves: tuple[Move, ...], title: str, empty: str) -> Table:
    """The most frequent first."""
    judged = any(move.quality or move.new_quality for move in moves)
    columns = (
        Column("from", flexible=True),
        Column("to", flexible=True),
        Column("requests", "right"),
        Column("cost", "decimal"),
        Column("new cost", "decimal"),
        *((Column("good", "right", spare="narrow"), Column("then", "right", spare="narrow")) if judged else ()),
    )
    return Table(columns, [_move(move, judged=judged) for move in moves], title, empty=empty)


def _move(move: Move, *, judged: bool) -> tuple[Cell, ...]:
    qualities = (Cell(f"{100 * move.quality:.0f} %"), Cell(f"{100 * move.new_quality:.0f} %")) if judged else ()
    return (
        Cell(move.source or "nobody"),
        Cell(move.target or "nobody", "strong" if move.target else "bad"),
        Cell(count(move.requests)),
        Cell(usd(move.cost_nano_usd)),
        Cell(usd(move.new_cost_nano_usd)),
        *qualities,
    )


def _notes(report: BacktestReport) -> Iterator[Note]:
    if report.other_moves:
        yield Note(f"{plural(report.other_moves, 'rarer move')} not listed.", "dim", "·")
    for text in report.notes:
        yield Note(text, "dim", "·")


def render_shadow(report: ShadowReport) -> list[Block]:
    """How often the shadow policy would have asked another model, and what that would have cost."""
    if not report.looked_at:
        advice = "" if report.file else '[routing] shadow = "/path/policy.toml" turns it on.'
        return [Note("No request was shown to a shadow policy in this time.", "dim", "·", advice)]
    less = report.cost_nano_usd - report.shadow_cost_nano_usd
    facts = Facts(
        (
            ("Policy", Cell(report.file or "none now")),
            ("Looked at", Cell(plural(report.looked_at, "request"))),
            ("Differs", Cell(f"{count(report.differs)} ({share(report.differs, report.looked_at)})", "strong")),
            ("Cost", Cell(usd(report.cost_nano_usd))),
            (
                "There",
                Cell(f"{usd(report.shadow_cost_nano_usd)} ({usd(abs(less))} {'less' if less >= 0 else 'more'})"),
            ),
        )
    )
    heading = Heading((Cell("Shadow policy", "strong"),), f"since {moment(report.since_ms, '%Y-%m-%d %H:%M')}")
    note = Note("Costs are of the tokens that were used, at the other model's price.", "dim", "·")
    return [heading, facts, moves_table(report.moves, "Where it differs", "It never differs."), note]
