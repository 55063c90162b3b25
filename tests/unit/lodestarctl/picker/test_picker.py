"""The picker: which names fit, what keys do, what is drawn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestarctl.dashboard.cells import width_of
from lodestarctl.dashboard.keys import Key
from lodestarctl.picker.fuzzy import rank
from lodestarctl.picker.screen import draw
from lodestarctl.picker.state import State, open_state, searched, step
from lodestard.control.messages.picking import PickRow

NAMES = ["openai/gpt-4o-mini", "openai/gpt-4o", "anthropic/claude-sonnet-4", "xai/grok-beta", "t600/gemma:2b"]
ROWS = (
    PickRow(name="auto", target="t600/llama3.1:8b", alias=True, free=True, state="up", good=3.0, bad=1.0),
    *(PickRow(name=name, target=name, input_pico_usd=2_500_000, state="down") for name in NAMES),
)


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("gpt-4o", "openai/gpt-4o"),
        ("4o mini", "openai/gpt-4o-mini"),
        ("mini 4o", "openai/gpt-4o-mini"),
        ("son", "anthropic/claude-sonnet-4"),
        ("cs4", "anthropic/claude-sonnet-4"),
        ("GROK", "xai/grok-beta"),
        ("g2b", "t600/gemma:2b"),
    ],
)
def test_the_best_is_the_one_that_is_meant(query: str, best: str) -> None:
    assert NAMES[rank(NAMES, query)[0]] == best


def test_what_does_not_fit_is_left_out_and_nothing_typed_leaves_all_as_they_are() -> None:
    assert rank(NAMES, "zzz") == []
    assert rank(NAMES, "  ") == list(range(len(NAMES)))


QUERIES = st.text(st.sampled_from("gpt4o-mi nx/.[]*\\"), max_size=8)


@given(names=st.lists(QUERIES, max_size=12), query=QUERIES, more=QUERIES)
def test_typing_on_finds_the_same_as_typing_anew(names: list[str], query: str, more: str) -> None:
    """What fits has all letters in their order, and narrowing step by step loses nothing."""
    for at in rank(names, query):
        for word in query.lower().split():
            letters = iter(names[at])
            assert all(letter in letters for letter in word)
    rows = tuple(PickRow(name=name, target=name) for name in names)
    stepped = searched(open_state(rows, query), query + more)
    assert stepped.found == open_state(rows, query + more).found


def after(*keys: str | Key) -> State | None:
    state: State | None = open_state(ROWS)
    for key in keys:
        assert state is not None
        state = step(state, Key("char", key) if isinstance(key, str) else key)
    return state


def test_keys_type_move_pick_and_leave() -> None:
    typed = after("g", "p", "t", Key("down"))
    assert typed is not None
    assert typed.marked is not None
    assert (typed.query, typed.index, typed.marked.name) == ("gpt", 1, "openai/gpt-4o-mini")
    picked = after(*"llama", Key("enter"))
    assert picked is not None
    assert picked.done
    assert picked.marked is ROWS[0]
    assert after("g", Key("esc")) is None
    nothing = after(*"zzz", Key("enter"), Key("up"), Key("pgdn"))
    assert nothing is not None
    assert (nothing.done, nothing.marked) == (False, None)
    again = after(*"zzz", Key("ctrl-u"), Key("paste", "grok\x07"), Key("backspace"))
    assert again is not None
    assert again.query == "gro"


@given(st.integers(1, 200), st.integers(1, 60), QUERIES, st.integers(0, 9))
def test_a_frame_fits_its_terminal(width: int, height: int, query: str, down: int) -> None:
    state: State | None = State(open_state(ROWS).catalogue, width=width, height=height)
    assert state is not None
    state = searched(state, query)
    for _ in range(down):
        state = step(state, Key("down"))
        assert state is not None
    frame = draw(state)
    assert len(frame) <= height
    assert all(width_of(line) <= width for line in frame)


def test_what_is_said_of_a_model() -> None:
    text = "\n".join("".join(span.text for span in line) for line in draw(open_state(ROWS)))
    assert "auto → t600/llama3.1:8b" in text
    assert "75 %" in text
    assert "$2.50" in text
    assert "6 of 6" in text
