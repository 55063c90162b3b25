"""Bars: never wider than their place, nothing is empty, the largest is full, and figures stay whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestarctl.render.blocks import Bar, Bars, Cell, Column, Table
from lodestarctl.render.graph import FULL, bar, lay_out_bars
from lodestarctl.render.plain import leave_out
from lodestarctl.render.words import clip, columns_of, set_left, set_right, usd, usd_about

amounts = st.integers(-(10**15), 10**15)
labels = st.text(st.characters(codec="utf-8"), max_size=30)


@given(amounts, st.integers(0, 10**15), st.integers(-1, 200))
def test_a_bar_is_never_wider_than_its_place(amount: int, largest: int, width: int) -> None:
    drawn = bar(amount, largest, width)
    assert len(drawn) <= max(0, width)
    assert (drawn == "") == (amount <= 0 or largest <= 0 or width <= 0)


@given(st.integers(1, 10**15), st.integers(1, 200))
def test_the_largest_is_full_and_nothing_is_empty(largest: int, width: int) -> None:
    assert bar(largest, largest, width) == FULL * width
    assert bar(0, largest, width) == ""


@given(st.lists(st.integers(1, 10**12), min_size=2, max_size=2), st.integers(1, 60))
def test_more_is_never_shorter(pair: list[int], width: int) -> None:
    less, more = sorted(pair)
    assert _eighths(bar(less, more, width)) <= _eighths(bar(more, more, width))


def _eighths(drawn: str) -> int:
    return sum(" ▏▎▍▌▋▊▉█".index(char) for char in drawn)


@pytest.mark.parametrize(("amount", "drawn"), [(100, "████"), (50, "██"), (12, "▍"), (1, "▏"), (0, ""), (-5, "")])
def test_bars(amount: int, drawn: str) -> None:
    assert bar(amount, 100, 4) == drawn


@given(st.lists(st.tuples(labels, amounts, amounts), max_size=8), st.integers(50, 160))
def test_lines_keep_to_the_width_and_every_first_figure_is_whole(
    rows: list[tuple[str, int, int]], width: int
) -> None:
    block = Bars(
        (Cell("cost"), Cell("saved")),
        [Bar(label, (cost, saved), (Cell(usd(cost)), Cell(usd(saved)))) for label, cost, saved in rows],
    )
    lines = ["".join(cell.text for cell in line) for line in lay_out_bars(block, width)]
    assert all(columns_of(line) <= width for line in lines)
    assert len(lines) == len(rows) + 1
    assert all(usd(cost) in line for (_, cost, _), line in zip(rows, lines[1:], strict=True))


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (
            50,
            (
                "                     cost                   saved",
                "a  ██▊              $2.00                   $0.00",
                "b  ██████████████  $10.00  ██████████████  $30.00",
            ),
        ),
        (
            40,
            (
                "                            cost   saved",
                "a  ████▏                   $2.00   $0.00",
                "b  █████████████████████  $10.00  $30.00",
            ),
        ),
        (24, ("     cost   saved", "a   $2.00   $0.00", "b  $10.00  $30.00")),
        (10, ("     cost", "a   $2.00", "b  $10.00")),
    ],
)
def test_where_it_is_narrow_the_bars_go_before_the_figures(width: int, lines: tuple[str, ...]) -> None:
    block = Bars(
        (Cell("cost"), Cell("saved")),
        [
            Bar("a", (2, 0), (Cell("$2.00"), Cell("$0.00"))),
            Bar("b", (10, 30), (Cell("$10.00"), Cell("$30.00"))),
        ],
    )
    assert tuple("".join(cell.text for cell in line) for line in lay_out_bars(block, width)) == lines


def test_nothing_at_all_is_no_line() -> None:
    assert lay_out_bars(Bars((), ()), 80) == []
    assert lay_out_bars(Bars((Cell(""),), ()), 80) == []


# columns


@given(labels, st.integers(1, 40))
def test_texts_are_set_and_clipped_by_columns(text: str, width: int) -> None:
    clipped = clip(text, width)
    assert columns_of(clipped) <= max(width, 1)
    if columns_of(text) <= width:
        assert clipped == text
        assert columns_of(set_left(text, width)) == columns_of(set_right(text, width)) == width


def test_wide_letters_take_two_columns_and_marks_none() -> None:
    assert [columns_of(text) for text in ("abc", "王小明", "e\u0301", "ｶ", "한")] == [3, 6, 1, 1, 2]
    assert clip("王小明", 4) == "王…"
    assert set_left("王", 4) + "|" == "王  |"


def test_spare_columns_are_left_out_from_the_last_one_on() -> None:
    columns = (
        Column("name", flexible=True),
        Column("a", spare="narrow"),
        Column("b", spare="wide"),
        Column("c", spare="wide"),
        Column("cost", "decimal"),
    )
    row = (Cell("n" * 20), Cell("a" * 5), Cell("b" * 5), Cell("c" * 5), Cell("$12.34"))
    table = Table(columns, [row], total=row)
    shown = [[column.title for column in leave_out(table, width).columns] for width in (60, 46, 40, 31, 30, 5)]
    assert shown[0] == ["name", "a", "b", "c", "cost"]
    assert shown[1] == ["name", "a", "b", "cost"]
    assert shown[2] == shown[3] == ["name", "a", "cost"]
    assert shown[4] == shown[5] == ["name", "cost"]
    last = table._replace(columns=(*columns[:4], Column("cost", "decimal", spare="last")))
    assert [column.title for column in leave_out(last, 16).columns] == ["name", "cost"]
    assert [column.title for column in leave_out(last, 15).columns] == ["name"]
    assert all(len(each) == 2 for each in (*leave_out(table, 20).rows, leave_out(table, 20).total))


@pytest.mark.parametrize(
    ("amount", "up", "text"),
    [
        (None, True, "-"),
        (6_020_000_001, True, "$6.03"),
        (6_029_999_999, False, "$6.02"),
        (12_345, True, "$0.0000124"),
        (12_345, False, "$0.0000123"),
        (7, True, "$0.000000007"),
        (0, True, "$0.00"),
    ],
)
def test_guesses_are_rounded_outwards(amount: int | None, up: bool, text: str) -> None:
    assert usd_about(amount, up=up) == text
