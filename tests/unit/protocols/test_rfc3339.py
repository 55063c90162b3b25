"""Moments as Go writes them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.protocols.rfc3339 import unix_ms, write_ms

OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-20T10:00:00.123456789Z", 1_795_168_800_123),
        ("2026-11-20T10:00:00.5Z", 1_795_168_800_500),
        ("2026-11-20T11:00:00.123456789+01:00", 1_795_168_800_123),
        ("2026-11-20T04:30:00-05:30", 1_795_168_800_000),
        ("2026-11-20t10:00:00z", 1_795_168_800_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000),
        ("2318-02-28T22:47:16.777Z", 10_986_878_836_777),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
    ],
)
def test_a_moment(text: str, ms: int) -> None:
    assert unix_ms(text) == ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2026-11-20",
        "2026-11-20T10:00:00",
        "2026-13-20T10:00:00Z",
        "2026-00-20T10:00:00Z",
        "2026-02-29T10:00:00Z",
        "2100-02-29T10:00:00Z",
        "2026-11-20T24:00:00Z",
        "2026-11-20T10:60:00Z",
        "2026-11-20T10:00:61Z",
        "2026-11-20T10:00:00+24:00",
        "2026-11-20T10:00:00+01:60",
        "2026-11-20T10:00:00.Z",
        "٢٠٢٦-11-20T10:00:00Z",
        "2026-11-20T10:00:00Z\n",
    ],
)
def test_no_moment(text: str) -> None:
    assert unix_ms(text) is None


@given(st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31), timezones=OFFSETS))  # noqa: DTZ001
def test_it_counts_as_the_calendar_does(moment: datetime) -> None:
    assert unix_ms(moment.isoformat()) == (moment - EPOCH) // timedelta(milliseconds=1)


@given(st.text(max_size=40))
def test_any_text_is_a_moment_or_none(text: str) -> None:
    assert unix_ms(text) is None or text[:4].isdigit()


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_a_moment_there_and_back(ms: int) -> None:
    written = write_ms(ms)
    assert unix_ms(written) == ms
    assert datetime.fromisoformat(written) == EPOCH + timedelta(milliseconds=ms)


def test_a_moment_as_go_writes_it() -> None:
    assert write_ms(1_795_168_800_000) == "2026-11-20T10:00:00Z"
    assert write_ms(1_795_168_800_120) == "2026-11-20T10:00:00.12Z"
