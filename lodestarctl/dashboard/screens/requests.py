"""The screen of requests as they end, and all about one of them. Pure."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from lodestarctl.dashboard.cells import EMPTY, Line, Span, cut_line, in_role, left, line, right
from lodestarctl.dashboard.listing import REQUEST_SORTS, list_requests
from lodestarctl.dashboard.live import Live
from lodestarctl.dashboard.state import Explained, State
from lodestarctl.dashboard.words import money, tokens
from lodestarctl.render.plain import paint_plain
from lodestarctl.render.requests import render_explanation
from lodestarctl.render.words import millis, moment
from lodestard.control.messages import RequestRow

WIDE = 112
FROM_CACHE = {"hit": "ok, cached", "shared": "ok, shared"}


class Column(NamedTuple):
    title: str
    width: int
    say: Callable[[RequestRow], str]
    role: str = ""
    flush: Callable[[str, int], str] = left


def outcome(row: RequestRow) -> str:
    if not row.outcome:
        return "under way"
    return FROM_CACHE.get(row.cache, "ok") if row.outcome == "ok" else row.outcome


def outcome_role(row: RequestRow) -> str:
    return "dim" if not row.outcome else "good" if row.outcome == "ok" else "bad"


def model(row: RequestRow) -> str:
    """Who answered; what was asked for, where nobody did."""
    return row.target or row.alias


TIME = Column("time", 8, lambda row: moment(row.started_ms, "%H:%M:%S"), "dim")
OUTCOME = Column("outcome", 11, outcome)
TOKENS = Column("tokens", 11, lambda row: tokens(row.prompt_tokens, row.completion_tokens), "", right)
COST = Column("cost", 10, lambda row: money(row.cost_nano_usd), "strong", right)
TOOK = Column("took", 7, lambda row: millis(row.total_ms), "", right)
PROJECT = Column("project", 8, lambda row: row.project)
ALIAS = Column("alias", 14, lambda row: row.alias)
LAYOUTS: Mapping[int, tuple[Column, ...]] = {
    150: (
        TIME,
        ALIAS,
        PROJECT._replace(width=12),
        Column("session", 12, lambda row: row.session),
        Column("client", 9, lambda row: row.client),
        OUTCOME._replace(width=20),
        TOKENS._replace(width=12),
        COST,
        Column("first piece", 11, lambda row: millis(row.first_piece_ms), "", right),
        TOOK,
    ),
    112: (TIME, ALIAS, PROJECT._replace(width=12), OUTCOME._replace(width=18), TOKENS._replace(width=12), COST, TOOK),
    76: (TIME, PROJECT, OUTCOME, TOKENS, COST, TOOK),
    0: (TIME, OUTCOME, COST, TOOK),
}
"""By the width from which on there is room for it, widest first."""


def requests(state: State, live: Live, width: int, height: int) -> list[Line]:
    """The newest at the top."""
    view = state.view
    rows = list_requests(live, view.text, view.sort)
    chosen = next(layout for least, layout in LAYOUTS.items() if width >= least)
    gap = "  " if width >= WIDE else " "
    model_width = width - 2 - sum(column.width + len(gap) for column in chosen)
    number = f"{len(rows)} of {len(live.requests)}" if len(rows) != len(live.requests) else f"{len(rows)}"
    lines = [
        line(
            Span(" Requests as they end", "title"), Span(f"  {number}, {REQUEST_SORTS[view.sort].name} first", "dim")
        ),
        line(" ", *_row(chosen, (model_width, gap), [column.title for column in chosen], "model", None)),
    ]
    for at, row in enumerate(rows[view.top : view.top + max(1, height - 2)], view.top):
        said = [column.say(row) for column in chosen]
        drawn = line(" ", *_row(chosen, (model_width, gap), said, model(row), row))
        lines.append(in_role(drawn, "selected", width) if at == view.index else drawn)
    if not rows:
        why = "No request has that in it. Esc shows all." if view.text else "No request has ended yet."
        lines += [EMPTY, line(Span(f" {why}", "dim"))]
    return lines


def _row(
    chosen: tuple[Column, ...], sizes: tuple[int, str], said: list[str], name: str, row: RequestRow | None
) -> list[Span]:
    """One line: the time, the model, then the rest. Titles where there is no ``row``."""
    model_width, gap = sizes
    parts: list[Span] = []
    for at, (column, text) in enumerate(zip(chosen, said, strict=True)):
        role = "dim" if row is None else outcome_role(row) if column.title == OUTCOME.title else column.role
        parts += [Span(column.flush(text, column.width), role), Span(gap)]
        if at == 0:
            parts += [Span(left(name, model_width), "dim" if row is None else ""), Span(gap)]
    return parts[:-1]


def explain(explained: Explained, width: int, height: int) -> list[Line]:
    """All about one request, as ``lodestarctl explain`` says it."""
    if explained.failure:
        return [EMPTY, line(Span(f" {explained.failure}", "bad"))]
    if explained.explanation is None:
        return [EMPTY, line(Span(f" Asking about {explained.request_id} …", "dim"))]
    text = paint_plain(render_explanation(explained.explanation), width=width - 2).splitlines()
    top = max(0, min(explained.top, len(text) - height))
    return [cut_line(line(" ", Span(each, "")), width) for each in text[top : top + height]]
