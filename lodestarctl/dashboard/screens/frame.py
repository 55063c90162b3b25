"""What is around every screen: the heading, the screens' names, the keys. Pure."""

from collections.abc import Sequence

from lodestarctl.dashboard.cells import EMPTY, Frame, Line, Span, columns, cut_line, left, line, spread
from lodestarctl.dashboard.live import Live
from lodestarctl.dashboard.screens.gpu import gpu
from lodestarctl.dashboard.screens.overview import overview
from lodestarctl.dashboard.screens.requests import explain, requests
from lodestarctl.dashboard.screens.tables import table
from lodestarctl.dashboard.state import CHROME_LINES, State
from lodestarctl.render.words import moment
from lodestarctl.table import SCREENS

LEAST_WIDTH, LEAST_HEIGHT = 60, 15
STATES = {"ready": "good", "degraded": "warn", "draining": "warn", "starting": "dim"}
TALL = 10_000
FULL_TABS = 80
ACRONYM = 3
HELP = (
    ("1 … 7", "overview, models, projects, sessions, providers, requests, GPU"),
    ("Tab, ← →", "the next screen, the one before"),
    ("↑ ↓, j k", "a row up or down; PgUp, PgDn, Home, End go further"),
    ("Enter", "on a request: all about it; elsewhere: the row's requests"),
    ("s", "sort by the next column"),
    ("t", "today, or this month"),
    ("/", "only rows with a text in them; Esc shows all again"),
    ("p", "hold the screen still, or let it go on"),
    ("q, Ctrl-C", "leave"),
)
NOTES = (
    "Costs are rounded up here and savings down;",
    "lodestarctl costs has every digit of them.",
    "A request counts where it came, once it has ended;",
    "what is held for those under way stands beside it.",
)


def draw(state: State) -> Frame:
    """Exactly as many lines as the terminal has, none wider."""
    width, height = state.width, state.height
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return _fitted(_too_small(state), width, height)
    body = body_of(state, width, height - CHROME_LINES)
    lines = [_heading(state), _tabs(state), line(Span("─" * width, "dim")), *body]
    return (*_fitted(lines, width, height - 1), *_fitted([_keys(state)], width, 1))


def draw_once(state: State) -> Frame:
    """A whole screen without keys, as long as it is."""
    lines = [_heading(state), line(Span("─" * state.width, "dim")), *body_of(state, state.width, TALL)]
    return tuple(cut_line(each, state.width) for each in lines)


def body_of(state: State, width: int, height: int) -> list[Line]:
    live = state.shown
    if state.help:
        return _help()
    if state.explained is not None:
        return explain(state.explained, width, height)
    if live is None:
        return [EMPTY, line(Span(" Waiting for lodestard …", "dim"))]
    if state.screen == "overview":
        return _cut_below(overview(live, width, height), height)
    if state.screen == "gpu":
        return _cut_below(gpu(live, width, height), height)
    if state.screen == "requests":
        return requests(state, live, width, height)
    return table(state, live, width, height)


def _fitted(lines: list[Line], width: int, height: int) -> Frame:
    """As many lines as there is room for, filled up with empty ones."""
    shown = [cut_line(each, width) for each in lines[:height]]
    return (*shown, *(EMPTY for _ in range(height - len(shown))))


def _cut_below(lines: list[Line], height: int) -> list[Line]:
    if len(lines) <= height:
        return lines
    kept = lines[: height - 1]
    return [*kept, line(Span(f" … {len(lines) - len(kept)} more lines: a taller terminal shows them", "dim"))]


def _too_small(state: State) -> list[Line]:
    need = f"The dashboard needs {LEAST_WIDTH} x {LEAST_HEIGHT}."
    return [line(need), line(f"This is {state.width} x {state.height}."), line(Span("q leaves.", "dim"))]


def _heading(state: State) -> Line:
    live = state.shown
    if live is None:
        return spread(line(Span(" Lodestar", "title")), _link(state), state.width)
    last = live.last
    start = line(
        Span(f" Lodestar {last.version}", "title"),
        Span(f"  ● {last.state}", STATES.get(last.state, "")),
        *([Span("  simulated upstreams", "warn")] if last.simulated else []),
        *([] if last.exact else [Span("  the ledger lags behind", "warn")]),
    )
    return spread(start, _link(state, live), state.width)


def _link(state: State, live: Live | None = None) -> Line:
    """Whether what is shown is how things are."""
    if state.link != "live":
        return line(Span(state.note or state.link, "bad"), " ")
    if state.paused is not None:
        return line(Span("paused: p goes on", "warn"), " ")
    return line(Span(moment(live.last.at_ms) if live else "", "dim"), " ")


def _tabs(state: State) -> Line:
    """Every screen; where there is little room, the names of the others are left out."""
    parts: list[Span] = [Span(" ")]
    for at, name in enumerate(SCREENS, 1):
        here = name == state.screen
        title = name.upper() if len(name) <= ACRONYM else name.capitalize()
        shown = f"{at} {title}" if here or state.width >= FULL_TABS else f"{at}"
        parts.append(Span(f" {shown} ", "tab" if here else ""))
    return tuple(parts)


def _keys(state: State) -> Line:
    """What can be pressed now."""
    if state.filtering:
        typed = Span(f"{state.view.text}_", "strong")
        return line(Span(" /", "key"), typed, Span("   Enter keeps it   Esc shows all", "dim"))
    if state.help:
        return _hints(state.width, [("any key", "back")])
    if state.explained is not None:
        return _hints(state.width, [("Esc", "back"), ("↑↓", "scroll")])
    ends = [("?", "help"), ("q", "quit")]
    return _hints(state.width, [("1-7", "screen"), *_keys_of_rows(state), _pause_key(state)], ends)


def _keys_of_rows(state: State) -> list[tuple[str, str]]:
    if state.screen in ("overview", "gpu"):
        return []
    text = state.view.text
    narrowed = (f"/{text}", "Esc all") if text else ("/", "filter")
    if state.screen == "requests":
        return [("↑↓", "row"), ("Enter", "explain"), ("s", "sort"), narrowed]
    return [("↑↓", "row"), ("s", "sort"), ("t", "month" if state.span == "today" else "today"), narrowed]


def _pause_key(state: State) -> tuple[str, str]:
    return "p", "go on" if state.paused is not None else "pause"


def _hints(width: int, pairs: list[tuple[str, str]], ends: Sequence[tuple[str, str]] = ()) -> Line:
    """As many as there is room for; those of ``ends`` in any case."""
    room = width - sum(_hint_width(pair) for pair in ends)
    shown = []
    for pair in pairs:
        room -= _hint_width(pair)
        if room < 0:
            break
        shown.append(pair)
    return tuple(part for key, what in (*shown, *ends) for part in (Span(f" {key}", "key"), Span(f" {what} ", "dim")))


def _hint_width(pair: tuple[str, str]) -> int:
    return columns(pair[0]) + columns(pair[1]) + 3


def _help() -> list[Line]:
    lines = [EMPTY, line(Span(" Keys", "title")), EMPTY]
    lines += [line("   ", Span(left(key, 12), "key"), what) for key, what in HELP]
    return [*lines, EMPTY, *(line(Span(f"   {text}", "dim")) for text in NOTES)]
