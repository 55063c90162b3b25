"""The ledger's pure parts: ids that sort, days of every zone."""

import os
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.ledger.aggregate import BY
from lodestard.ledger.figures import QUARTER_MS, CostRow
from lodestard.ledger.ids import RequestIds
from lodestard.ledger.reports import By
from lodestard.ledger.totals import day_bounds_ms, day_of

DAY_MS = 86_400_000
ZONES = sorted(available_timezones())


@given(st.lists(st.integers(0, 2**47)))
def test_later_ids_are_greater_whatever_the_clock_does(times: list[int]) -> None:
    ids = RequestIds(os.urandom)
    made = [ids.next_id(now_ms) for now_ms in times]
    assert made == sorted(set(made))
    assert all(len(each) == 28 and each.startswith("req_") and each.isalnum() is False for each in made)


def test_ids_sort_by_time_across_processes() -> None:
    made = [RequestIds(os.urandom).next_id(1_790_000_000_000 + ms) for ms in range(100)]
    assert made == sorted(made)


def test_ids_are_unique_without_entropy_of_their_own() -> None:
    ids = RequestIds(lambda count: b"\xff" * count)
    made = [ids.next_id(1) for _ in range(1_000)]
    assert made == sorted(set(made))


@pytest.mark.parametrize("name", ZONES)
def test_days_of_a_zone_neither_overlap_nor_gap(name: str) -> None:
    zone = ZoneInfo(name)
    at_ms = int(datetime(2025, 12, 31, 12, tzinfo=UTC).timestamp() * 1_000)
    _, previous_end = day_bounds_ms(day_of(at_ms, zone), zone)
    for _ in range(400):
        start, end = day_bounds_ms(day_of(previous_end, zone), zone)
        assert start == previous_end
        assert 22 * 3_600_000 <= end - start <= 26 * 3_600_000
        assert start % QUARTER_MS == 0
        previous_end = end


def test_groupings_are_listed() -> None:
    assert {"model", "project", "user", "day", "client", "alias"} <= set(BY)
    assert "day" in By.__args__  # type: ignore[attr-defined]
    assert CostRow().cost_nano_usd == 0
