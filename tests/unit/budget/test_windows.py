"""Windows of time, at the awkward instants of the world's clocks."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from lodestard.budget.windows import Window, bounds_ms, parse_window

HOUR_MS = 3_600_000


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1_000)


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("day", Window("day")),
        ("total", Window("total")),
        ("24h", Window("rolling", 24)),
        ("1h", Window("rolling", 1)),
    ],
)
def test_a_window_is_read_and_written(text: str, window: Window) -> None:
    assert parse_window(text) == window
    assert str(window) == text


@pytest.mark.parametrize("text", ["", "year", "0h", "9999h", "24 h", "-1h", "h", "1d"])
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected day, week, month"):
        parse_window(text)


@pytest.mark.parametrize(
    ("window", "zone", "at", "start", "end"),
    [
        ("day", "Europe/Berlin", "2026-11-25T12:00+01:00", "2026-11-25T00:00+01:00", "2026-11-26T00:00+01:00"),
        ("day", "Europe/Berlin", "2026-10-25T12:00+01:00", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00"),
        ("week", "UTC", "2026-11-25T12:00+00:00", "2026-11-23T00:00+00:00", "2026-11-30T00:00+00:00"),
        ("month", "UTC", "2024-02-29T23:59+00:00", "2024-02-01T00:00+00:00", "2024-03-01T00:00+00:00"),
        ("month", "Asia/Tokyo", "2026-12-31T16:00+00:00", "2027-01-01T00:00+09:00", "2027-02-01T00:00+09:00"),
        # midnight is left out: the day begins at one
        ("day", "America/Sao_Paulo", "2018-11-04T12:00-02:00", "2018-11-04T01:00-02:00", "2018-11-05T00:00-02:00"),
        # midnight comes twice: the hour before the second one belongs to the new day
        ("day", "America/Havana", "2026-11-01T00:30-05:00", "2026-11-01T00:00-04:00", "2026-11-02T00:00-05:00"),
        # a day that never was
        ("day", "Pacific/Apia", "2011-12-31T12:00+14:00", "2011-12-31T00:00+14:00", "2012-01-01T00:00+14:00"),
    ],
)
def test_bounds(window: str, zone: str, at: str, start: str, end: str) -> None:
    assert bounds_ms(parse_window(window), ms(at), ZoneInfo(zone)) == (ms(start), ms(end))


def test_a_rolling_window_ends_now() -> None:
    now_ms = ms("2026-03-29T12:00+02:00")
    assert bounds_ms(parse_window("24h"), now_ms, ZoneInfo("Europe/Berlin")) == (now_ms - 24 * HOUR_MS, now_ms)
    assert bounds_ms(parse_window("total"), now_ms, ZoneInfo("UTC")) == (0, None)


@pytest.mark.parametrize(
    ("text", "words"), [("day", "today"), ("week", "this week"), ("24h", "the last 24 hours"), ("total", "all time")]
)
def test_a_sentence_names_it(text: str, words: str) -> None:
    assert parse_window(text).words == words
