"""Cells and paint: widths as a terminal has them, and only what differs is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestarctl.dashboard.cells import (
    Frame,
    Span,
    beside,
    columns,
    cut,
    cut_line,
    in_role,
    left,
    line,
    right,
    spread,
    width_of,
)
from lodestarctl.dashboard.paint import COLOURED, MONO, Palette, paint, paint_line, plain_line, show
from tests.fakes.pseudo_terminal import Screen


def seen(text: str) -> str:
    """Without what takes no column of its own: at the beginning of a line it has nothing to stand on."""
    return "".join(char for char in text if columns(char))


spans = st.builds(Span, st.text(max_size=30), st.sampled_from(sorted(COLOURED)))
lines = st.lists(spans, max_size=4).map(tuple)


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("é", 1), ("─●█", 3), ("ｶ", 1), ("😀", 2)]
)
def test_columns(text: str, width: int) -> None:
    assert columns(text) == width


@given(st.text(max_size=40), st.integers(0, 30))
def test_texts_are_set_to_their_width_exactly(text: str, width: int) -> None:
    assert columns(cut(text, width)) <= width
    assert columns(left(text, width)) == columns(right(text, width)) == width
    assert cut(text, width).isprintable()


@given(st.lists(lines, max_size=5), st.lists(lines, max_size=5), lines, st.integers(0, 40))
def test_lines_are_never_wider(
    first: list[tuple[Span, ...]], second: list[tuple[Span, ...]], one: tuple[Span, ...], width: int
) -> None:
    assert width_of(cut_line(one, width)) <= width
    assert width_of(spread(cut_line(one, width), line("end"), width)) <= width
    assert width_of(in_role(one, "selected", width)) == width
    assert len(beside(first, second, 20)) == max(len(first), len(second))


def test_a_cut_line_says_that_it_is_cut() -> None:
    assert plain_line(cut_line(line("abc", Span("defg", "bad")), 5), Palette()) == "abcd…"
    assert cut("abcdef", 0) == ""
    assert cut("日本語", 4) == "日…"


def test_only_what_differs_is_written() -> None:
    old: Frame = (line("one"), line("two"), line("three"))
    new: Frame = (line("one"), line(Span("2", "bad")), line("three"))
    written = paint(old, new, Palette(), 80).decode()
    assert written == "\x1b[?2026h\x1b[2;1H\x1b[1;31m2\x1b[0m\x1b[K\x1b[?2026l"
    assert paint(new, new, Palette(), 80) == b""
    assert paint(None, (), Palette(), 80) == b""


def test_a_line_that_fills_the_terminal_keeps_its_last_character() -> None:
    assert b"\x1b[K" not in paint(None, (line("x" * 10),), Palette(), 10)


@given(st.lists(lines, min_size=1, max_size=6), st.lists(lines, min_size=1, max_size=6), st.booleans(), st.booleans())
def test_two_paints_end_at_the_second_frame(
    first: list[tuple[Span, ...]], second: list[tuple[Span, ...]], colour: bool, utf8: bool
) -> None:
    """Whatever the texts hold, a terminal shows what the frame says, and nothing else has happened to it."""
    palette, width = Palette(colour, utf8), 40
    height = max(len(first), len(second))
    old, new = (
        tuple(cut_line(each, width) for each in [*frame, *[()] * (height - len(frame))]) for frame in (first, second)
    )
    screen = Screen(width, height)
    screen.feed(paint(None, old, palette, width))
    screen.feed(paint(old, new, palette, width))
    assert [seen(text) for text in screen.text()] == [seen(plain_line(each, palette)) for each in new]
    assert screen.unknown == []


def test_without_colours_nothing_is_coloured() -> None:
    codes = {code for style in MONO.values() for code in style.split(";")}
    assert codes <= {"1", "2", "7"}
    assert paint_line(line(Span("x", "good")), Palette(colour=False)) == "x"


def test_without_utf8_nothing_but_ascii_is_written() -> None:
    palette = Palette(utf8=False)
    assert show("▁█─●日é…", palette) == "_#-*???~"
    assert columns(show("日é", palette)) == columns("日é")


def test_no_background_is_set() -> None:
    codes = {int(code) for style in COLOURED.values() for code in style.split(";") if code}
    assert not {code for code in codes if 40 <= code <= 49 or code >= 100}
