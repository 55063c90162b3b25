"""Figures as words: exact money, honest rounding, no control bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestarctl.render.words import (
    about,
    align_decimals,
    clean,
    clip,
    count,
    millis,
    moment,
    plural,
    rate,
    share,
    size,
    span,
    usd,
)
from lodestard.domain.money import parse_nano_usd


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "-"),
        (0, "$0.00"),
        (1, "$0.000000001"),
        (10_000_000, "$0.01"),
        (1_500_000_000, "$1.50"),
        (1_234_567_000_000_001, "$1,234,567.000000001"),
        (-120_000_000, "-$0.12"),
    ],
)
def test_money(amount: int | None, text: str) -> None:
    assert usd(amount) == text


@given(st.integers(min_value=0, max_value=9 * 10**15))
def test_money_can_be_read_back_to_the_last_digit(amount: int) -> None:
    assert parse_nano_usd(usd(amount).replace("$", "").replace(",", "")) == amount


@pytest.mark.parametrize(
    ("pico", "text"),
    [(None, "-"), (0, "$0.00"), (150_000, "$0.15"), (5_000_000, "$5.00"), (37_500, "$0.0375"), (1, "$0.000001")],
)
def test_rates(pico: int | None, text: str) -> None:
    assert rate(pico) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "-"),
        (0, "0"),
        (9_999, "9,999"),
        (10_000, "10.0 k"),
        (99_949, "99.9 k"),
        (99_951, "100 k"),
        (812_344, "812 k"),
        (999_600, "1.00 M"),
        (4_812_344, "4.81 M"),
        (12_000_000_000, "12.0 G"),
        (4_000_000_000_000, "4000 G"),
    ],
)
def test_about(number: int | None, text: str) -> None:
    assert about(number) == text


def test_counts() -> None:
    assert (count(None), count(1_204)) == ("-", "1,204")
    assert (plural(1, "request"), plural(1_204, "request"), plural(2, "entry", "entries")) == (
        "1 request",
        "1,204 requests",
        "2 entries",
    )


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 0, "-"), (0, 5, "0.0 %"), (1, 3, "33.3 %"), (5, 5, "100.0 %"), (999_999, 1_000_000, "99.9 %")],
)
def test_share_is_never_rounded_up_to_all(part: int, whole: int, text: str) -> None:
    assert share(part, whole) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 KB"),
        (999_960, "1.0 MB"),
        (16_000_000, "16.0 MB"),
        (10**16, "10000.0 TB"),
    ],
)
def test_size(number: int, text: str) -> None:
    assert size(number) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.42, "0.4 ms"),
        (3.8, "4 ms"),
        (999.4, "999 ms"),
        (999.5, "1.0 s"),
        (59_949, "59.9 s"),
        (59_950, "59 s"),
        (185_000, "3 min 5 s"),
    ],
)
def test_millis(value: float | None, text: str) -> None:
    assert millis(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 s"), (5.9, "5 s"), (60, "1 min"), (3_600, "1 h"), (3_660, "1 h 1 min"), (273_000, "3 d 3 h")],
)
def test_span(value: float, text: str) -> None:
    assert span(value) == text


def test_moments_are_local(utc: None) -> None:
    assert moment(1_763_726_400_000) == "2025-11-21 12:00:00"


def test_control_bytes_never_reach_the_terminal() -> None:
    assert clean("plain … text") == "plain … text"
    assert clean("\x1b[31mred\x07\n\u202e") == "�[31mred���"
    assert clean("a\nb\tc\x1b", keep="\n\t") == "a\nb\tc�"


@given(st.text())
def test_what_is_cleaned_is_printable(text: str) -> None:
    assert clean(text).isprintable()
    assert len(clean(text)) == len(text)


def test_clipping_shows_that_something_is_missing() -> None:
    assert (clip("abc", 3), clip("abcd", 3), clip("abc", 0)) == ("abc", "ab…", "…")


def test_decimal_points_stand_in_one_column() -> None:
    texts = align_decimals(["$1.50", "$0.000001", "free", "-"])
    assert [text.rjust(12) for text in texts] == ["   $1.50    ", "   $0.000001", " free       ", "    -       "]
    assert align_decimals([]) == []
