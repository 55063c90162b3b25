"""The state as a frame. Pure."""

from lodestarctl.dashboard.cells import EMPTY, Frame, Line, Span, cut_line, in_role, left, line, right
from lodestarctl.picker.state import State
from lodestarctl.render.words import about, rate
from lodestard.control.messages.picking import PickRow

AROUND = 3
ROLES = {"up": "good", "down": "bad"}
FIGURES = (("$/M in", 10), ("$/M out", 10), ("context", 9), ("tok/s", 8), ("good", 7))


def draw(state: State) -> Frame:
    """As many lines as the terminal has."""
    room = max(1, state.height - AROUND)
    first = max(0, min(state.index - room // 2, len(state.found) - room))
    rows = state.catalogue.rows
    shown = [
        draw_row(rows[place], state.width, marked=first + at == state.index)
        for at, place in enumerate(state.found[first : first + room])
    ]
    head = cut_line((Span("> ", "key"), Span(state.query, "strong"), Span("▏", "dim")), state.width)
    foot = f"{len(state.found)} of {len(rows)}   ↑↓ move  Enter pick  Esc leave"
    frame = [head, titles(state.width), *shown, *([EMPTY] * (room - len(shown))), line(Span(foot, "dim"))]
    return tuple(cut_line(each, state.width) for each in frame[: state.height])


def name_width(width: int) -> int:
    return max(20, width - sum(size for _, size in FIGURES) - 4)


def titles(width: int) -> Line:
    figures = "".join(right(title, size) for title, size in FIGURES)
    return cut_line((Span(f"  {left('model', name_width(width))}{figures}", "dim"),), width)


def draw_row(row: PickRow, width: int, *, marked: bool) -> Line:
    name = f"{row.name} → {row.target}" if row.alias else row.name
    figures = "".join(right(text, size) for text, (_, size) in zip(figures_of(row), FIGURES, strict=True))
    mark = "●" if row.state in ROLES else "·"
    parts = (Span(f"{mark} ", ROLES.get(row.state, "dim")), Span(f"{left(name, name_width(width))}{figures}"))
    shown = cut_line(parts, width)
    return in_role(shown, "selected", width) if marked else shown


def figures_of(row: PickRow) -> tuple[str, ...]:
    """Price in and out, context, speed, and how often its answers were good."""
    judged = row.good + row.bad
    return (
        "free" if row.free else rate(row.input_pico_usd),
        "free" if row.free else rate(row.output_pico_usd),
        about(row.context_tokens),
        "-" if row.tokens_per_s is None else f"{row.tokens_per_s:.0f}",
        f"{100 * row.good / judged:.0f} %" if judged >= 1 else "-",
    )
