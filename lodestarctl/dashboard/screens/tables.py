"""Screens of the ledger's rows: models, projects, sessions, providers. Pure."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from lodestarctl.dashboard.cells import EMPTY, Line, Span, in_role, left, line, right
from lodestarctl.dashboard.listing import NOBODY, TABLE_SORTS, TABLES, list_rows
from lodestarctl.dashboard.live import Live
from lodestarctl.dashboard.state import State
from lodestarctl.dashboard.words import last_used, money, saving
from lodestarctl.render.words import about, count, share
from lodestard.control.messages.dashboard import LiveRow

WIDE, COMFORTABLE = 110, 76
GAP = "  "
SPANS = {"today": "today", "month": "this month"}


class Column(NamedTuple):
    """``sort`` is the name of the sort that goes by it."""

    title: str
    width: int
    say: Callable[[LiveRow, Live, int], str]
    sort: str = ""
    role: str = ""


COST = Column("cost", 12, lambda row, _live, _all: money(row.cost_nano_usd), "cost", "strong")
SHARE = Column("share", 7, lambda row, _live, whole: share(row.cost_nano_usd, whole))
REQUESTS = Column("requests", 9, lambda row, _live, _all: count(row.requests), "requests")
FAILED = Column("failed", 7, lambda row, _live, _all: count(row.failed))
HITS = Column("hits", 7, lambda row, _live, _all: count(row.cache_hits))
TOKENS = Column("tokens", 8, lambda row, _live, _all: about(row.prompt_tokens + row.completion_tokens), "tokens")
PROMPT = Column("in", 8, lambda row, _live, _all: about(row.prompt_tokens), "tokens")
COMPLETION = Column("out", 8, lambda row, _live, _all: about(row.completion_tokens))
SAVED = Column("saved", 12, lambda row, _live, _all: saving(row.saved_nano_usd), "saved", "good")
USED = Column("last used", 10, lambda row, live, _all: last_used(row.last_ms, live.last.at_ms), "last used", "dim")


def columns_for(width: int, *, baseline: bool) -> list[Column]:
    """What there is room for."""
    wide = [COST, SHARE, REQUESTS, FAILED, HITS, PROMPT, COMPLETION, SAVED, USED]
    narrow = [COST, REQUESTS, TOKENS, SAVED, *([USED] if width >= COMFORTABLE else [])]
    chosen = wide if width >= WIDE else narrow
    return [column for column in chosen if baseline or column is not SAVED]


def table(state: State, live: Live, width: int, height: int) -> list[Line]:
    """Above the rows stand what they are and what they sum to, below them how many there are no room for."""
    view, screen = state.view, state.screen
    rows = list_rows(live, screen, state.span, view.text, view.sort)
    chosen = columns_for(width, baseline=bool(live.last.baseline))
    gap = GAP if width >= WIDE else " "
    name_width = width - 2 - sum(column.width + len(gap) for column in chosen)
    page = max(1, height - 2)
    whole = live.span(state.span).cost_nano_usd
    sort = TABLE_SORTS[view.sort].name
    lines = [_summary(state, live, len(rows)), _titles(TABLES[screen].one, chosen, (name_width, gap), sort)]
    for at, row in enumerate(rows[view.top : view.top + page], view.top):
        cells = [left(f" {row.name or NOBODY[screen]}", name_width + 1)]
        drawn = line(*cells, *(part for column in chosen for part in _cell(column, row, live, (whole, gap))))
        lines.append(in_role(drawn, "selected", width) if at == view.index else drawn)
    return lines if rows else [*lines, EMPTY, line(Span(f" {_nothing(state)}", "dim"))]


def _cell(column: Column, row: LiveRow, live: Live, sizes: tuple[int, str]) -> tuple[Span, Span]:
    whole, gap = sizes
    return Span(gap), Span(right(column.say(row, live, whole), column.width), column.role)


def _titles(one: str, chosen: Sequence[Column], sizes: tuple[int, str], sort: str) -> Line:
    """The column that the rows are sorted by is marked."""
    width, gap = sizes
    mark = "▼" if sort == "name" else ""
    parts = [Span(left(f" {one}{mark}", width + 1), "strong" if mark else "dim")]
    for column in chosen:
        here = bool(column.sort) and column.sort == sort
        parts += [
            Span(gap),
            Span(right(f"{column.title}{'▼' if here else ''}", column.width), "strong" if here else "dim"),
        ]
    return tuple(parts)


def _summary(state: State, live: Live, shown: int) -> Line:
    """What is listed, and what it is part of."""
    span, name = live.span(state.span), TABLES[state.screen].table
    all_of_it = len(live.rows.get((state.span, name), ()))
    left_out = live.left_out.get(f"{state.span}/{name}", 0)
    number = f"{shown} of {all_of_it}" if shown != all_of_it else f"{shown}"
    more = f" ({left_out:,} more in lodestarctl costs)" if left_out else ""
    return line(
        Span(f" {SPANS[state.span].capitalize()} {TABLES[state.screen].title}", "title"),
        Span(f"  {number}{more}  ", "dim"),
        Span(money(span.cost_nano_usd), "strong"),
        Span(f" in {count(span.requests)} requests", "dim"),
    )


def _nothing(state: State) -> str:
    if state.view.text:
        return f"No {TABLES[state.screen].one} has {state.view.text!r} in its name. Esc shows all."
    return f"No request has ended {SPANS[state.span]}."
