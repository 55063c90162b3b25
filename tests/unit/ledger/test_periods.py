"""Quarters, and the hours, days, weeks and months of any zone: against the calendar itself, quarter by quarter."""

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.ledger.aggregate import plan_pieces
from lodestard.ledger.figures import QUARTER_MS
from lodestard.ledger.periods import (
    LAST_QUARTER,
    QUARTER_S,
    Range,
    key_of,
    length_of,
    plan_offsets,
    plan_spans,
    quarters,
)
from lodestard.ledger.schema.rollup import QUARTERS_A_DAY

UTC_ZONE = ZoneInfo("UTC")
FORMS = {"hour": "%Y-%m-%dT%H:00", "day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}
SUMMER_2026 = 1_980_000  # a quarter in June 2026
numbers = st.integers(0, 3_000_000)


@given(numbers, st.integers(0, 5_000))
def test_spans_are_the_range_each_quarter_once(first: int, length: int) -> None:
    pieces = sorted(plan_spans(Range(first, first + length)), key=lambda piece: piece.first)
    assert pieces[0].first == first and pieces[-1].end == first + length
    assert all(a.end == b.first for a, b in pairwise(pieces))
    for piece in pieces:
        assert piece.first % piece.span == piece.end % piece.span == 0
    alone = sum(piece.end - piece.first for piece in pieces if piece.span == 1)
    assert alone < 2 * QUARTERS_A_DAY


@pytest.mark.parametrize("name", [*sorted(available_timezones())[::9], "Asia/Kathmandu", "Australia/Lord_Howe"])
@pytest.mark.parametrize("by", FORMS)
def test_every_quarter_is_in_the_period_that_clocks_there_show(name: str, by: str) -> None:
    zone = ZoneInfo(name)
    wanted = Range(SUMMER_2026, SUMMER_2026 + 366 * QUARTERS_A_DAY + 7)
    pieces = plan_offsets(wanted, zone)
    assert (pieces[0].first, pieces[-1].end) == wanted
    assert all(a.end == b.first for a, b in pairwise(pieces))
    for piece in pieces:
        for quarter in {piece.first, piece.end - 1, *range(piece.first, piece.end, 37)}:
            shown = datetime.fromtimestamp(quarter * QUARTER_S, UTC).astimezone(zone).strftime(FORMS[by])
            assert key_of(by, (quarter + piece.offset) // length_of(by)) == shown


def test_ranges_that_touch_share_nothing() -> None:
    early, late = quarters(5, QUARTER_MS + 5), quarters(QUARTER_MS + 5, 3 * QUARTER_MS)
    assert early == (0, 1) and late == (1, 3)
    assert quarters(-5, -1) == (0, 0)


def test_nothing_is_planned_where_there_is_nothing() -> None:
    assert plan_pieces((None, None), Range(0, 10), UTC_ZONE) == []
    assert plan_pieces((5, 9), Range(10, 20), UTC_ZONE) == []
    assert [(piece.first, piece.end) for piece in plan_pieces((5, 9), Range(0, 2**60), UTC_ZONE)] == [(5, 10)]


def test_a_clock_that_is_far_off_breaks_no_report() -> None:
    (piece,) = plan_offsets(Range(LAST_QUARTER - 5, 2**40), UTC_ZONE)
    assert piece.end == LAST_QUARTER
    assert key_of("day", piece.end // QUARTERS_A_DAY).startswith("9999-")


def test_weeks_are_those_of_iso_8601() -> None:
    first_of_january_2027 = (datetime(2027, 1, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days
    assert key_of("week", first_of_january_2027) == "2026-W53"
