"""What the screen is about, and how each key and each piece of news changes it. Pure.

Law: one function from a state and an event to the next state, that never fails; whatever happens, the selection is on
a row that is there, and what is asked of the world (an explanation, to leave) stands in the state for the loop to do.
"""

from collections.abc import Callable, Mapping

import msgspec

from lodestarctl.dashboard.keys import Key
from lodestarctl.dashboard.listing import TABLES, list_ids, sort_names
from lodestarctl.dashboard.live import Live, merge
from lodestarctl.table import SCREENS
from lodestard.control.messages import Explanation
from lodestard.control.messages.dashboard import LiveItem

CHROME_LINES = 4  # heading, tabs, rule, keys
LIST_LINES = 2  # what is listed, and the names of the columns
MOST_FILTER = 60


class View(msgspec.Struct, frozen=True):
    """One screen's rows: ``selected`` is the id of the row at ``index``, ``top`` the first that is shown.

    At the very top nothing is selected by name, so that the newest or dearest stays selected.
    """

    sort: int = 0
    text: str = ""
    selected: str = ""
    index: int = 0
    top: int = 0


class Explained(msgspec.Struct, frozen=True):
    """A request that is asked about. ``failure`` says why there is no explanation."""

    request_id: str
    explanation: Explanation | None = None
    failure: str = ""
    top: int = 0


class State(msgspec.Struct, frozen=True):
    """``paused`` is what is shown while it is paused. ``link`` is live, silent or lost, ``note`` says why."""

    width: int = 80
    height: int = 24
    live: Live | None = None
    paused: Live | None = None
    screen: str = "overview"
    span: str = "today"
    views: Mapping[str, View] = {}
    filtering: bool = False
    help: bool = False
    explained: Explained | None = None
    link: str = "live"
    note: str = ""
    quit: bool = False

    @property
    def shown(self) -> Live | None:
        return self.paused or self.live

    @property
    def view(self) -> View:
        return self.views.get(self.screen, View())

    @property
    def page(self) -> int:
        """How many rows of a list there is room for."""
        return max(1, self.height - CHROME_LINES - LIST_LINES)


class Resized(msgspec.Struct, frozen=True):
    width: int
    height: int


class LinkChanged(msgspec.Struct, frozen=True):
    link: str
    note: str = ""


class ExplanationCame(msgspec.Struct, frozen=True):
    request_id: str
    explanation: Explanation | None = None
    failure: str = ""


Event = Key | LiveItem | Resized | LinkChanged | ExplanationCame


def step(state: State, event: Event) -> State:
    """The state after ``event``."""
    match event:
        case Key():
            state = press(state, event)
        case LiveItem():
            state = _with(state, live=merge(state.live, event), link="live", note="")
        case Resized():
            state = _with(state, width=event.width, height=event.height)
        case LinkChanged():
            state = _with(state, link=event.link, note=event.note)
        case ExplanationCame():
            state = _take_explanation(state, event)
    return settle(state)


def _with(state: State, **members: object) -> State:
    return msgspec.structs.replace(state, **members)


def with_view(state: State, **members: object) -> State:
    """The state with something else about the rows of its screen."""
    view = msgspec.structs.replace(state.view, **members)
    return _with(state, views={**state.views, state.screen: view})


def _take_explanation(state: State, event: ExplanationCame) -> State:
    asked = state.explained
    if asked is None or asked.request_id != event.request_id:
        return state
    return _with(state, explained=Explained(asked.request_id, event.explanation, event.failure))


def ids_of(state: State) -> list[str]:
    view = state.view
    return list_ids(state.shown, state.screen, state.span, view.text, view.sort)


def settle(state: State) -> State:
    """The selection follows its row; where that is gone it stays where it was, within what is there."""
    if not sort_names(state.screen):
        return state
    view, ids = state.view, ids_of(state)
    index = ids.index(view.selected) if view.selected and view.selected in ids else view.index
    index = max(0, min(index, len(ids) - 1))
    top = max(0, min(view.top, index, len(ids) - state.page))
    top = max(top, index - state.page + 1)
    return with_view(state, index=index, top=top, selected=ids[index] if index else "")


# -- keys ------------------------------------------------------------------------------------------------------------


def press(state: State, key: Key) -> State:
    """What a key does depends on what is in front: the filter's text, the help, an explanation, or the screen."""
    if key.name == "ctrl-c":
        return _with(state, quit=True)
    if state.filtering:
        return _press_filter(state, key)
    if state.help:
        return _with(state, help=False)
    if state.explained is not None:
        return _press_explained(state, state.explained, key)
    name = key.text if key.name == "char" else key.name
    if name.isdecimal() and name.isascii() and 1 <= int(name) <= len(SCREENS):
        return _with(state, screen=SCREENS[int(name) - 1])
    action = ACTIONS.get(name)
    return action(state) if action is not None else state


def _press_filter(state: State, key: Key) -> State:
    text = state.view.text
    if key.name in ("char", "paste"):
        typed = "".join(char for char in key.text if char.isprintable())
        return with_view(state, text=(text + typed)[:MOST_FILTER])
    if key.name == "backspace":
        return with_view(state, text=text[:-1]) if text else _with(state, filtering=False)
    if key.name == "ctrl-u":
        return with_view(state, text="")
    if key.name == "esc":
        return _with(with_view(state, text=""), filtering=False)
    if key.name == "enter":
        return _with(state, filtering=False)
    return _move(state, MOVES[key.name]) if key.name in MOVES else state


def _press_explained(state: State, explained: Explained, key: Key) -> State:
    name = key.text if key.name == "char" else key.name
    if name in ("esc", "enter", "q", "left", "backspace"):
        return _with(state, explained=None)
    if name not in MOVES:
        return state
    top = max(0, min(explained.top + MOVES[name](state), MOST_EXPLAINED))
    return _with(state, explained=msgspec.structs.replace(explained, top=top))


MOST_EXPLAINED = 10_000
MOVES: Mapping[str, Callable[[State], int]] = {
    "up": lambda _state: -1,
    "k": lambda _state: -1,
    "down": lambda _state: 1,
    "j": lambda _state: 1,
    "pgup": lambda state: -state.page,
    "pgdn": lambda state: state.page,
    "home": lambda _state: -MOST_EXPLAINED,
    "g": lambda _state: -MOST_EXPLAINED,
    "end": lambda _state: MOST_EXPLAINED,
    "G": lambda _state: MOST_EXPLAINED,
}


def _move(state: State, by: Callable[[State], int]) -> State:
    index = max(0, state.view.index + by(state))
    ids = ids_of(state)
    index = min(index, max(0, len(ids) - 1))
    return with_view(state, index=index, selected=ids[index] if index < len(ids) else "")


def _turn(state: State, by: int) -> State:
    at = (SCREENS.index(state.screen) + by) % len(SCREENS)
    return _with(state, screen=SCREENS[at])


def _sort(state: State) -> State:
    names = sort_names(state.screen)
    return with_view(state, sort=(state.view.sort + 1) % len(names), index=0, selected="", top=0) if names else state


def _toggle_span(state: State) -> State:
    return _with(state, span="month" if state.span == "today" else "today")


def _begin_filter(state: State) -> State:
    return _with(state, filtering=True) if sort_names(state.screen) else state


def _clear_filter(state: State) -> State:
    return with_view(state, text="") if state.view.text else state


def _pause(state: State) -> State:
    return _with(state, paused=None if state.paused is not None else state.live)


def _enter(state: State) -> State:
    """Ask about the request, or look at the requests of the row."""
    ids = ids_of(state)
    if not ids:
        return state
    chosen = ids[min(state.view.index, len(ids) - 1)]
    if state.screen == "requests":
        return _with(state, explained=Explained(chosen))
    if state.screen in TABLES and chosen:
        return with_view(_with(state, screen="requests"), text=chosen[:MOST_FILTER], index=0, selected="", top=0)
    return state


ACTIONS: Mapping[str, Callable[[State], State]] = {
    "q": lambda state: _with(state, quit=True),
    "?": lambda state: _with(state, help=True),
    "tab": lambda state: _turn(state, 1),
    "right": lambda state: _turn(state, 1),
    "backtab": lambda state: _turn(state, -1),
    "left": lambda state: _turn(state, -1),
    "s": _sort,
    "t": _toggle_span,
    "/": _begin_filter,
    "esc": _clear_filter,
    "p": _pause,
    "enter": _enter,
    **{name: (lambda state, by=by: _move(state, by)) for name, by in MOVES.items()},  # type: ignore[misc]
}
