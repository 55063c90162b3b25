"""The state and its steps: whatever is pressed and whatever comes, nothing fails and the selection is on a row."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lodestarctl.dashboard.cells import width_of
from lodestarctl.dashboard.keys import Key
from lodestarctl.dashboard.live import REQUESTS_KEPT, merge
from lodestarctl.dashboard.screens import draw, draw_once
from lodestarctl.dashboard.state import (
    MOVES,
    Event,
    ExplanationCame,
    LinkChanged,
    Resized,
    State,
    ids_of,
    step,
)
from lodestarctl.table import SCREENS
from lodestard.control.messages import RequestRow
from lodestard.control.messages.dashboard import LiveItem, LiveRow
from tests.fakes import control_samples as samples
from tests.fakes.live_samples import EMPTY, NASTY, NOON_MS, SESSIONS, SNAPSHOT, delta

NAMES = ["up", "down", "left", "right", "home", "end", "pgup", "pgdn", "tab", "backtab", "enter", "esc"]
NAMES += ["backspace", "ctrl-u", "ctrl-l", "ctrl-z", "delete"]


def press(state: State, *keys: str) -> State:
    for key in keys:
        state = step(state, Key(key) if len(key) > 1 else Key("char", key))
    return state


def started(*keys: str) -> State:
    return press(step(State(), SNAPSHOT), *keys)


names = st.sampled_from(["a", "b", "lodestar", "", "日本語", "\x1b[2J", "s001"])
rows = st.builds(
    LiveRow,
    name=names,
    requests=st.integers(0, 9),
    cost_nano_usd=st.integers(0, 10**12),
    last_ms=st.none() | st.just(1),
)
ended = st.builds(
    RequestRow,
    request_id=st.text("0123456789", min_size=1, max_size=3),
    started_ms=st.integers(0, 2 * NOON_MS),
    alias=names,
    outcome=st.sampled_from(["ok", "", "upstream_error"]),
)
deltas = st.builds(
    lambda kind, of, requests: delta(kind=kind, rows={"today": {"session": of, "model": of}}, requests=requests),
    st.sampled_from(["delta", "delta", "snapshot"]),
    st.lists(rows, max_size=4).map(tuple),
    st.lists(ended, max_size=4).map(tuple),
)
keys: st.SearchStrategy[Event] = st.one_of(
    st.sampled_from(NAMES).map(Key),
    st.sampled_from([*"123456789jkgGst/?pxq ", "日"]).map(lambda char: Key("char", char)),
    st.text(max_size=5).map(lambda text: Key("paste", text)),
)
events: st.SearchStrategy[Event] = st.one_of(
    keys,
    keys,
    keys,
    deltas,
    st.sampled_from([SNAPSHOT, EMPTY, NASTY]),
    st.builds(Resized, st.integers(1, 200), st.integers(1, 60)),
    st.just(LinkChanged("lost", "lost lodestard: trying again")),
    st.just(ExplanationCame(samples.REQUEST.request_id, samples.EXPLANATION)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(events, max_size=40))
def test_whatever_happens_the_frame_fits_and_the_selection_is_on_a_row(happened: list[Event]) -> None:
    state = State()
    for event in happened:
        state = step(state, event)
        view, ids = state.view, ids_of(state)
        assert 0 <= view.index <= max(0, len(ids) - 1)
        assert view.top <= view.index < view.top + state.page
        assert not view.selected or ids[view.index] == view.selected
        assert state.screen in SCREENS
        frame = draw(state)
        assert len(frame) == state.height
        assert max(map(width_of, frame)) <= state.width
        draw_once(state)


@pytest.mark.parametrize(("number", "screen"), list(enumerate(SCREENS, 1)))
def test_each_number_is_a_screen(number: int, screen: str) -> None:
    assert started(str(number)).screen == screen


def test_tab_and_arrows_go_around() -> None:
    state = started()
    for screen in (*SCREENS[1:], SCREENS[0]):
        state = press(state, "tab")
        assert state.screen == screen
    assert press(state, "left").screen == press(state, "backtab").screen == SCREENS[-1]
    assert press(state, "right").screen == SCREENS[1]


def test_the_selection_stays_on_its_row_when_others_overtake_it() -> None:
    state = started("4", "j", "j")
    chosen = ids_of(state)[2]
    state = step(state, delta(rows={"today": {"session": (LiveRow(name="new", cost_nano_usd=10**12),)}}))
    assert (state.view.index, ids_of(state)[3]) == (3, chosen)


def test_at_the_top_the_newest_stays_selected() -> None:
    state = started("6")
    state = step(state, delta(requests=(RequestRow(request_id="req_new", started_ms=NOON_MS, outcome="ok"),)))
    assert (state.view.index, ids_of(state)[0]) == (0, "req_new")


def test_rows_are_moved_through_by_pages_and_ends() -> None:
    state = started("4")
    page = state.page
    assert press(state, "pgdn").view.index == page
    assert press(state, "end").view.index == press(state, "G").view.index == len(SESSIONS) - 1
    assert press(state, "end", "home").view.index == press(state, "k").view.index == 0
    at_end = press(state, "end")
    assert at_end.view.top == len(SESSIONS) - page
    assert press(at_end, "pgup").view.index == len(SESSIONS) - 1 - page


def test_sorts_go_around_and_each_screen_has_its_own() -> None:
    state = started("2", "s")
    assert ids_of(state)[0] == "t600/deepseek-coder:6.7b"
    assert press(state, "4").view.sort == 0
    assert press(state, *"sssss").view.sort == 0
    assert ids_of(press(started("6"), "s"))[0] == samples.REQUEST.request_id
    assert press(started(), "s").view.sort == 0


def test_the_filter_narrows_as_it_is_typed() -> None:
    state = started("4", "/", "0", "1")
    assert ids_of(state) == [f"s{number:03}" for number in (*range(19, 9, -1), 1)]
    assert not press(state, "enter").filtering
    assert press(state, "enter").view.text == "01"
    cleared = press(state, "esc")
    assert (cleared.filtering, cleared.view.text, len(ids_of(cleared))) == (False, "", len(SESSIONS))
    assert press(state, "enter", "esc").view.text == ""
    assert press(state, "backspace").view.text == "0"
    assert not press(state, "ctrl-u", "backspace").filtering
    assert press(state, "down").view.index == 1
    assert step(state, Key("paste", "\x1b[2J9\n")).view.text == "01[2J9"
    assert press(state, "q").view.text == "01q"
    assert not press(started(), "/").filtering


def test_what_is_paused_stands_still_and_goes_on_with_all_that_came() -> None:
    paused = press(started("2"), "p")
    later = step(paused, delta(rows={"today": {"model": (LiveRow(name="later", cost_nano_usd=10**12),)}}))
    assert "later" not in ids_of(later)
    assert ids_of(press(later, "p"))[0] == "later"


def test_enter_asks_about_a_request_and_esc_leaves_it() -> None:
    state = started("6", "end", "enter")
    explained = state.explained
    assert explained is not None
    asked = explained.request_id
    assert asked == samples.REQUEST.request_id
    assert step(state, ExplanationCame("another", samples.EXPLANATION)) == state
    told = step(state, ExplanationCame(asked, samples.EXPLANATION))
    assert told.explained is not None
    assert told.explained.explanation == samples.EXPLANATION
    assert press(told, "j", "x", "pgdn", "k").explained is not None
    for key in ("esc", "enter", "q"):
        left = press(told, key)
        assert (left.explained, left.quit, left.screen) == (None, False, "requests")


def test_enter_on_another_row_shows_its_requests() -> None:
    state = started("3", "enter")
    assert (state.screen, state.view.text) == ("requests", "lodestar")
    assert press(started("3", "end"), "enter").screen == "projects"  # the row without a name
    assert press(step(State(), EMPTY), "6", "enter").explained is None


def test_leaving() -> None:
    assert started("q").quit
    assert press(started("4", "/"), "ctrl-c").quit
    assert not started("?", "q").quit


def test_every_move_is_also_a_key_of_an_explanation() -> None:
    state = started("6", "enter")
    for name in MOVES:
        assert press(state, name).explained is not None


def test_a_snapshot_begins_anew_and_a_delta_replaces_rows_by_name() -> None:
    live = merge(merge(None, SNAPSHOT), delta(rows={"today": {"model": (LiveRow(name="t600/x", requests=1),)}}))
    assert len(live.rows["today", "model"]) == 4
    assert live.left_out == SNAPSHOT.left_out
    assert merge(live, EMPTY).rows == {}
    many = tuple(RequestRow(request_id=str(number), started_ms=number) for number in range(2 * REQUESTS_KEPT))
    kept = merge(live, delta(requests=many)).requests
    assert (len(kept), kept[0].request_id) == (REQUESTS_KEPT, many[-1].request_id)
    again = merge(live, delta(requests=(msgspec.structs.replace(SNAPSHOT.requests[0], outcome="later"),)))
    assert (len(again.requests), again.requests[0].outcome) == (len(live.requests), "later")


def test_news_mean_that_it_is_live_again() -> None:
    lost = step(started(), LinkChanged("lost", "why"))
    item: LiveItem = SNAPSHOT
    assert (lost.link, step(lost, item).link) == ("lost", "live")
